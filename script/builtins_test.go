package script

import (
	"math"
	"strings"
	"testing"

	"kahuna/script/check"

	"pgregory.net/rapid"
)

// testEnv returns the environment of a call, with default limits.
func testEnv(tx Tx) *callEnv {
	limits := DefaultLimits()
	return &callEnv{meter: newMeter(&limits), tx: tx}
}

// invoke calls a function as a script does: the arguments are gone
// afterwards.
func invoke(t testing.TB, e *callEnv, name string, args ...Value) (Value, *Error) {
	t.Helper()
	f, ok := check.Lookup(name)
	if !ok || !f.Accepts(len(args)) {
		t.Fatalf("%s does not take %d arguments", name, len(args))
	}
	stack := append([]Value(nil), args...)
	v, err := builtins[f.ID](e, stack)
	for i := range stack {
		stack[i] = String("overwritten")
	}
	return v, err
}

type call struct {
	name string
	args []Value
	want string
}

// calls runs a table in which the arguments carry metadata, which no result
// may have unless the table says so.
func calls(t *testing.T, table []call) {
	t.Helper()
	for _, c := range table {
		e := testEnv(nil)
		args := make([]Value, len(c.args))
		texts := make([]string, len(c.args))
		for i, v := range c.args {
			texts[i] = shown(v, nil)
			if v.rev == -1 {
				v = v.WithMeta(8, 9)
			}
			args[i] = v
		}
		if got := shown(invoke(t, e, c.name, args...)); got != c.want {
			t.Errorf("%s(%s) = %s, want %s", c.name, strings.Join(texts, ", "), got, c.want)
		}
	}
}

func args(vs ...Value) []Value { return vs }

var someArray = flatArray([]Value{Int(1), String("2"), Null})

func TestEveryFunctionIsImplemented(t *testing.T) {
	for id, f := range builtins {
		if f == nil {
			t.Errorf("%s has no implementation", check.FuncID(id).Aliases()[0])
		}
	}
}

func TestTypeFunctions(t *testing.T) {
	values := []Value{Null, Bool(true), Int(1), Float(1), String("1"), someArray}
	tests := [][]string{{"is_null"}, {"is_bool", "is_boolean"}, {"is_int", "is_integer", "is_long"},
		{"is_float", "is_double"}, {"is_str", "is_string"}, {"is_array"}}
	for i, v := range values {
		for j, names := range tests {
			for _, name := range names {
				want := "false"
				if i == j {
					want = "true"
				}
				calls(t, []call{{name, args(v), want}})
			}
		}
		calls(t, []call{{"type_of", args(v), `"` + Kind(i).String() + `"`}})
	}
	calls(t, []call{
		{"coalesce", args(Null, Null), "null"},
		{"coalesce", args(Null, String("x").WithMeta(3, 4), Int(1)), `"x" r3 x4`},
		{"coalesce", args(Bool(false).WithMeta(0, 0), Int(1)), "false r0 x0"},
	})
}

