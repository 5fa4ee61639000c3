package script

import (
	"hash/maphash"
	"math"

	"kahuna/script/syntax"
)

// The functions of arrays and maps. A result shares the elements of its
// arguments, metadata included.

// arrayArg returns the elements of an argument that must be an array.
func arrayArg(e *callEnv, name string, v *Value) ([]Value, *Error) {
	if v.kind != KindArray {
		return nil, needs(name, "an array", *v)
	}
	return e.meter.elems(v)
}

// mapArg checks an argument that must be a map.
func mapArg(name string, v *Value) *Error {
	if v.kind != KindMap {
		return needs(name, "a map", *v)
	}
	return nil
}

// nameArg returns an argument that must be the name of a member.
func nameArg(name string, v *Value) (string, *Error) {
	if v.kind != KindString {
		err := needs(name, "a text for the name of a member", *v)
		if !v.nested() && v.kind != KindNull {
			err.Hint = "use to_str()"
		}
		return "", err
	}
	return v.str, nil
}

// indexArg returns an argument that must be a position from 0 to most.
func indexArg(v Value, what string, most int) (int, *Error) {
	n, err := whole(v, what)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(most) {
		return 0, errf(CodeRange, "%s must be 0 to %d, got %d", what, most, n)
	}
	return int(n), nil
}

// part makes an array of elems, which are copied.
func part(e *callEnv, elems []Value) (Value, *Error) {
	if err := e.meter.makeArray(int64(len(elems))); err != nil {
		return Null, err
	}
	return e.meter.seal(append(make([]Value, 0, len(elems)), elems...))
}

// joined makes an array of the elements of several lists, one after the other.
func joined(e *callEnv, lists ...[]Value) (Value, *Error) {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	if err := e.meter.makeArray(int64(n)); err != nil {
		return Null, err
	}
	all := make([]Value, 0, n)
	for _, l := range lists {
		all = append(all, l...)
	}
	return e.meter.seal(all)
}

func callKeys(e *callEnv, args []Value) (Value, *Error) {
	if err := mapArg("keys", &args[0]); err != nil {
		return Null, err
	}
	elems, err := e.meter.elems(&args[0])
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeArray(int64(len(elems))); err != nil {
		return Null, err
	}
	names := make([]Value, len(elems))
	for i, name := range args[0].compound().names[:len(elems)] {
		names[i].setString(name, -1, 0)
	}
	return flatArray(names), nil
}

func callValues(e *callEnv, args []Value) (Value, *Error) {
	if err := mapArg("values", &args[0]); err != nil {
		return Null, err
	}
	elems, err := e.meter.elems(&args[0])
	if err != nil {
		return Null, err
	}
	return part(e, elems)
}

func callHas(e *callEnv, args []Value) (Value, *Error) {
	if err := mapArg("has", &args[0]); err != nil {
		return Null, err
	}
	name, err := nameArg("has", &args[1])
	if err != nil {
		return Null, err
	}
	i, err := e.meter.find(&args[0], name)
	return Bool(i >= 0), err
}

func callPut(e *callEnv, args []Value) (Value, *Error) {
	switch v := &args[0]; v.kind {
	case KindMap:
		name, err := nameArg("put", &args[1])
		if err != nil {
			return Null, err
		}
		return e.meter.put(v, name, &args[2])
	case KindArray:
		i, err := elementArg(v, args[1], "put() index")
		if err != nil {
			return Null, err
		}
		return e.meter.replace(v, i, &args[2])
	}
	return Null, needs("put", "an array or a map", args[0])
}

// elementArg returns an argument that must be the position of an element of the
// array v.
func elementArg(v *Value, i Value, what string) (int, *Error) {
	n, err := whole(i, what)
	if err != nil {
		return 0, err
	}
	if count := v.compound().n; n < 0 || n >= int64(count) {
		return 0, outOfRange(n, count)
	}
	return int(n), nil
}

