package script

import (
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	e := testEnv(nil)
	nested := flatArray([]Value{Int(1), String(`a"`), Null})
	for _, c := range []struct {
		v                   Value
		store, str, shownAs string
	}{
		{Null, `""`, `""`, "(null)"},
		{Bool(true), `"true"`, `"true"`, "true"},
		{Bool(false), `"false"`, `"false"`, "false"},
		{Int(-7), `"-7"`, `"-7"`, "-7"},
		{Float(9), `"9"`, `"9"`, "9"},
		{Float(1e21), `"1e+21"`, `"1e+21"`, "1e+21"},
		{String("a\x00b"), `"a\u0000b"`, `"a\u0000b"`, "a\x00b"},
		{String(""), `""`, `""`, ""},
		{nested, "type: cannot store an array; use to_json()", "type: cannot convert array to string; use to_json()", `[1,"a\"",null]`},
	} {
		s, err := storeText(c.v)
		if got := shown(String(s), err); got != c.store {
			t.Errorf("storeText(%s) = %s, want %s", jsonOf(c.v), got, c.store)
		}
		s, err = toStr(c.v)
		if got := shown(String(s), err); got != c.str {
			t.Errorf("toStr(%s) = %s, want %s", jsonOf(c.v), got, c.str)
		}
		if c.v.kind != KindArray && scalarSize(c.v) != len(s) {
			t.Errorf("scalarSize(%s) = %d, want %d", jsonOf(c.v), scalarSize(c.v), len(s))
		}
		if got, err := displayText(c.v, e.meter); err != nil || got != c.shownAs {
			t.Errorf("displayText(%s) = %q, %v, want %q", jsonOf(c.v), got, err, c.shownAs)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{"", `""`},
		{`a"b\`, `"a\"b\\"`},
		{"two\nlines\x01", `"two\nlines\u0001"`},
		{strings.Repeat("x", 40), `"` + strings.Repeat("x", 40) + `"`},
		{strings.Repeat("x", 41), `"` + strings.Repeat("x", 37) + `..."`},
		{strings.Repeat("é", 40), `"` + strings.Repeat("é", 40) + `"`},
		{strings.Repeat("é", 1000), `"` + strings.Repeat("é", 37) + `..."`},
		{strings.Repeat("\xff", 41), `"` + strings.Repeat(`\xff`, 37) + `..."`},
	} {
		if got := quote(c.s); got != c.want {
			t.Errorf("quote(%q) = %s, want %s", c.s, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		v                 Value
		describe, exactly string
	}{
		{Null, "null", "null"},
		{Bool(true), "bool", "bool"},
		{Int(4), "int64", "int64"},
		{Float(1.5), "float64", "float64 1.5"},
		{String("abc"), `string "abc"`, `string "abc"`},
		{flatArray(nil), "array", "array"},
	} {
		if a, b := describe(c.v), describeExact(c.v); a != c.describe || b != c.exactly {
			t.Errorf("%s is described as %s, exactly %s", jsonOf(c.v), a, b)
		}
	}
}

func TestCharOffset(t *testing.T) {
	const s = "aé\xff日" // 1, 2, 1 and 3 bytes
	for n, want := range []int{0, 1, 3, 4, 7} {
		if got, ok := charOffset(s, int64(n)); !ok || got != want {
			t.Errorf("charOffset(%d) = %d, %v, want %d", n, got, ok, want)
		}
	}
	for _, n := range []int64{-1, 5, 7, 8, 1 << 62} {
		if got, ok := charOffset(s, n); ok {
			t.Errorf("charOffset(%d) = %d", n, got)
		}
	}
}