func TestConversions(t *testing.T) {
	calls(t, []call{
		{"to_int", args(Null), "0"},
		{"to_int", args(Bool(true)), "1"},
		{"to_int", args(Bool(false)), "0"},
		{"to_int", args(Int(-5)), "-5"},
		{"to_int", args(Float(-2.7)), "-2"},
		{"to_int", args(Float(9.3e18)), "range: integer out of range"},
		{"to_int", args(Float(-9223372036854775808)), "-9223372036854775808"},
		{"to_int", args(Float(9223372036854775808)), "range: integer out of range"},
		{"to_int", args(String("")), "0"},
		{"to_int", args(String(" \t\n")), "0"},
		{"to_int", args(String(" 42 ")), "42"},
		{"to_int", args(String("2.7")), "2"},
		{"to_int", args(String("-2.7e1")), "-27"},
		{"to_int", args(String("1e30")), "range: integer out of range"},
		{"to_int", args(String("99999999999999999999")), "range: integer out of range"},
		{"to_int", args(String("true")), `type: cannot convert string "true" to int64`},
		{"to_int", args(String("abc")), `type: cannot convert string "abc" to int64`},
		{"to_int", args(someArray), "type: cannot convert array to int64"},
		{"to_integer", args(String("7")), "7"},
		{"to_long", args(String("7")), "7"},
		{"to_number", args(String("2.7")), "2"},

		{"to_float", args(Null), "float 0"},
		{"to_float", args(Bool(true)), "float 1"},
		{"to_float", args(Int(3)), "float 3"},
		{"to_float", args(Int(math.MaxInt64)), "float 9.223372036854776e+18"},
		{"to_float", args(Float(2.5)), "float 2.5"},
		{"to_float", args(String(" ")), "float 0"},
		{"to_float", args(String("1e2")), "float 100"},
		{"to_float", args(String("12")), "float 12"},
		{"to_float", args(String("1e999")), "range: float overflow"},
		{"to_float", args(String("false")), `type: cannot convert string "false" to float64`},
		{"to_float", args(someArray), "type: cannot convert array to float64"},
		{"to_double", args(String("1")), "float 1"},

		{"to_bool", args(Null), "false"},
		{"to_bool", args(Bool(true)), "true"},
		{"to_bool", args(Int(-1)), "true"},
		{"to_bool", args(Int(0)), "false"},
		{"to_bool", args(Float(0)), "false"},
		{"to_bool", args(Float(0.1)), "true"},
		{"to_bool", args(String("")), "false"},
		{"to_bool", args(String("  ")), "false"},
		{"to_bool", args(String("1")), "true"},
		{"to_bool", args(String("0.0")), "false"},
		{"to_bool", args(String("True")), "true"},
		{"to_bool", args(String("FALSE")), "false"},
		{"to_bool", args(String("no")), "false"},
		{"to_bool", args(String("yes")), "false"},
		{"to_bool", args(String("tRUe ")), "false"},
		{"to_bool", args(String("99999999999999999999")), "true"},
		{"to_bool", args(someArray), "type: cannot convert array to bool"},
		{"to_boolean", args(String("1")), "true"},

		{"to_str", args(Null), `""`},
		{"to_str", args(Bool(false)), `"false"`},
		{"to_str", args(Int(-12)), `"-12"`},
		{"to_str", args(Float(2.50)), `"2.5"`},
		{"to_str", args(String("x")), `"x"`},
		{"to_str", args(someArray), "type: cannot convert array to string; use to_json()"},
		{"to_string", args(Int(1)), `"1"`},
	})
}

