package script

import (
	"bytes"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shown writes a result so that a table can say everything about it: the
// type, the value, metadata if there is any, or the error.
func shown(v Value, err *Error) string {
	if err != nil {
		return string(err.Code) + ": " + err.Text()
	}
	text, ok := JSON(v)
	if !ok {
		text = strconv.Quote(v.str)
	}
	if v.kind == KindFloat {
		text = "float " + text
	}
	if v.rev != -1 || v.exp != 0 {
		text += " r" + strconv.FormatInt(v.rev, 10) + " x" + strconv.FormatInt(v.exp, 10)
	}
	return text
}

func TestNumericText(t *testing.T) {
	const notNumeric = "no"
	for _, c := range []struct{ text, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"5", "5"},
		{"+5", "5"},
		{"-5", "-5"},
		{"007", "7"},
		{" \t\n\v\f\r42 \t\n\v\f\r", "42"},
		{"999999999999999999", "999999999999999999"},
		{"9223372036854775807", "9223372036854775807"},
		{"9223372036854775808", "range: integer out of range"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"-9223372036854775809", "range: integer out of range"},
		{"99999999999999999999999", "range: integer out of range"},
		{strings.Repeat("0", 100) + "12", "12"},
		{"1.5", "float 1.5"},
		{"-1.5", "float -1.5"},
		{"+1.5", "float 1.5"},
		{"1.", "float 1"},
		{".5", "float 0.5"},
		{"-.5e1", "float -5"},
		{"1e3", "float 1000"},
		{"1E+3", "float 1000"},
		{"1e-3", "float 0.001"},
		{"1.e2", "float 100"},
		{"-0.0", "float 0"},
		{"1e-999", "float 0"},
		{"1e999", "range: float overflow"},
		{"-1e309", "range: float overflow"},
		{"9223372036854775808.0", "float 9.223372036854776e+18"},
		{"", notNumeric},
		{" ", notNumeric},
		{"+", notNumeric},
		{"-", notNumeric},
		{".", notNumeric},
		{"-.", notNumeric},
		{"e5", notNumeric},
		{".e5", notNumeric},
		{"1e", notNumeric},
		{"1e+", notNumeric},
		{"1e5.", notNumeric},
		{"1.2.3", notNumeric},
		{"--1", notNumeric},
		{"+-1", notNumeric},
		{"- 1", notNumeric},
		{"1 2", notNumeric},
		{"1_000", notNumeric},
		{"1,000", notNumeric},
		{"0x10", notNumeric},
		{"0x1p4", notNumeric},
		{"1e5x", notNumeric},
		{"true", notNumeric},
		{"null", notNumeric},
		{"NaN", notNumeric},
		{"Inf", notNumeric},
		{"-Infinity", notNumeric},
		{"\u00a05", notNumeric},
		{"5\x00", notNumeric},
		{"٣", notNumeric},
	} {
		v, ok, err := numericText(c.text)
		got := shown(v.value(), err)
		if !ok {
			got = notNumeric
		}
		if got != c.want {
			t.Errorf("numericText(%q) = %s, want %s", c.text, got, c.want)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Int(-3), "-3"},
		{Float(4), "4"},
		{Float(math.Copysign(0, -1)), "0"},
		{Float(-9223372036854775808), "-9223372036854775808"},
		{Float(9223372036854775808), "type: index needs a whole number, got float64 9.223372036854776e+18"},
		{Float(1.5), "type: index needs a whole number, got float64 1.5"},
		{String(" 12 "), "12"},
		{String("1.0"), `type: index needs a whole number, got string "1.0"`},
		{String("1e0"), `type: index needs a whole number, got string "1e0"`},
		{String("1e999"), `type: index needs a whole number, got string "1e999"`},
		{String("99999999999999999999"), "range: integer out of range"},
		{String("abc"), `type: index needs a whole number, got string "abc"`},
		{String(""), `type: index needs a whole number, got string ""`},
		{Null, "type: index needs a whole number, got null"},
		{Bool(true), "type: index needs a whole number, got bool"},
		{flatArray(nil), "type: index needs a whole number, got array"},
	} {
		n, err := whole(c.v, "index")
		if got := shown(Int(n), err); got != c.want {
			t.Errorf("whole(%s) = %s, want %s", jsonOf(c.v), got, c.want)
		}
	}
}

