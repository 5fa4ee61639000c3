package script

import (
	"cmp"
	"math"
	"math/bits"
	"strings"

	"kahuna/script/syntax"
)

// The operators (docs/language.md, "Operators"). Results carry no
// metadata; errors carry no position, which is the caller's to add. Operands
// are not changed: they are pointers because two values do not fit the
// registers.

// arith returns l op r for + - * / and %.
func arith(op syntax.Op, l, r *Value) (Value, *Error) {
	if l.kind == KindInt && r.kind == KindInt {
		i, err := arithInt(op, l.integer(), r.integer())
		if err != nil {
			return Null, err
		}
		return Int(i), nil
	}
	a, okA, errA := number(l)
	b, okB, errB := number(r)
	switch {
	case !okA || !okB:
		return Null, cannotApply(op, *l, *r)
	case errA != nil:
		return Null, errA
	case errB != nil:
		return Null, errB
	}
	n, err := arithNum(op, a, b)
	if err != nil {
		return Null, err
	}
	return n.value(), nil
}

func arithNum(op syntax.Op, a, b num) (num, *Error) {
	if !a.float && !b.float {
		i, err := arithInt(op, a.i, b.i)
		return intNum(i), err
	}
	f, err := arithFloat(op, a.asFloat(), b.asFloat())
	return floatNum(f), err
}

func arithInt(op syntax.Op, a, b int64) (int64, *Error) {
	switch op {
	case syntax.Plus:
		if c := a + b; (c > a) == (b > 0) {
			return c, nil
		}
	case syntax.Minus:
		if c := a - b; (c < a) == (b > 0) {
			return c, nil
		}
	case syntax.Star:
		if c, ok := multiply(a, b); ok {
			return c, nil
		}
	case syntax.Slash:
		if b == 0 {
			return 0, divisionByZero()
		}
		if a != math.MinInt64 || b != -1 {
			return a / b, nil
		}
	default: // syntax.Percent
		if b == 0 {
			return 0, divisionByZero()
		}
		return a % b, nil
	}
	return 0, integerOverflow()
}

// multiply returns a*b, and false when it does not fit.
func multiply(a, b int64) (int64, bool) {
	c := a * b
	if a == int64(int32(a)) && b == int64(int32(b)) {
		return c, true
	}
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if high != 0 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return c, low <= 1<<63
	}
	return c, low < 1<<63
}

// magnitude returns |a|, which of the smallest int64 is no int64.
func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func arithFloat(op syntax.Op, x, y float64) (float64, *Error) {
	var f float64
	switch op {
	case syntax.Plus:
		f = x + y
	case syntax.Minus:
		f = x - y
	case syntax.Star:
		f = x * y
	default: // syntax.Slash, syntax.Percent
		if y == 0 {
			return 0, divisionByZero()
		}
		if op == syntax.Slash {
			f = x / y
		} else {
			f = math.Mod(x, y)
		}
	}
	if !isFinite(f) {
		return 0, floatOverflow()
	}
	return f, nil
}

func divisionByZero() *Error  { return errf(CodeDivisionByZero, "division by zero") }
func integerOverflow() *Error { return errf(CodeRange, "integer overflow") }

// cannotApply is the error of an operator on types it does not take.
func cannotApply(op syntax.Op, l, r Value) *Error {
	err := errf(CodeType, "cannot apply '%s' to %s and %s", op, describe(l), describe(r))
	if op == syntax.Plus && (l.kind == KindString || r.kind == KindString) && joinable(l) && joinable(r) {
		err.Hint = "use concat() to join text"
	}
	return err
}

// joinable reports whether somebody may want v as a part of a text.
func joinable(v Value) bool { return !v.nested() && v.kind != KindNull }

// negate returns -v.
func negate(v Value) (Value, *Error) {
	n, ok, err := number(&v)
	switch {
	case !ok:
		return Null, errf(CodeType, "cannot apply '-' to %s", describe(v))
	case err != nil:
		return Null, err
	case n.float:
		return Float(-n.f), nil
	case n.i == math.MinInt64:
		return Null, integerOverflow()
	}
	return Int(-n.i), nil
}

// order returns l op r for < <= > and >=.
func order(op syntax.Op, l, r *Value) (bool, *Error) {
	if l.kind == KindInt && r.kind == KindInt {
		return ordered(op, cmp.Compare(l.integer(), r.integer())), nil
	}
	c, fault := compareValues(op, l, r)
	return ordered(op, c), fault
}

// compareValues returns -1, 0 or 1 for l and r in the order of <, for the
// operator op.
func compareValues(op syntax.Op, l, r *Value) (int, *Error) {
	a, okA, errA := number(l)
	b, okB, errB := number(r)
	switch {
	case l.kind == KindString && r.kind == KindString && !okA && !okB:
		return strings.Compare(l.str, r.str), nil
	case !okA || !okB:
		err := cannotApply(op, *l, *r)
		if l.kind == KindString && r.kind == KindString {
			err.Hint = "one of the texts is a number; compare(a, b) orders texts by their bytes"
		}
		return 0, err
	case errA == nil && errB == nil:
		return compareNumbers(a, b), nil
	}
	return compareLong(l, r, a, b, errA != nil, errB != nil)
}