func TestMath(t *testing.T) {
	calls(t, []call{
		{"abs", args(Int(-3)), "3"},
		{"abs", args(Int(3)), "3"},
		{"abs", args(Float(-2.5)), "float 2.5"},
		{"abs", args(String("-7")), "7"},
		{"abs", args(Int(math.MinInt64)), "range: integer overflow"},
		{"abs", args(Null), "type: abs() needs a number, got null"},

		{"floor", args(Int(7)), "7"},
		{"floor", args(Float(3.8)), "float 3"},
		{"floor", args(Float(-3.2)), "float -4"},
		{"floor", args(String("3.8")), "float 3"},
		{"floor", args(String("9007199254740993")), "9007199254740993"},
		{"floor", args(someArray), "type: floor() needs a number, got array"},
		{"ceil", args(Int(7)), "7"},
		{"ceil", args(Float(-1.5)), "float -1"},
		{"ceil", args(Float(-0.5)), "float 0"},
		{"ceil", args(Bool(true)), "type: ceil() needs a number, got bool"},

		{"round", args(Float(2.5), Int(0)), "float 2"},
		{"round", args(Float(3.5), Int(0)), "float 4"},
		{"round", args(Float(-1.25), Int(1)), "float -1.2"},
		{"round", args(Float(10.55), Int(1)), "float 10.6"},
		{"round", args(Float(1.0/3), String("4")), "float 0.3333"},
		{"round", args(Float(0.1234567890123456), Int(15)), "float 0.123456789012346"},
		{"round", args(Float(1.5e16), Int(15)), "float 1.5e+16"},
		{"round", args(Float(1e300), Int(15)), "float 1e+300"},
		{"round", args(Int(5), Int(2)), "5"},
		{"round", args(String("2.456"), Float(2)), "float 2.46"},
		{"round", args(Int(5), Int(16)), "range: round() digits must be 0 to 15, got 16"},
		{"round", args(Float(5), Int(-1)), "range: round() digits must be 0 to 15, got -1"},
		{"round", args(Float(5), Float(1.5)), "type: round() digits needs a whole number, got float64 1.5"},
		{"round", args(String("x"), Int(1)), `type: round() needs a number, got string "x"`},

		{"min", args(String("10"), Int(9)), "9"},
		{"min", args(Int(2), Float(2)), "2"},
		{"min", args(Float(2), Int(2)), "float 2"},
		{"min", args(Int(3), Int(1), Int(2)), "1"},
		{"max", args(String("10"), Int(9)), "10"},
		{"max", args(Int(1), Float(2.5), Int(2)), "float 2.5"},
		{"max", args(Float(1<<53), Int(1<<53+1)), "9007199254740993"},
		{"max", args(String("1.0"), Int(1)), "float 1"},
		{"max", args(Int(1), Null), "type: max() needs a number, got null"},
		{"min", args(Null, Int(1)), "type: min() needs a number, got null"},
		{"max", args(Int(1), String("99999999999999999999")), "range: integer out of range"},

		{"pow", args(Int(2), Int(10)), "float 1024"},
		{"pow", args(String("3"), Int(2)), "float 9"},
		{"pow", args(Int(2), Int(-1)), "float 0.5"},
		{"pow", args(Int(0), Int(0)), "float 1"},
		{"pow", args(Int(-1), Float(0.5)), "range: pow(-1, 0.5) is undefined"},
		{"pow", args(Int(0), Int(-1)), "range: pow(0, -1) is undefined"},
		{"pow", args(Int(10), Int(400)), "range: float overflow"},
		{"pow", args(Null, Int(1)), "type: pow() needs a number, got null"},
		{"pow", args(Int(1), Null), "type: pow() needs a number, got null"},

		{"mod", args(String("9"), Int(4)), "1"},
		{"mod", args(Int(-7), Int(3)), "-1"},
		{"mod", args(Float(7.5), Int(2)), "float 1.5"},
		{"mod", args(Int(1), Int(0)), "division_by_zero: division by zero"},
		{"mod", args(Bool(true), Int(1)), "type: mod() needs a number, got bool"},
		{"mod", args(Int(1), String("x")), `type: mod() needs a number, got string "x"`},

		{"nearly_equals", args(Float(0.30000000000000004), Float(0.3), Float(1e-9)), "true"},
		{"nearly_equals", args(Int(1), Int(3), Int(2)), "true"},
		{"nearly_equals", args(Int(1), Float(3.5), Int(2)), "false"},
		{"nearly_equals", args(String("1"), Int(1), Int(0)), "true"},
		{"nearly_equals", args(Int(math.MinInt64), Int(math.MaxInt64), Int(math.MaxInt64)), "false"},
		{"nearly_equals", args(Int(1<<53), Int(1<<53+1), Int(0)), "false"},
		{"nearly_equals", args(Float(-1.7e308), Float(1.7e308), Float(1.7e308)), "false"},
		{"nearly_equals", args(Int(1), Int(1), Int(-1)), "range: nearly_equals() tolerance must not be negative, got -1"},
		{"nearly_equals", args(Int(1), Int(1), Float(-0.5)), "range: nearly_equals() tolerance must not be negative, got -0.5"},
		{"nearly_equals", args(Int(1), Int(1), Null), "type: nearly_equals() needs a number, got null"},
		{"nearly_equals", args(Null, Int(1), Int(1)), "type: nearly_equals() needs a number, got null"},
	})
}

