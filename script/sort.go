package script

import (
	"slices"
	"strings"

	"kahuna/script/syntax"
)

// sortRows sorts rows by key, in pieces: m may stop it. Rows come nearly in
// order.
func sortRows(rows []Row, m *meter) *Error {
	return sortPieces(rows, m, func(a, b *Row) int { return strings.Compare(a.Key, b.Key) })
}

// sortPieces sorts list by compare, in pieces between which m may stop it. What
// compares equal keeps its order.
func sortPieces[T any](list []T, m *meter, compare func(a, b *T) int) *Error {
	const piece = 1024
	for part := range slices.Chunk(list, piece) {
		slices.SortStableFunc(part, func(a, b T) int { return compare(&a, &b) })
		if err := m.poll(); err != nil {
			return err
		}
	}
	var from []T // the other half of what is merged
	for n := piece; n < len(list); n *= 2 {
		for at := 0; at+n < len(list); at += 2 * n {
			both := list[at:min(at+2*n, len(list))]
			if compare(&both[n-1], &both[n]) <= 0 {
				continue
			}
			from = append(from[:0], both[:n]...)
			if err := mergePieces(both, from, m, compare); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergePieces merges first, whose place is the beginning of list, with the rest
// of list, both sorted.
func mergePieces[T any](list, first []T, m *meter, compare func(a, b *T) int) *Error {
	second := list[len(first):]
	for i := range list {
		if len(first) == 0 {
			return nil // the rest is in its place
		}
		if len(second) > 0 && compare(&second[0], &first[0]) < 0 {
			list[i], second = second[0], second[1:]
		} else {
			list[i], first = first[0], first[1:]
		}
		if i%pollParts == pollParts-1 {
			if err := m.poll(); err != nil {
				return err
			}
		}
	}
	return nil
}

// ranked is an element to sort, with what it is compared by.
type ranked struct {
	value Value
	by    Value
	text  string // of a text
	num   num
	long  bool // by is digits beyond int64, which num does not hold
}

// ranks returns the elements that sort or sort_text is to sort, with what they
// are compared by.
func ranks(e *callEnv, name string, args []Value) ([]ranked, *Error) {
	elems, err := arrayArg(e, name, &args[0])
	if err != nil {
		return nil, err
	}
	if err := e.meter.makeArray(int64(len(elems))); err != nil {
		return nil, err
	}
	const rankedBytes = 200
	if err := e.meter.build(int64(len(elems)) * rankedBytes); err != nil {
		return nil, err
	}
	list := make([]ranked, len(elems))
	for i := range elems {
		list[i].value, list[i].by = elems[i], elems[i]
		if len(args) == 2 {
			if !elems[i].nested() {
				return nil, errf(CodeType, "%s() by %s needs arrays or maps, got %s", name, describe(args[1]), describe(elems[i]))
			}
			if list[i].by, err = indexValue(&elems[i], &args[1], e.meter); err != nil {
				return nil, err
			}
		}
		if err := e.meter.examine(valueBytes + len(list[i].by.str)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// sorted sorts list and makes an array of it.
func sorted(e *callEnv, list []ranked, compare func(a, b *ranked) int) (Value, *Error) {
	var fault *Error
	err := sortPieces(list, e.meter, func(a, b *ranked) int {
		if fault == nil {
			fault = e.meter.passed(min(len(a.text), len(b.text)))
		}
		if fault != nil {
			return 0 // it no longer matters
		}
		e.meter.read(1 + min(len(a.text), len(b.text)))
		return compare(a, b)
	})
	if fault != nil {
		err = fault
	}
	if err != nil {
		return Null, err
	}
	elems := make([]Value, len(list))
	for i := range list {
		elems[i] = list[i].value
	}
	return e.meter.seal(elems)
}

// callSort sorts in the order of <. Either all elements are numbers, or none is.
func callSort(e *callEnv, args []Value) (Value, *Error) {
	list, err := ranks(e, "sort", args)
	if err != nil || len(list) < 2 {
		return args[0], err
	}
	numbers := false
	for i := range list {
		r := &list[i]
		var number bool
		var err *Error
		r.num, number, err = numberOf(&r.by)
		r.long = err != nil
		if i == 0 {
			numbers = number
		}
		if !number {
			r.text = r.by.str
		}
		if number != numbers || !number && r.by.kind != KindString {
			err := cannotSort(&list[0].by, &r.by)
			return Null, err
		}
	}
	return sorted(e, list, func(a, b *ranked) int {
		switch {
		case !numbers:
			return strings.Compare(a.text, b.text)
		case a.long || b.long:
			c, _ := compareLong(&a.by, &b.by, a.num, b.num, a.long, b.long)
			return c
		}
		return compareNumbers(a.num, b.num)
	})
}

// numberOf is number, where it is no error that only digits are too many.
func numberOf(v *Value) (num, bool, *Error) {
	n, ok, err := number(v)
	if err != nil {
		if _, _, digits := longDigits(v.str); !digits {
			return n, false, err // beyond float64
		}
	}
	return n, ok, err
}

// cannotSort is the error of two elements that have no order.
func cannotSort(a, b *Value) *Error {
	_, err := compareValues(syntax.Less, a, b)
	if err == nil {
		_, err = compareValues(syntax.Less, b, b)
	}
	if err == nil {
		return errf(CodeType, "sort() cannot order %s and %s", describe(*a), describe(*b))
	}
	if err.Code == CodeType {
		err = errf(CodeType, "sort() cannot order %s and %s", describe(*a), describe(*b))
		if a.kind == KindString && b.kind == KindString {
			err.Hint = "sort_text() orders texts by their bytes"
		}
	}
	return err
}

// callSortText sorts by the bytes of the texts.
func callSortText(e *callEnv, args []Value) (Value, *Error) {
	list, err := ranks(e, "sort_text", args)
	if err != nil {
		return Null, err
	}
	for i := range list {
		if list[i].text, err = toStr(list[i].by); err != nil {
			return Null, err
		}
	}
	return sorted(e, list, func(a, b *ranked) int { return strings.Compare(a.text, b.text) })
}