func TestFloatText(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "0"},
		{9, "9"},
		{-2.5, "-2.5"},
		{0.30000000000000004, "0.30000000000000004"},
		{1e15, "1000000000000000"},
		{123456789012345680, "1.2345678901234568e+17"},
		{9007199254740991, "9007199254740991"},
		{9007199254740992, "9.007199254740992e+15"},
		{9007199254740990.5, "9007199254740990"},
		{1e20, "1e+20"},
		{999999999999999900000, "9.999999999999999e+20"},
		{1e21, "1e+21"},
		{-1.5e21, "-1.5e+21"},
		{1e100, "1e+100"},
		{0.000001, "0.000001"},
		{0.0000015, "0.0000015"},
		{0.0000001, "1e-7"},
		{-1.25e-7, "-1.25e-7"},
		{1e-10, "1e-10"},
		{5e-324, "5e-324"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
	} {
		if got := floatText(c.f); got != c.want {
			t.Errorf("floatText(%v) = %s, want %s", c.f, got, c.want)
		}
	}
}

// checkFloatText checks the rule of docs/language.md, "Values and types", against the
// digits strconv finds.
func checkFloatText(t interface{ Fatalf(string, ...any) }, f float64) {
	text := floatText(f)
	back, err := strconv.ParseFloat(text, 64)
	if err != nil || back != f {
		t.Fatalf("floatText(%v) = %s reads back as %v, %v", f, text, back, err)
	}
	if len(text) > floatTextMax {
		t.Fatalf("floatText(%v) = %s is longer than floatTextMax", f, text)
	}
	a := math.Abs(f)
	plain := a == 0 || a >= 1e-6 && a < 1<<53
	form := `^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$`
	if !plain {
		form = `^-?[1-9](\.[0-9]*[1-9])?e[+-][1-9][0-9]*$`
	}
	if !regexp.MustCompile(form).MatchString(text) {
		t.Fatalf("floatText(%v) = %s has not the form %s", f, text, form)
	}
	if a == 0 {
		return
	}
	// The same digits as the shortest representation.
	digits := func(s string) string {
		mantissa, _, _ := strings.Cut(s, "e")
		return strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(mantissa), "0")
	}
	if got, want := digits(text), digits(strconv.FormatFloat(f, 'e', -1, 64)); got != want {
		t.Fatalf("floatText(%v) = %s has the digits %s, shortest are %s", f, text, got, want)
	}
}

func TestFloatTextProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = rapid.Float64().Draw(t, "f")
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return
		}
		checkFloatText(t, f)
	})
}

func FuzzFloatText(f *testing.F) {
	for _, x := range []float64{0, 1e-6, 1e21, 5e-324, math.MaxFloat64, 0.1, -123.456} {
		f.Add(math.Float64bits(x))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		x := math.Float64frombits(bits)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return
		}
		checkFloatText(t, x)
	})
}