func TestTextFunctions(t *testing.T) {
	s := String
	calls(t, []call{
		{"len", args(s("héllo")), "5"},
		{"len", args(s("")), "0"},
		{"len", args(s("a\xff\xfe")), "3"},
		{"len", args(s("😀")), "1"},
		{"length", args(someArray), "3"},
		{"len", args(Null), "type: len() needs a string, an array or a map, got null"},
		{"len", args(Int(12)), "type: len() needs a string, an array or a map, got int64"},

		{"upper", args(s("abc é ß 1")), `"ABC É ß 1"`},
		{"upper", args(s("ABC")), `"ABC"`},
		{"upper", args(s("ɐ")), `"Ɐ"`}, // two bytes become three
		{"lower", args(s("ABC ÉẞİΣ")), `"abc éßiσ"`},
		{"upper", args(Int(1)), "type: upper() needs a string, got int64"},
		{"lower", args(Null), "type: lower() needs a string, got null"},

		{"concat", args(s("user/"), Int(17), Null, s("!")), `"user/17!"`},
		{"concat", args(Bool(true), Float(9), Float(0.5)), `"true90.5"`},
		{"concat", args(Null), `""`},
		{"concat", args(s("a"), someArray), "type: concat() needs text, numbers, bools or null, got array; use join() or to_json()"},

		{"to_json", args(s("a")), `"\"a\""`},
		{"to_json", args(Null), `"null"`},
		{"to_json", args(someArray), `"[1,\"2\",null]"`},

		{"trim", args(s("\t x y\n")), `"x y"`},
		{"trim", args(s("\u00a0\u2003x\u3000")), `"x"`},
		{"trim", args(s("  ")), `""`},
		{"trim", args(Null), "type: trim() needs a string, got null"},

		{"substring", args(s("kahuna"), Int(2)), `"huna"`},
		{"substring", args(s("kahuna"), Int(1), Int(3)), `"ahu"`},
		{"substr", args(s("kahuna"), Int(6)), `""`},
		{"substr", args(s("kahuna"), Int(6), Int(0)), `""`},
		{"substr", args(s("héé"), s("1"), Float(1)), `"é"`},
		{"substring", args(s("kahuna"), Int(4), Int(3)), "range: substring() length must be 0 to 2, got 3"},
		{"substring", args(s("kahuna"), Int(4), Int(-1)), "range: substring() length must be 0 to 2, got -1"},
		{"substring", args(s("kahuna"), Int(7)), "range: substring() start must be 0 to 6, got 7"},
		{"substring", args(s("éé"), Int(3)), "range: substring() start must be 0 to 2, got 3"},
		{"substring", args(s("kahuna"), Int(-1)), "range: substring() start must be 0 to 6, got -1"},
		{"substring", args(s("kahuna"), Null), "type: substring() start needs a whole number, got null"},
		{"substring", args(s("kahuna"), Int(1), s("x")), `type: substring() length needs a whole number, got string "x"`},
		{"substring", args(Int(1), Int(1)), "type: substring() needs a string, got int64"},

		{"index_of", args(s("añb"), s("b")), "2"},
		{"index_of", args(s("ab"), s("z")), "-1"},
		{"index_of", args(s("ab"), s("")), "0"},
		{"index_of", args(s(""), s("")), "0"},
		{"index_of", args(s("a"), Int(1)), "type: index_of() needs a string, got int64"},

		{"starts_with", args(s("kahuna"), s("ka")), "true"},
		{"starts_with", args(s("kahuna"), s("")), "true"},
		{"starts_with", args(s("ka"), s("kahuna")), "false"},
		{"starts_with", args(Int(17), s("1")), "type: starts_with() needs a string, got int64"},
		{"ends_with", args(s("kahuna"), s("x")), "false"},
		{"ends_with", args(s("kahuna"), s("una")), "true"},
		{"ends_with", args(s("a"), s("")), "true"},
		{"ends_with", args(s("a"), Null), "type: ends_with() needs a string, got null"},

		{"contains", args(s("kahuna"), s("hun")), "true"},
		{"contains", args(s("kahuna"), s("hum")), "false"},
		{"contains", args(s("kahuna"), s("")), "true"},
		{"contains", args(someArray, Int(2)), "true"},
		{"contains", args(someArray, Null), "true"},
		{"contains", args(someArray, Int(3)), "false"},
		{"contains", args(flatArray([]Value{someArray}), someArray), "true"},
		{"contains", args(s("1"), Int(1)), "type: contains() needs a string, got int64"},
		{"contains", args(Null, Int(1)), "type: contains() needs a string or an array, got null"},

		{"replace", args(s("aXbXX"), s("X"), s("--")), `"a--b----"`},
		{"replace", args(s("aaa"), s("aa"), s("b")), `"ba"`},
		{"replace", args(s("abc"), s("b"), s("")), `"ac"`},
		{"replace", args(s("abc"), s("x"), s("y")), `"abc"`},
		{"replace", args(s("abc"), s(""), s("y")), "range: replace() needs a text to look for, got an empty one"},
		{"replace", args(s("abc"), s("a"), Int(1)), "type: replace() needs a string, got int64"},
		{"replace", args(s("abc"), Null, s("")), "type: replace() needs a string, got null"},

		{"repeat", args(s("ab"), Int(3)), `"ababab"`},
		{"repeat", args(s("x"), Int(0)), `""`},
		{"repeat", args(s(""), Int(math.MaxInt64)), `""`},
		{"repeat", args(s("x"), Int(-1)), "range: repeat() count must not be negative, got -1"},
		{"repeat", args(s("x"), Float(0.5)), "type: repeat() count needs a whole number, got float64 0.5"},
		{"repeat", args(Int(1), Int(1)), "type: repeat() needs a string, got int64"},
		{"repeat", args(s("xx"), Int(math.MaxInt64)), "limit: value too long: more than 16777216 bytes; the limit is Limits.ValueBytes"},

		{"split", args(s(",a,,b"), s(",")), `["","a","","b"]`},
		{"split", args(s(""), s(",")), `[""]`},
		{"split", args(s("abbbc"), s("bb")), `["a","bc"]`},
		{"split", args(s("ab"), s("x")), `["ab"]`},
		{"split", args(s("ab"), s("")), "range: split() needs a separator, got an empty one"},
		{"split", args(Null, s(",")), "type: split() needs a string, got null"},

		{"join", args(flatArray([]Value{Int(1), Null, Bool(true)}), s("-")), `"1--true"`},
		{"join", args(flatArray(nil), s("-")), `""`},
		{"join", args(flatArray([]Value{s("a")}), s("-")), `"a"`},
		{"join", args(flatArray([]Value{someArray}), s("-")), "type: join() cannot join an array within the array; use to_json()"},
		{"join", args(s("ab"), s("-")), `type: join() needs an array, got string "ab"`},
		{"join", args(someArray, Int(1)), "type: join() needs a string, got int64"},

		{"count", args(someArray), "3"},
		{"count", args(flatArray(nil)), "0"},
		{"count", args(s("abc")), `type: count() needs an array or a map, got string "abc"`},
		{"count", args(Null), "type: count() needs an array or a map, got null"},
	})
}

