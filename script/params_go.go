package script

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// valueOfGo converts what valueOf has no case of its own for: by its methods, or
// by the kind of its type.
func valueOfGo(x any, m *meter, depth int) (Value, *Error) {
	v := reflect.ValueOf(x)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return Null, nil // its methods need not be ready for that
	}
	switch x := x.(type) {
	case time.Duration:
		return Int(x.Milliseconds()), nil
	case time.Time:
		return Int(x.UnixMilli()), nil
	case *time.Time: // a Marshaler, too
		return Int(x.UnixMilli()), nil
	case json.RawMessage:
		return valueOfJSON(x, m)
	case json.Marshaler:
		text, err := x.MarshalJSON()
		if err != nil {
			return Null, errf(CodeBadParameter, "MarshalJSON of the Go type %T fails: %v", x, err)
		}
		return valueOfJSON(text, m)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return Null, errf(CodeBadParameter, "MarshalText of the Go type %T fails: %v", x, err)
		}
		return String(string(text)), nil
	}
	return valueOfKind(v, m, depth)
}

// valueOfKind converts a value of a type without methods that matter.
func valueOfKind(v reflect.Value, m *meter, depth int) (Value, *Error) {
	switch v.Kind() {
	case reflect.Bool:
		return Bool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return valueOfUint(v.Uint(), v.Type().String())
	case reflect.Float32, reflect.Float64:
		return valueOfFloat(v.Float(), v.Type().String())
	case reflect.String:
		return String(v.String()), nil
	case reflect.Pointer:
		if depth >= m.limits.Nesting { // it may point to itself
			return Null, m.nestingLimit()
		}
		return valueOf(v.Elem().Interface(), m, depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			copied := reflect.New(v.Type()).Elem() // Bytes takes no array that is a copy
			copied.Set(v)
			return String(string(copied.Bytes())), nil
		}
		elems := make([]int, v.Len())
		for i := range elems {
			elems[i] = i
		}
		return valueOfSlice(elems, m, depth, func(i int) (Value, *Error) { return valueOf(v.Index(i).Interface(), m, depth+1) })
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			return valueOfGoMap(v, m, depth)
		}
		return Null, errf(CodeBadParameter, "a value of Go type %s is not supported", v.Type()).hinted("the keys of a map are texts")
	case reflect.Struct:
		return Null, errf(CodeBadParameter, "a value of Go type %s is not supported", v.Type()).
			hinted("pass a map, or give the type a MarshalJSON or MarshalText method")
	}
	return Null, errf(CodeBadParameter, "a value of Go type %s is not supported", v.Type())
}

func valueOfGoMap(v reflect.Value, m *meter, depth int) (Value, *Error) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.String()
	}
	return valueOfMembers(names, m, depth, func(i int) (Value, *Error) {
		return valueOf(v.MapIndex(keys[i]).Interface(), m, depth+1)
	})
}

// valueOfJSON returns the value of a JSON text.
func valueOfJSON(text []byte, m *meter) (Value, *Error) {
	v, err := readJSON(string(text), m)
	if err != nil && err.Code == CodeRange {
		err = errf(CodeBadParameter, "the JSON is bad: %s", strings.TrimPrefix(err.Message, "from_json() needs JSON: "))
	}
	return v, err
}