func callRemove(e *callEnv, args []Value) (Value, *Error) {
	v := &args[0]
	var at int
	var err *Error
	switch v.kind {
	case KindMap:
		var name string
		if name, err = nameArg("remove", &args[1]); err == nil {
			at, err = e.meter.find(v, name)
		}
	case KindArray:
		at, err = elementArg(v, args[1], "remove() index")
	default:
		return Null, needs("remove", "an array or a map", *v)
	}
	if err != nil {
		return Null, err
	}
	if at < 0 {
		return *v, nil
	}
	elems, err := e.meter.elems(v)
	if err != nil {
		return Null, err
	}
	if v.kind == KindArray {
		return joined(e, elems[:at], elems[at+1:])
	}
	if err := e.meter.makeMap(int64(len(elems)) - 1); err != nil {
		return Null, err
	}
	names := v.compound().names[:len(elems)]
	return e.meter.sealMap(without(names, at), without(elems, at))
}

// without returns a copy of list without the element at.
func without[T any](list []T, at int) []T {
	rest := make([]T, 0, len(list)-1)
	return append(append(rest, list[:at]...), list[at+1:]...)
}

func callMerge(e *callEnv, args []Value) (Value, *Error) {
	for i := range args {
		if err := mapArg("merge", &args[i]); err != nil {
			return Null, err
		}
	}
	if args[1].compound().n == 0 {
		return args[0], nil
	}
	var lists [2][]Value
	for i := range lists {
		var err *Error
		if lists[i], err = e.meter.elems(&args[i]); err != nil {
			return Null, err
		}
	}
	n := len(lists[0]) + len(lists[1])
	if err := e.meter.build(compoundBytes + int64(n)*(nameBytes+valueBytes)); err != nil {
		return Null, err
	}
	names, elems := make([]string, 0, n), make([]Value, 0, n)
	for i, list := range lists {
		names, elems = append(names, args[i].compound().names[:len(list)]...), append(elems, list...)
	}
	v, err := e.meter.sealMap(names, elems)
	if err == nil && v.compound().n > e.meter.limits.Elements {
		return Null, e.meter.elementsLimit()
	}
	return v, err
}

func callAppend(e *callEnv, args []Value) (Value, *Error) {
	if args[0].kind != KindArray {
		return Null, needs("append", "an array", args[0])
	}
	return e.meter.extend(&args[0], nil, args[1:])
}

func callInsert(e *callEnv, args []Value) (Value, *Error) {
	elems, err := arrayArg(e, "insert", &args[0])
	if err != nil {
		return Null, err
	}
	at, err := indexArg(args[1], "insert() index", len(elems))
	if err != nil {
		return Null, err
	}
	return joined(e, elems[:at], args[2:3], elems[at:])
}

func callSlice(e *callEnv, args []Value) (Value, *Error) {
	elems, err := arrayArg(e, "slice", &args[0])
	if err != nil {
		return Null, err
	}
	from, err := indexArg(args[1], "slice() start", len(elems))
	if err != nil {
		return Null, err
	}
	elems = elems[from:]
	if len(args) == 3 {
		n, err := indexArg(args[2], "slice() length", len(elems))
		if err != nil {
			return Null, err
		}
		elems = elems[:n]
	}
	return part(e, elems)
}

func callFirst(e *callEnv, args []Value) (Value, *Error) {
	elems, n, err := end(e, "first", args)
	switch {
	case err != nil:
		return Null, err
	case len(args) == 2:
		return part(e, elems[:n])
	case n == 0:
		return Null, nil
	}
	return elems[0], nil
}

func callLast(e *callEnv, args []Value) (Value, *Error) {
	elems, n, err := end(e, "last", args)
	switch {
	case err != nil:
		return Null, err
	case len(args) == 2:
		return part(e, elems[len(elems)-n:])
	case n == 0:
		return Null, nil
	}
	return elems[len(elems)-1], nil
}

// end returns the elements of an array, and how many of them first or last
// takes.
func end(e *callEnv, name string, args []Value) ([]Value, int, *Error) {
	elems, err := arrayArg(e, name, &args[0])
	if err != nil {
		return nil, 0, err
	}
	n := int64(1)
	if len(args) == 2 {
		if n, err = whole(args[1], name+"() count"); err != nil {
			return nil, 0, err
		}
		if n < 0 {
			return nil, 0, errf(CodeRange, "%s() count must not be negative, got %d", name, n)
		}
	}
	return elems, int(min(n, int64(len(elems)))), nil
}