// ordered says whether op holds for two operands that compare as c.
func ordered(op syntax.Op, c int) bool {
	switch op {
	case syntax.Less:
		return c < 0
	case syntax.LessEq:
		return c <= 0
	case syntax.Greater:
		return c > 0
	}
	return c >= 0
}

// compareNumbers compares two numbers by their exact mathematical values.
func compareNumbers(a, b num) int {
	switch {
	case !a.float && !b.float:
		return cmp.Compare(a.i, b.i)
	case a.float && b.float:
		return cmp.Compare(a.f, b.f)
	case a.float:
		return -compareIntFloat(b.i, a.f)
	}
	return compareIntFloat(a.i, b.f)
}

// compareIntFloat compares i with f without rounding either.
func compareIntFloat(i int64, f float64) int {
	if !fitsInt(f) {
		if f > 0 {
			return -1
		}
		return 1
	}
	// The whole part of f is an int64, and the rest of f is exact too.
	whole := int64(f)
	if c := cmp.Compare(i, whole); c != 0 {
		return c
	}
	return cmp.Compare(0, f-float64(whole))
}

// equal returns l == r. It has a result for all values. A run compares with
// meter.equal, which can be stopped.
func equal(l, r *Value) bool {
	if l.kind == r.kind {
		switch l.kind {
		case KindNull:
			return true
		case KindBool, KindInt:
			return l.num == r.num
		case KindString:
			return l.str == r.str
		case KindFloat:
			return l.float() == r.float()
		}
		same, _ := (*meter)(nil).equalNested(l, r, 1)
		return same
	}
	return equalKinds(l, r)
}

// equal returns l == r. An array is read as far as it is the same, and what is
// read of it counts: a few elements may share one long text.
func (m *meter) equal(l, r *Value) (bool, *Error) {
	if l.nested() && l.kind == r.kind {
		return m.equalNested(l, r, 1)
	}
	return equal(l, r), nil
}

// equalKinds compares two values of different types.
func equalKinds(l, r *Value) bool {
	if l.kind > r.kind {
		l, r = r, l
	}
	// From here on the types stand in the order of the kinds.
	switch {
	case l.kind == KindInt && r.kind == KindFloat:
		return compareIntFloat(l.integer(), r.float()) == 0
	case r.kind != KindString || l.kind == KindNull:
		return false
	case l.kind == KindBool:
		return l.Bool() && spells(r.str, "true") || !l.Bool() && spells(r.str, "false")
	}
	a, _, _ := number(l)
	b, ok, err := numericText(r.str)
	if ok && err != nil {
		c, err := compareLong(l, r, a, b, false, true)
		return err == nil && c == 0
	}
	return ok && compareNumbers(a, b) == 0
}

// equalNested compares two arrays or two maps at the given depth. Below the
// greatest depth a script can reach only identical ones are equal. Without a
// meter there is no error.
func (m *meter) equalNested(l, r *Value, depth int) (bool, *Error) {
	if l.ref == r.ref {
		return true, nil
	}
	c, d := l.compound(), r.compound()
	if c.n != d.n || depth > maxNesting {
		return false, nil
	}
	a, err := m.elems(l)
	if err != nil {
		return false, err
	}
	b, err := m.elems(r)
	if err != nil {
		return false, err
	}
	for i := range a {
		other := i
		if l.kind == KindMap {
			name := c.names[i]
			if d.names[i] != name { // else it stands at the same place, as it mostly does
				if other, err = m.find(r, name); err != nil || other < 0 {
					return false, err
				}
			}
		}
		same, err := m.equalElems(&a[i], &b[other], depth)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (m *meter) equalElems(l, r *Value, depth int) (bool, *Error) {
	if err := m.examine(compareBytes(l, r)); err != nil {
		return false, err
	}
	if l.nested() && l.kind == r.kind {
		return m.equalNested(l, r, depth+1)
	}
	return equal(l, r), nil
}

// compareBytes returns how many bytes are read to compare two elements, what
// is in them aside if they are arrays. Two texts are read if they are as long,
// and one beside something else since it may spell it.
func compareBytes(l, r *Value) int {
	if l.kind == KindString && r.kind == KindString && len(l.str) != len(r.str) {
		return valueBytes
	}
	return valueBytes + max(len(l.str), len(r.str))
}

// condition returns v as the condition of word, such as "if" or "&&"
// (docs/language.md, "Conditions").
func condition(word string, v Value) (bool, *Error) {
	if v.kind == KindBool {
		return v.Bool(), nil
	}
	return false, badCondition(word, v)
}

func badCondition(word string, v Value) *Error {
	err := errf(CodeType, "'%s' needs a bool, got %s", word, describe(v))
	switch v.kind {
	case KindNull:
		err.Hint = "test is_null(x), or compare: x == true"
	case KindInt, KindFloat:
		err.Hint = "compare it: x != 0"
	case KindString:
		err.Hint = "compare it: x == true, or test is_null(x)"
	case KindArray, KindMap:
		err.Hint = "use count(x) > 0"
	}
	return err
}
