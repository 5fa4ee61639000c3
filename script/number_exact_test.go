package script

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/script/syntax"
)

// Numbers are checked against math/big, over all magnitudes.

// anyFloat draws finite float64 of every magnitude, those around powers of two
// and ten and around the middle of two decimals more often than chance.
func anyFloat() *rapid.Generator[float64] {
	return rapid.Custom(func(t *rapid.T) float64 {
		var f float64
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			f = math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		case 1:
			f = math.Ldexp(1, rapid.IntRange(-1074, 1023).Draw(t, "exp"))
		case 2:
			n := rapid.Int64Range(-1_000_000_000, 1_000_000_000).Draw(t, "n")
			f = float64(n) / math.Pow10(rapid.IntRange(0, 16).Draw(t, "places"))
		case 3:
			n := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "n")
			f = (float64(n) + 0.5) / math.Ldexp(1, rapid.IntRange(0, 40).Draw(t, "shift"))
		case 4:
			f = float64(rapid.Int64().Draw(t, "int"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "steps") {
			f = math.Nextafter(f, math.Inf(rapid.IntRange(-1, 1).Draw(t, "towards")|1))
		}
		if !isFinite(f) {
			f = math.MaxFloat64
		}
		return f
	})
}

// ratOf is the number v stands for, exactly.
func ratOf(v Value) *big.Rat {
	r := new(big.Rat)
	switch v.kind {
	case KindInt:
		return r.SetInt64(v.Int())
	case KindFloat:
		return r.SetFloat64(v.Float())
	}
	if text := trimASCII(v.str); isIntegerText(text) {
		r.SetString(strings.TrimPrefix(text, "+"))
		return r
	}
	f, _ := strconv.ParseFloat(trimASCII(v.str), 64) // with a point or exponent it is a float64
	return r.SetFloat64(f)
}

// anyNumber draws an int64, a float64 or a numeric text, also of digits beyond
// int64.
func anyNumber() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		switch rapid.IntRange(0, 4).Draw(t, "type") {
		case 0:
			return Int(rapid.Int64().Draw(t, "int"))
		case 1:
			return Float(anyFloat().Draw(t, "float"))
		case 2:
			return String(strconv.FormatInt(rapid.Int64().Draw(t, "int"), 10))
		case 3:
			return String(floatText(anyFloat().Draw(t, "float")))
		}
		// The digits of a float64, or nearly.
		f := math.Ldexp(float64(rapid.Int64Range(1, 1<<53).Draw(t, "mantissa")), rapid.IntRange(0, 300).Draw(t, "exp"))
		n, _ := big.NewFloat(f).Int(nil)
		n.Add(n, big.NewInt(int64(rapid.IntRange(-1, 1).Draw(t, "off"))))
		return String(rapid.SampledFrom([]string{"", "-", " +", "000"}).Draw(t, "sign") + n.String())
	})
}

func TestRoundAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, digits := anyFloat().Draw(t, "f"), rapid.IntRange(0, 15).Draw(t, "digits")
		got, err := callRound(nil, []Value{Float(f), Int(int64(digits))})
		if err != nil {
			t.Fatal(err)
		}
		// The nearest integer to f*10^digits, ties to even, over 10^digits.
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		x := new(big.Rat).SetFloat64(f)
		x.Mul(x, new(big.Rat).SetInt(scale))
		floor := new(big.Int).Div(x.Num(), x.Denom())
		rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(floor))
		if c := rest.Cmp(big.NewRat(1, 2)); c > 0 || c == 0 && floor.Bit(0) == 1 {
			floor.Add(floor, big.NewInt(1))
		}
		want, _ := new(big.Rat).SetFrac(floor, scale).Float64()
		if got.Float() != want {
			t.Fatalf("round(%v, %d) = %v, want %v", f, digits, got.Float(), want)
		}
		if back, _ := callRound(nil, []Value{got, Int(int64(digits))}); back.Float() != want {
			t.Fatalf("round(round(%v, %d)) = %v", f, digits, back.Float())
		}
	})
}

func TestNearlyEqualsAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, tolerance := anyNumber().Draw(t, "a"), anyNumber().Draw(t, "b"), anyNumber().Draw(t, "tolerance")
		difference := new(big.Rat).Sub(ratOf(a), ratOf(b))
		difference.Abs(difference)
		switch rapid.IntRange(0, 3).Draw(t, "close") {
		case 0: // as near to the difference as a float64 comes
			f, _ := difference.Float64()
			if !isFinite(f) {
				f = math.MaxFloat64
			}
			tolerance = Float(math.Nextafter(f, float64(rapid.IntRange(-1, 1).Draw(t, "towards"))*math.MaxFloat64))
		case 1:
			f, _ := difference.Float64()
			tolerance = Float(min(f, math.MaxFloat64))
		}
		got, err := callNearlyEquals(nil, []Value{a, b, tolerance})
		limit := ratOf(tolerance)
		if (err != nil) != (limit.Sign() < 0) {
			t.Fatalf("tolerance %s: %v", jsonOf(tolerance), err)
		}
		if err == nil && got.Bool() != (difference.Cmp(limit) <= 0) {
			t.Fatalf("nearly_equals(%s, %s, %s) = %v", jsonOf(a), jsonOf(b), jsonOf(tolerance), got.Bool())
		}
	})
}

func TestComparisonAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyNumber().Draw(t, "a"), anyNumber().Draw(t, "b")
		switch rapid.IntRange(0, 3).Draw(t, "same") {
		case 0:
			f, _ := ratOf(a).Float64()
			if isFinite(f) {
				b = Float(f)
			}
		case 1:
			if n := ratOf(a); n.IsInt() {
				b = String(n.Num().String())
			}
		}
		want := ratOf(a).Cmp(ratOf(b))
		if a.kind != KindString || b.kind != KindString { // two texts compare as bytes
			if got := equalOf(a, b); got != (want == 0) {
				t.Fatalf("%s == %s is %v", jsonOf(a), jsonOf(b), got)
			}
		}
		for _, op := range []syntax.Op{syntax.Less, syntax.LessEq, syntax.Greater, syntax.GreaterEq} {
			got, err := orderOf(op, a, b)
			if err != nil || got != ordered(op, want) {
				t.Fatalf("%s %s %s is %v, %v", jsonOf(a), op, jsonOf(b), got, err)
			}
		}
		f, err := callToFloat(nil, []Value{a})
		wantFloat, _ := ratOf(a).Float64()
		if isFinite(wantFloat) != (err == nil) || err == nil && f.Float() != wantFloat {
			t.Fatalf("to_float(%s) = %v, %v, want %v", jsonOf(a), f.Float(), err, wantFloat)
		}
	})
}

// TestFloatTextReadsBackEqual: what a script wrote of a float64 it reads back as
// an equal number, however it is compared.
func TestFloatTextReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFloat().Draw(t, "f")
		text := String(floatText(f))
		if !equalOf(text, Float(f)) {
			t.Fatalf("%s is not equal to %v", text.str, f)
		}
		back, err := callToFloat(nil, []Value{text})
		if err != nil || back.Float() != f {
			t.Fatalf("to_float(%s) = %v, %v", text.str, back.Float(), err)
		}
		n, ok, fault := numericText(text.str)
		if !ok || fault != nil || n.asFloat() != f {
			t.Fatalf("%s is the number %+v, %v, %v", text.str, n, ok, fault)
		}
	})
}

func TestSumAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Int64Range(-1<<61, 1<<61)).Draw(t, "list")
		elems, total, fits := []Value{}, new(big.Int), true
		for _, n := range list {
			elems = append(elems, Int(n))
			total.Add(total, big.NewInt(n))
			fits = fits && total.IsInt64()
		}
		got, err := callSum(testEnv(nil), []Value{Array(elems)})
		if fits != (err == nil) || fits && fmt.Sprint(got.Int()) != total.String() {
			t.Fatalf("sum of %v = %d, %v, want %s", list, got.Int(), err, total)
		}
	})
}
