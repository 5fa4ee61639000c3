package script

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
)

// ValueOf converts a Go value to a value of the language, for the parameters
// of a script:
//
//   - nil is null; a bool, an integer that fits an int64, a finite float, a
//     string or []byte (both a string), also of a named type, is what it is, and
//     so is a Value;
//   - a time.Duration is its milliseconds, a time.Time its Unix milliseconds;
//   - a json.Number, json.RawMessage or json.Marshaler is what its JSON says, an
//     encoding.TextMarshaler its text;
//   - a slice or array is an array (one of bytes is a string), a map with text
//     keys a map, with the members in the order of their names; a pointer is
//     what it points to, or null.
//
// Everything is copied. The error is an *Error with code "bad_parameter", or
// "limit" for what exceeds DefaultLimits; it names the Go type and no parameter.
func ValueOf(x any) (Value, error) {
	switch x := x.(type) { // the usual ones, without more ado
	case string:
		return String(x), nil
	case int:
		return Int(int64(x)), nil
	case int64:
		return Int(x), nil
	}
	limits := DefaultLimits()
	v, err := valueOf(x, newMeter(&limits), 0)
	if err != nil {
		return Null, err
	}
	return v, nil
}

func valueOf(x any, m *meter, depth int) (Value, *Error) {
	switch x := x.(type) {
	case nil:
		return Null, nil
	case Value:
		return valueOfValue(x, m, depth)
	case bool:
		return Bool(x), nil
	case string:
		return String(x), nil
	case []byte:
		return String(string(x)), nil
	case int:
		return Int(int64(x)), nil
	case int8:
		return Int(int64(x)), nil
	case int16:
		return Int(int64(x)), nil
	case int32:
		return Int(int64(x)), nil
	case int64:
		return Int(x), nil
	case uint:
		return valueOfUint(uint64(x), "uint")
	case uint8:
		return Int(int64(x)), nil
	case uint16:
		return Int(int64(x)), nil
	case uint32:
		return Int(int64(x)), nil
	case uint64:
		return valueOfUint(x, "uint64")
	case uintptr:
		return valueOfUint(uint64(x), "uintptr")
	case float32:
		return valueOfFloat(float64(x), "float32")
	case float64:
		return valueOfFloat(x, "float64")
	case json.Number:
		return valueOfNumber(x)
	case map[string]any:
		names := slices.Sorted(maps.Keys(x))
		return valueOfMembers(names, m, depth, func(i int) (Value, *Error) { return valueOf(x[names[i]], m, depth+1) })
	case []any:
		return valueOfSlice(x, m, depth, func(e any) (Value, *Error) { return valueOf(e, m, depth+1) })
	case []Value:
		return valueOfSlice(x, m, depth, func(e Value) (Value, *Error) { return valueOfValue(e, m, depth+1) })
	case []string:
		return valueOfSlice(x, m, depth, func(e string) (Value, *Error) { return String(e), nil })
	case []int64:
		return valueOfSlice(x, m, depth, func(e int64) (Value, *Error) { return Int(e), nil })
	case []int:
		return valueOfSlice(x, m, depth, func(e int) (Value, *Error) { return Int(int64(e)), nil })
	case []float64:
		return valueOfSlice(x, m, depth, func(e float64) (Value, *Error) { return valueOfFloat(e, "float64") })
	case []bool:
		return valueOfSlice(x, m, depth, func(e bool) (Value, *Error) { return Bool(e), nil })
	}
	return valueOfGo(x, m, depth)
}

// valueOfValue drops the metadata, which a parameter does not have.
func valueOfValue(v Value, m *meter, depth int) (Value, *Error) {
	if !v.nested() {
		return v.plain(), nil
	}
	if v.kind == KindMap {
		elems := v.Elems()
		return valueOfMembers(slices.Clone(v.Names()), m, depth, func(i int) (Value, *Error) {
			return valueOfValue(elems[i], m, depth+1)
		})
	}
	return valueOfSlice(v.Elems(), m, depth, func(e Value) (Value, *Error) { return valueOfValue(e, m, depth+1) })
}

func valueOfSlice[T any](xs []T, m *meter, depth int, convert func(T) (Value, *Error)) (Value, *Error) {
	if depth >= m.limits.Nesting {
		return Null, m.nestingLimit()
	}
	if err := m.makeArray(int64(len(xs))); err != nil {
		return Null, err
	}
	elems := make([]Value, len(xs))
	for i, x := range xs {
		v, err := convert(x)
		if err != nil {
			return Null, err
		}
		elems[i] = v
	}
	return m.seal(elems)
}

// valueOfMembers makes a map of the members with these names, which differ.
func valueOfMembers(names []string, m *meter, depth int, convert func(i int) (Value, *Error)) (Value, *Error) {
	if depth >= m.limits.Nesting {
		return Null, m.nestingLimit()
	}
	if err := m.makeMap(int64(len(names))); err != nil {
		return Null, err
	}
	elems := make([]Value, len(names))
	for i := range names {
		v, err := convert(i)
		if err != nil {
			return Null, err
		}
		elems[i] = v
	}
	return m.sealMap(names, elems)
}

func valueOfUint(u uint64, typ string) (Value, *Error) {
	if u > math.MaxInt64 {
		return Null, errf(CodeBadParameter, "the %s %d does not fit an int64", typ, u)
	}
	return Int(int64(u)), nil
}

func valueOfFloat(f float64, typ string) (Value, *Error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Null, errf(CodeBadParameter, "the %s %v is not a finite number", typ, f)
	}
	return Float(f), nil
}

// valueOfNumber reads a number as a literal of the language would be: without
// point and exponent it is an int64.
func valueOfNumber(n json.Number) (Value, *Error) {
	v, ok, err := numericText(string(n))
	switch {
	case !ok:
		return Null, errf(CodeBadParameter, "the json.Number %s is not a number", quote(string(n)))
	case err != nil:
		return Null, errf(CodeBadParameter, "the json.Number %s is too large", quote(string(n)))
	}
	return v.value(), nil
}