func callReverse(e *callEnv, args []Value) (Value, *Error) {
	elems, err := arrayArg(e, "reverse", &args[0])
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeArray(int64(len(elems))); err != nil {
		return Null, err
	}
	back := make([]Value, len(elems))
	for i := range elems {
		back[len(elems)-1-i] = elems[i]
	}
	return e.meter.seal(back)
}

func callConcatArrays(e *callEnv, args []Value) (Value, *Error) {
	lists := make([][]Value, len(args))
	for i := range args {
		var err *Error
		if lists[i], err = arrayArg(e, "concat_arrays", &args[i]); err != nil {
			return Null, err
		}
	}
	return joined(e, lists...)
}

func callSum(e *callEnv, args []Value) (Value, *Error) {
	elems, err := arrayArg(e, "sum", &args[0])
	if err != nil {
		return Null, err
	}
	total := intNum(0)
	for i := range elems {
		n, ok, err := number(&elems[i])
		if !ok {
			return Null, errf(CodeType, "sum() needs an array of numbers, got %s in it", describe(elems[i]))
		}
		if err == nil {
			total, err = arithNum(syntax.Plus, total, n)
		}
		if err == nil {
			err = e.meter.examine(valueBytes + len(elems[i].str))
		}
		if err != nil {
			return Null, err
		}
	}
	return total.value(), nil
}

// callUnique keeps the first of equal elements. What may be equal has the same
// hash, but == decides: the texts 1 and 1.0 both equal the number, and differ.
func callUnique(e *callEnv, args []Value) (Value, *Error) {
	elems, err := arrayArg(e, "unique", &args[0])
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeArray(int64(len(elems))); err != nil {
		return Null, err
	}
	if err := e.meter.build(int64(len(elems)) * indexBytes); err != nil {
		return Null, err
	}
	h := hasher{m: e.meter}
	kept := make([]Value, 0, len(elems))
	places := make(map[uint64][]int32, len(elems))
	for i := range elems {
		x := &elems[i]
		hash, err := h.value(x)
		if err != nil {
			return Null, err
		}
		same := false
		for _, j := range places[hash] {
			if same, err = e.meter.equalElems(&kept[j], x, 1); err != nil {
				return Null, err
			}
			if same {
				break
			}
		}
		if !same {
			places[hash] = append(places[hash], int32(len(kept)))
			kept = append(kept, *x)
		}
	}
	return e.meter.seal(kept)
}

// hasher hashes values so that two that are equal have the same hash.
type hasher struct{ m *meter }

var hashSeed = maphash.MakeSeed()

func (h *hasher) value(v *Value) (uint64, *Error) {
	if err := h.m.examine(valueBytes + len(v.str)); err != nil {
		return 0, err
	}
	switch v.kind {
	case KindBool:
		return 1 + v.num, nil
	case KindString:
		switch {
		case spells(v.str, "false"):
			return 1, nil
		case spells(v.str, "true"):
			return 2, nil
		}
	case KindArray, KindMap:
		return h.nested(v)
	case KindNull:
		return 3, nil
	}
	n, ok, err := number(v)
	switch {
	case !ok:
		return maphash.String(hashSeed, v.str), nil
	case err != nil: // digits beyond int64, or no float64
		f, err := longFloatOf(v.str)
		if err != nil {
			return 4, nil
		}
		n = floatNum(f)
	}
	// A number has one float64 nearest to it, however it is written. Zero has
	// two, and the sum makes them one.
	return math.Float64bits(n.asFloat()+0) * 0x9E3779B97F4A7C15, nil
}

func (h *hasher) nested(v *Value) (uint64, *Error) {
	elems, err := h.m.elems(v)
	if err != nil {
		return 0, err
	}
	sum := uint64(len(elems))
	for i := range elems {
		x, err := h.value(&elems[i])
		if err != nil {
			return 0, err
		}
		if v.kind == KindMap { // in any order
			sum += (x ^ maphash.String(hashSeed, v.compound().names[i])) * 0xBF58476D1CE4E5B9
		} else {
			sum = sum*31 + x
		}
	}
	return sum, nil
}