var (
	integerForm = regexp.MustCompile(`^[+-]?[0-9]+$`)
	floatForm   = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// checkNumericText compares numericText with a slow reading of 4.1.
func checkNumericText(t *testing.T, s string) {
	v, ok, err := numericText(s)
	trimmed := strings.Trim(s, " \t\n\v\f\r")
	switch {
	case integerForm.MatchString(trimmed):
		want, _ := new(big.Int).SetString(trimmed, 10)
		if !ok || (err == nil) != want.IsInt64() {
			t.Fatalf("numericText(%q) = %s, %v", s, shown(v.value(), err), ok)
		}
		if err == nil && (v.float || v.i != want.Int64()) {
			t.Fatalf("numericText(%q) = %s, want %s", s, shown(v.value(), err), want)
		}
	case floatForm.MatchString(trimmed):
		want, tooLarge := slowFloat(t, trimmed)
		if !ok || (err != nil) != tooLarge {
			t.Fatalf("numericText(%q) = %s, %v", s, shown(v.value(), err), ok)
		}
		if err == nil && (!v.float || v.f != want) {
			t.Fatalf("numericText(%q) = %s, want %v", s, shown(v.value(), err), want)
		}
	case ok || err != nil:
		t.Fatalf("numericText(%q) = %s, %v, want no number", s, shown(v.value(), err), ok)
	}
}

// slowFloat converts s without ParseFloat, which errs in long texts. It
// reports whether s is too large.
func slowFloat(t *testing.T, s string) (f float64, tooLarge bool) {
	mantissa, exponent, found := strings.Cut(strings.ToLower(s), "e")
	if exp, err := strconv.Atoi(exponent); found && (err != nil || exp > 1e5 || exp < -1e5) {
		// No text here is so long that its digits make up for that.
		zero := strings.Trim(mantissa, "+-.0") == ""
		return 0, !zero && exponent[0] != '-'
	}
	x, _, err := big.ParseFloat(s, 10, 20_000, big.ToNearestEven)
	if err != nil {
		t.Fatalf("%.100q: %v", s, err)
	}
	f, _ = x.Float64()
	return f, math.IsInf(f, 0)
}

func TestNumericTextProperty(t *testing.T) {
	text := rapid.StringMatching(`[ \t]?[+-]?[0-9]{0,22}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,3})?[ x]?`)
	rapid.Check(t, func(r *rapid.T) { checkNumericText(t, text.Draw(r, "text")) })
}

// TestLongNumericTextProperty is about what is shortened before it is
// converted: zeros in front and behind, more digits than count, and the middle
// between two numbers, from which one digit far behind leads away.
func TestLongNumericTextProperty(t *testing.T) {
	zeros := rapid.Map(rapid.IntRange(0, 1500), func(n int) string { return strings.Repeat("0", n) })
	middle := new(big.Float).SetPrec(2000).SetMantExp(big.NewFloat(1), -1074)
	middle.Mul(middle, big.NewFloat(1.5))
	digits := rapid.OneOf(rapid.StringMatching(`[0-9]{1,40}`), rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 700, 1300, -1),
		rapid.Just(middle.Text('f', 1100)[2:]), rapid.Just("9007199254740993"))
	exponent := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[eE][+-]?0{0,900}[0-9]{1,4}`), rapid.Just("e-99999999999999999999"), rapid.Just("E+123456"))
	space := rapid.OneOf(rapid.StringMatching(`[ \t\n\v\f\r]{0,40}`), rapid.StringMatching(`[ \t]{9}[\x08\x0e\x1f!\x80\xa0 ]`))
	rapid.Check(t, func(r *rapid.T) {
		whole := zeros.Draw(r, "zeros in front") + digits.Draw(r, "whole") + zeros.Draw(r, "zeros behind")
		fraction := zeros.Draw(r, "zeros in front") + digits.Draw(r, "fraction") + zeros.Draw(r, "zeros behind")
		point := rapid.SampledFrom([]string{"", ".", "." + fraction}).Draw(r, "point")
		if rapid.Bool().Draw(r, "small") {
			whole, point = "0", "."+fraction
		}
		sign := rapid.SampledFrom([]string{"", "+", "-"}).Draw(r, "sign")
		checkNumericText(t, space.Draw(r, "space")+sign+whole+point+exponent.Draw(r, "exponent")+space.Draw(r, "space"))
	})
}

// TestEightBytes: what is found out about eight bytes at a time is true for
// each of them, whatever its neighbours are.
func TestEightBytes(t *testing.T) {
	for _, other := range []byte("\x00\x08\t\r\x0e\x1f !/09:\x7f\x80\xb9\xff") {
		for at := range 8 {
			for c := range 256 {
				b := bytes.Repeat([]byte{other}, 8)
				b[at] = byte(c)
				digits, spaces := true, true
				for _, c := range b {
					digits = digits && '0' <= c && c <= '9'
					spaces = spaces && isSpace(c)
				}
				if x := eight(string(b)); eightDigits(x) != digits || eightSpaces(x) != spaces {
					t.Fatalf("%q: digits %v, spaces %v, want %v, %v", b, eightDigits(x), eightSpaces(x), digits, spaces)
				}
			}
		}
	}
}

// TestHugeNumericText converts texts as long as a value may be, for which
// ParseFloat alone gets some wrong.
func TestHugeNumericText(t *testing.T) {
	const n = 16 << 20
	zeros, sevens := strings.Repeat("0", n-20), strings.Repeat("7", n-20)
	for _, c := range []struct{ name, text, want string }{
		{"zeros", zeros + "1", "1"},
		{"spaces", strings.Repeat(" ", n/2) + "1" + strings.Repeat(" ", n/2-1), "1"},
		{"digits", sevens, "range: integer out of range"},
		{"small", "0." + zeros + "1", "float 0"},
		{"small made large", "0." + zeros + "1e16777199", "float 100"},
		{"fraction", "0." + sevens, "float 0.7777777777777778"},
		{"large", sevens + ".", "range: float overflow"},
		{"large made small", sevens + "e-16777195", "float 7.777777777777778"},
		{"exponent", "-1e" + zeros + "1", "float -10"},
		{"huge exponent", "1e" + sevens, "range: float overflow"},
		{"huge exponent of zero", "0e" + sevens, "float 0"},
		{"tiny exponent", "1e-" + sevens, "float 0"},
	} {
		v, ok, err := numericText(c.text)
		if got := shown(v.value(), err); !ok || got != c.want {
			t.Errorf("%s: %.100s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzNumericText(f *testing.F) {
	for _, s := range []string{"0", " -12 ", "+1.5e-3", ".5", "5.", "9223372036854775808", "1e400", "0x1F", "1_0", "-"} {
		f.Add(s)
	}
	f.Fuzz(checkNumericText)
}