// TestCaseKeepsBytes: what is no character is not changed by mapping case.
func TestCaseKeepsBytes(t *testing.T) {
	v, err := invoke(t, testEnv(nil), "upper", String("a\xff\xe6\x97é"))
	if err != nil || v.str != "A\xff\xe6\x97É" {
		t.Errorf("upper = %q, %v", v.str, err)
	}
}

func TestMetadataFunctions(t *testing.T) {
	read := String("v").WithMeta(3, 5000)
	calls(t, []call{
		{"rev", args(read), "3 r3 x5000"},
		{"revision", args(read), "3 r3 x5000"},
		{"expires", args(read), "5000"},
		{"rev", args(Null.WithMeta(0, 0)), "0 r0 x0"},
	})
	v, err := invoke(t, testEnv(nil), "rev", Null)
	if got := shown(v, err); got != "-1" {
		t.Errorf("rev of null = %s", got)
	}
	v, err = invoke(t, testEnv(nil), "expires", Int(1))
	if got := shown(v, err); got != "0" {
		t.Errorf("expires of 1 = %s", got)
	}
}

// clockTx is a transaction of which only the clock is asked.
type clockTx struct {
	Tx
	time Timestamp
	now  int64
}

func (c clockTx) Time() Timestamp { return c.time }
func (c clockTx) Now() int64      { return c.now }

