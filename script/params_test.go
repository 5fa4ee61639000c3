package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

type (
	named   string
	small   int16
	celsius float64
	color   struct{ r, g int }
)

func (c celsius) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(c), 0) {
		return nil, errors.New("too hot")
	}
	return fmt.Appendf(nil, `{"degrees": %v}`, float64(c)), nil
}

func (c color) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d-%d", c.r, c.g), nil }

func TestValueOf(t *testing.T) {
	for _, c := range []struct {
		x    any
		want string
	}{
		{nil, "null"},
		{true, "true"},
		{int(-1), "-1"},
		{int8(-8), "-8"},
		{int16(-16), "-16"},
		{int32(-32), "-32"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{uint(1), "1"},
		{uint8(8), "8"},
		{uint16(16), "16"},
		{uint32(math.MaxUint32), "4294967295"},
		{uint64(math.MaxInt64), "9223372036854775807"},
		{uintptr(5), "5"},
		{uint64(1 << 63), "bad_parameter: the uint64 9223372036854775808 does not fit an int64"},
		{uint(1 << 63), "bad_parameter: the uint 9223372036854775808 does not fit an int64"},
		{uintptr(1 << 63), "bad_parameter: the uintptr 9223372036854775808 does not fit an int64"},
		{float32(0.5), "float 0.5"},
		{1e300, "float 1e+300"},
		{math.NaN(), "bad_parameter: the float64 NaN is not a finite number"},
		{float32(math.Inf(-1)), "bad_parameter: the float32 -Inf is not a finite number"},
		{"text", `"text"`},
		{[]byte("bytes\xff"), `"bytes\xff"`},
		{json.Number("12"), "12"},
		{json.Number("-1.5e1"), "float -15"},
		{json.Number("12x"), `bad_parameter: the json.Number "12x" is not a number`},
		{json.Number(""), `bad_parameter: the json.Number "" is not a number`},
		{json.Number("9223372036854775808"), `bad_parameter: the json.Number "9223372036854775808" is too large`},
		{json.Number("1e400"), `bad_parameter: the json.Number "1e400" is too large`},
		{[]any{nil, 1, "a", []any{true}, []string{"b"}}, `[null,1,"a",[true],["b"]]`},
		{[]any{}, "[]"},
		{[]string{"a", "b"}, `["a","b"]`},
		{[]int64{1, 2}, "[1,2]"},
		{[]Value{Int(1), String("x")}, `[1,"x"]`},
		{String("v").WithMeta(3, 4), `"v"`},
		{Value{}, "null"},
		{Array([]Value{Int(1).WithMeta(3, 4), Array(nil)}), "[1,[]]"},
		{map[string]int{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		{map[named][]any{"k": {nil}}, `{"k":[null]}`},
		{map[string]int(nil), "{}"},
		{named("n"), `"n"`},
		{[]named{"x"}, `["x"]`},
		{small(7), "7"},
		{[]uint{1}, "[1]"},
		{[]uint64{1 << 63}, "bad_parameter: the uint64 9223372036854775808 does not fit an int64"},
		{[2]bool{true, false}, "[true,false]"},
		{[3]byte{'a', 0xff, 0}, `"a\xff\x00"`},
		{json.RawMessage(`{"n": 9007199254740993, "l": [1.5]}`), `{"n":9007199254740993,"l":[1.5]}`},
		{json.RawMessage(`{`), "bad_parameter: the JSON is bad: the text ends too early at byte 1"},
		{1500*time.Millisecond + time.Microsecond, "1500"},
		{time.UnixMilli(1_780_000_000_123), "1780000000123"},
		{new(5), "5"},
		{new(time.UnixMilli(5)), "5"},
		{(*int)(nil), "null"},
		{(*time.Time)(nil), "null"},
		{celsius(21.5), `{"degrees":21.5}`},
		{color{1, 2}, `"1-2"`},
		{[]color{{1, 2}}, `["1-2"]`},
		{celsius(math.Inf(1)), "bad_parameter: MarshalJSON of the Go type script.celsius fails: too hot"},
		{[]any{struct{}{}}, "bad_parameter: a value of Go type struct {} is not supported; pass a map, or give the type a MarshalJSON or MarshalText method"},
		{map[int]string{1: "a"}, "bad_parameter: a value of Go type map[int]string is not supported; the keys of a map are texts"},
		{make(chan int), "bad_parameter: a value of Go type chan int is not supported"},
		{func() {}, "bad_parameter: a value of Go type func() is not supported"},
		{1i, "bad_parameter: a value of Go type complex128 is not supported"},
		{make([]string, 100_001), "limit: array too long: more than 100000 elements; the limit is Limits.Elements"},
	} {
		v, err := ValueOf(c.x)
		var fault *Error
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("ValueOf(%T): error of type %T", c.x, err)
		}
		if got := shown(v, fault); got != c.want {
			t.Errorf("ValueOf(%T) = %s, want %s", c.x, got, c.want)
		}
	}
}

func TestValueOfOwnsItsArrays(t *testing.T) {
	xs := []Value{Int(1).WithMeta(7, 8), Int(2)}
	v, err := ValueOf(xs)
	if err != nil {
		t.Fatal(err)
	}
	xs[0] = String("changed")
	if got := v.Elems()[0]; got != Int(1) {
		t.Errorf("the element became %s", shown(got, nil))
	}
}

func TestValueOfNesting(t *testing.T) {
	nested := func(depth int) (x any, v Value) {
		x, v = []any{}, Array(nil)
		for range depth - 1 {
			x, v = []any{x}, Array([]Value{v})
		}
		return x, v
	}
	slice, value := nested(DefaultLimits().Nesting)
	for _, x := range []any{slice, value} {
		v, err := ValueOf(x)
		if err != nil {
			t.Errorf("%T nested to the limit: %v", x, err)
		} else if depth, weight := measure(v); v.num == 0 || depth != 200 || weight != 199 {
			t.Errorf("%T: measured %d, %d", x, depth, weight)
		}
	}
	slice, value = nested(DefaultLimits().Nesting + 1)
	// Slices that contain themselves, or themselves twice, end as soon.
	cyclic := []any{nil, nil}
	cyclic[0], cyclic[1] = cyclic, cyclic
	table := map[string]any{}
	table["self"] = table
	type loop *loop
	var pointer loop
	pointer = &pointer
	for _, x := range []any{slice, value, cyclic, table, pointer} {
		if _, err := ValueOf(x); err == nil || !strings.Contains(err.Error(), "nested deeper than 200") {
			t.Errorf("%T nested too deep: %v", x, err)
		}
	}
	// So does sharing that would write out as 2^60 values.
	shared := []any{1, 2}
	for range 60 {
		shared = []any{shared, shared}
	}
	limits := Limits{MemoryBytes: 1 << 20}.WithDefaults()
	if got := shown(valueOf(shared, newMeter(&limits), 0)); got != "limit: script uses too much memory: more than 1048576 bytes; the limit is Limits.MemoryBytes" {
		t.Errorf("2^60 values: %s", got)
	}
}