func TestTimeFunctions(t *testing.T) {
	e := testEnv(clockTx{time: 1700000000000<<20 | 7, now: 1700000000050})
	for name, want := range map[string]string{"current_time": "1700000000050", "hlc": "1700000000000", "hlc_counter": "7"} {
		if got := shown(invoke(t, e, name)); got != want {
			t.Errorf("%s() = %s, want %s", name, got, want)
		}
	}
}

// TestFunctionLimits breaks Invariant VALUE-1 with every function that makes
// something, by one byte or element, and checks that the limit itself is
// allowed.
func TestFunctionLimits(t *testing.T) {
	limits := Limits{ValueBytes: 10, Elements: 3, MemoryBytes: 200}.WithDefaults()
	value := "limit: value too long: more than 10 bytes; the limit is Limits.ValueBytes"
	elements := "limit: array too long: more than 3 elements; the limit is Limits.Elements"
	five := String("12345")
	ten := String("1234567890")
	for _, c := range []call{
		{"concat", args(five, Int(12345)), `"1234512345"`},
		{"concat", args(five, five, Bool(true)), value},
		{"join", args(flatArray([]Value{String("1234"), five}), String("-")), `"1234-12345"`},
		{"join", args(flatArray([]Value{five, five}), String("-")), value},
		{"repeat", args(five, Int(2)), `"1234512345"`},
		{"repeat", args(five, Int(3)), value},
		{"replace", args(five, String("1"), String("abcdef")), `"abcdef2345"`},
		{"replace", args(five, String("1"), String("abcdefg")), value},
		{"upper", args(String("ɐɐɐx")), `"ⱯⱯⱯX"`},
		{"upper", args(String("ɐɐɐxx")), value},
		{"to_json", args(String("12345678")), `"\"12345678\""`},
		{"to_json", args(String("123456789")), value},
		{"to_str", args(Float(1234567.25)), `"1234567.25"`},
		{"to_str", args(Float(12345678.25)), value},
		{"split", args(String("a,b,c"), String(",")), `["a","b","c"]`},
		{"split", args(String("a,b,c,d"), String(",")), elements},
		{"trim", args(ten), `"1234567890"`},
	} {
		e := &callEnv{meter: newMeter(&limits)}
		if got := shown(invoke(t, e, c.name, c.args...)); got != c.want {
			t.Errorf("%s(%s...) = %s, want %s", c.name, jsonOf(c.args[0]), got, c.want)
		}
	}
	e := &callEnv{meter: newMeter(&limits)}
	for i := range 21 {
		_, err := invoke(t, e, "concat", ten)
		if (err != nil) != (i == 20) {
			t.Errorf("concat %d with 200 bytes of memory: %v", i, err)
		}
	}
}

// TestReadingIsWork: functions that read much and make nothing count steps.
func TestReadingIsWork(t *testing.T) {
	long := String(strings.Repeat("é ", 100_000))
	for _, c := range []call{
		{"len", args(long), ""},
		{"index_of", args(long, String("x")), ""},
		{"contains", args(long, String("x")), ""},
		{"upper", args(String(strings.Repeat("A", 300_000))), ""},
		{"substring", args(long, Int(200_000)), ""},
		{"trim", args(String(strings.Repeat(" ", 300_000))), ""},
		{"contains", args(flatArray(make([]Value, 10_000)), Int(1)), ""},
	} {
		e := testEnv(nil)
		if _, err := invoke(t, e, c.name, c.args...); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := e.meter.takeWork(); n < 1000 || n > 5000 {
			t.Errorf("%s took %d steps", c.name, n)
		}
	}
}

// TestTextProperties compares the text functions with each other.
func TestTextProperties(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab,é\t ")), 0, 20, -1)
	rapid.Check(t, func(r *rapid.T) {
		e := testEnv(nil)
		s, sep := String(text.Draw(r, "s")), String(rapid.SampledFrom([]string{",", "ab", "é"}).Draw(r, "sep"))
		must := func(name string, args ...Value) Value {
			v, err := invoke(t, e, name, args...)
			if err != nil {
				r.Fatalf("%s: %v", name, err)
			}
			return v
		}
		parts := must("split", s, sep)
		if back := must("join", parts, sep); !equalOf(back, s) {
			r.Fatalf("split and join of %q gives %q", s.str, back.str)
		}
		u := String(text.Draw(r, "u"))
		if a, b := must("replace", s, sep, u), must("join", parts, u); !equalOf(a, b) {
			r.Fatalf("replace gives %q, split and join %q", a.str, b.str)
		}
		at := must("index_of", s, sep).Int()
		if (at >= 0) != must("contains", s, sep).Bool() || (at >= 0) != (len(parts.Elems()) > 1) {
			r.Fatalf("index_of(%q, %q) = %d does not agree with contains and split", s.str, sep.str, at)
		}
		if at >= 0 {
			rest := must("substring", s, Int(at))
			head := must("substring", s, Int(0), Int(at))
			if !must("starts_with", rest, sep).Bool() || !equalOf(head, parts.Elems()[0]) || !equalOf(must("concat", head, rest), s) {
				r.Fatalf("substring of %q at %d: %q, %q", s.str, at, head.str, rest.str)
			}
			if must("len", head).Int() != at {
				r.Fatalf("len(%q) is not %d", head.str, at)
			}
		}
		if got, want := must("upper", s).str, strings.ToUpper(s.str); got != want {
			r.Fatalf("upper(%q) = %q, want %q", s.str, got, want)
		}
		if got, want := must("repeat", s, Int(3)), must("concat", s, s, s); !equalOf(got, want) {
			r.Fatalf("repeat(%q, 3) = %q", s.str, got.str)
		}
	})
}

// TestNumericFunctionsDoNotAllocate: nor do those that share their argument.
func TestNumericFunctionsDoNotAllocate(t *testing.T) {
	e := testEnv(nil)
	n, f, s := Int(-7), Float(2.5), String("12.5")
	for name, list := range map[string][]Value{
		"abs": {n}, "floor": {s}, "ceil": {f}, "round": {s, Int(1)}, "min": {n, f, s}, "max": {n, f, s},
		"pow": {f, Int(2)}, "mod": {s, f}, "nearly_equals": {n, f, s}, "to_int": {s}, "to_float": {s},
		"to_bool": {s}, "to_str": {s}, "is_null": {s}, "type_of": {s}, "coalesce": {Null, s}, "len": {s},
		"trim": {s}, "substring": {s, Int(1), Int(2)}, "index_of": {s, s}, "starts_with": {s, s},
		"contains": {someArray, s}, "count": {someArray}, "rev": {s}, "expires": {s}, "lower": {s},
	} {
		fn, _ := check.Lookup(name)
		impl := builtins[fn.ID]
		if allocs := testing.AllocsPerRun(100, func() { impl(e, list) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	for name, list := range map[string][]Value{"concat": {s, n, f}, "join": {someArray, s}, "to_json": {someArray}} {
		fn, _ := check.Lookup(name)
		impl := builtins[fn.ID]
		if allocs := testing.AllocsPerRun(100, func() { impl(e, list) }); allocs > 1 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func BenchmarkBuiltins(b *testing.B) {
	e := testEnv(nil)
	for name, list := range map[string][]Value{
		"to_int": {String("12345")}, "concat": {String("user/"), Int(17)}, "max": {String("12"), Int(0)}, "len": {String("kahuna")},
	} {
		fn, _ := check.Lookup(name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.meter.memory = 0
				sink.v, _ = builtins[fn.ID](e, list)
			}
		})
	}
}
