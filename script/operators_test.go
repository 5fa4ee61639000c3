package script

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"kahuna/script/syntax"

	"pgregory.net/rapid"
)

// The columns of the tables of section 4.
var operands = []struct {
	name string
	v    Value
}{
	{"int64", Int(6)},
	{"float64", Float(1.5)},
	{"integer text", String("4")},
	{"float text", String(" 2.5 ")},
	{"other string", String("abc")},
	{"null", Null},
	{"bool", Bool(true)},
	{"array", flatArray([]Value{Int(1)})},
}

func isNumeric(v Value) bool {
	_, ok, _ := number(&v)
	return ok
}

// TestArithCells goes through every cell of the table of 4.2 and every
// operator.
func TestArithCells(t *testing.T) {
	for _, op := range []syntax.Op{syntax.Plus, syntax.Minus, syntax.Star, syntax.Slash, syntax.Percent} {
		for _, l := range operands {
			for _, r := range operands {
				got, err := arithOf(op, l.v.WithMeta(3, 9), r.v.WithMeta(4, 9))
				if !isNumeric(l.v) || !isNumeric(r.v) {
					want := fmt.Sprintf("cannot apply '%s' to %s and %s", op, describe(l.v), describe(r.v))
					if err == nil || err.Code != CodeType || err.Message != want {
						t.Errorf("%s %s %s = %s, want %s", l.name, op, r.name, shown(got, err), want)
					}
					continue
				}
				a, _, _ := number(&l.v)
				b, _, _ := number(&r.v)
				want := KindFloat
				if !a.float && !b.float {
					want = KindInt
				}
				if err != nil || got.kind != want || got.rev != -1 || got.exp != 0 {
					t.Errorf("%s %s %s = %s, want a plain %s", l.name, op, r.name, shown(got, err), want)
				}
			}
		}
	}
}

func TestArith(t *testing.T) {
	const minInt, maxInt = math.MinInt64, math.MaxInt64
	for _, c := range []struct {
		l    Value
		op   syntax.Op
		r    Value
		want string
	}{
		{Int(2), syntax.Plus, Int(3), "5"},
		{String("2"), syntax.Plus, String("3"), "5"},
		{String("4"), syntax.Plus, String("5.5"), "float 9.5"},
		{Int(2), syntax.Star, String(" 3 "), "6"},
		{String("7"), syntax.Minus, Int(10), "-3"},
		{Int(7), syntax.Slash, Int(2), "3"},
		{Int(-7), syntax.Slash, Int(2), "-3"},
		{Int(9), syntax.Slash, Float(4), "float 2.25"},
		{Int(7), syntax.Percent, Int(-3), "1"},
		{Int(-7), syntax.Percent, Int(3), "-1"},
		{Float(7.5), syntax.Percent, Int(2), "float 1.5"},
		{Float(-7.5), syntax.Percent, Int(2), "float -1.5"},
		{Int(minInt), syntax.Percent, Int(-1), "0"},
		{Int(minInt), syntax.Slash, Int(-1), "range: integer overflow"},
		{Int(minInt), syntax.Slash, Int(1), "-9223372036854775808"},
		{Int(maxInt), syntax.Plus, Int(1), "range: integer overflow"},
		{Int(maxInt), syntax.Plus, Int(0), "9223372036854775807"},
		{Int(minInt), syntax.Plus, Int(-1), "range: integer overflow"},
		{Int(minInt), syntax.Plus, Int(0), "-9223372036854775808"},
		{Int(minInt), syntax.Minus, Int(1), "range: integer overflow"},
		{Int(0), syntax.Minus, Int(minInt), "range: integer overflow"},
		{Int(-1), syntax.Minus, Int(minInt), "9223372036854775807"},
		{Int(minInt), syntax.Star, Int(-1), "range: integer overflow"},
		{Int(-1), syntax.Star, Int(minInt), "range: integer overflow"},
		{Int(minInt), syntax.Star, Int(1), "-9223372036854775808"},
		{Int(1 << 32), syntax.Star, Int(1 << 31), "range: integer overflow"},
		{Int(1 << 32), syntax.Star, Int(-1 << 31), "-9223372036854775808"},
		{Int(3037000500), syntax.Star, Int(3037000500), "range: integer overflow"},
		{Int(1), syntax.Slash, Int(0), "division_by_zero: division by zero"},
		{Int(1), syntax.Percent, Int(0), "division_by_zero: division by zero"},
		{Float(1), syntax.Slash, Int(0), "division_by_zero: division by zero"},
		{Float(1), syntax.Percent, Float(math.Copysign(0, -1)), "division_by_zero: division by zero"},
		{String("0"), syntax.Slash, String("0.0"), "division_by_zero: division by zero"},
		{Float(1e308), syntax.Star, Int(10), "range: float overflow"},
		{Float(1e308), syntax.Plus, Float(1e308), "range: float overflow"},
		{Float(-1e308), syntax.Minus, Float(1e308), "range: float overflow"},
		{Float(1), syntax.Slash, Float(5e-324), "range: float overflow"},
		{String("99999999999999999999"), syntax.Plus, Int(1), "range: integer out of range"},
		{Int(1), syntax.Plus, String("1e999"), "range: float overflow"},
		{String("99999999999999999999"), syntax.Plus, Null, `type: cannot apply '+' to string "99999999999999999999" and null`},
		{String("abc"), syntax.Plus, Int(1), `type: cannot apply '+' to string "abc" and int64; use concat() to join text`},
		{String("a"), syntax.Plus, String("b"), `type: cannot apply '+' to string "a" and string "b"; use concat() to join text`},
		{String("a"), syntax.Star, Int(2), `type: cannot apply '*' to string "a" and int64`},
		{Null, syntax.Minus, Int(1), "type: cannot apply '-' to null and int64"},
		{Bool(true), syntax.Plus, Int(1), "type: cannot apply '+' to bool and int64"},
		{flatArray(nil), syntax.Plus, String("x"), `type: cannot apply '+' to array and string "x"`},
	} {
		if got := shown(arithOf(c.op, c.l, c.r)); got != c.want {
			t.Errorf("%s %s %s = %s, want %s", jsonOf(c.l), c.op, jsonOf(c.r), got, c.want)
		}
	}
}

func TestNegate(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Int(5).WithMeta(3, 0), "-5"},
		{Int(math.MinInt64), "range: integer overflow"},
		{Float(2.5), "float -2.5"},
		{String(" 7 "), "-7"},
		{String("-1e1"), "float 10"},
		{String("9223372036854775808"), "range: integer out of range"},
		{String("x"), `type: cannot apply '-' to string "x"`},
		{Null, "type: cannot apply '-' to null"},
		{Bool(true), "type: cannot apply '-' to bool"},
		{flatArray(nil), "type: cannot apply '-' to array"},
	} {
		if got := shown(negate(c.v)); got != c.want {
			t.Errorf("-%s = %s, want %s", jsonOf(c.v), got, c.want)
		}
	}
}

// intValue draws int64s, often near an edge.
func intValue() *rapid.Generator[int64] {
	return rapid.Custom(func(t *rapid.T) int64 {
		if rapid.Bool().Draw(t, "any") {
			return rapid.Int64().Draw(t, "int")
		}
		edge := rapid.SampledFrom([]int64{0, 1 << 31, 1 << 32, 1 << 53, -1 << 53, 3037000499, math.MaxInt64, math.MinInt64}).Draw(t, "edge")
		return edge + rapid.Int64Range(-3, 3).Draw(t, "offset") // may wrap, which is as good
	})
}

func TestArithAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := intValue().Draw(t, "a"), intValue().Draw(t, "b")
		op := rapid.SampledFrom([]syntax.Op{syntax.Plus, syntax.Minus, syntax.Star, syntax.Slash, syntax.Percent}).Draw(t, "op")
		x, y, want := big.NewInt(a), big.NewInt(b), new(big.Int)
		switch op {
		case syntax.Plus:
			want.Add(x, y)
		case syntax.Minus:
			want.Sub(x, y)
		case syntax.Star:
			want.Mul(x, y)
		default:
			if b == 0 {
				if _, err := arithOf(op, Int(a), Int(b)); err == nil || err.Code != CodeDivisionByZero {
					t.Fatalf("%d %s 0: %v", a, op, err)
				}
				return
			}
			want.Quo(x, y)
			if op == syntax.Percent {
				want.Rem(x, y)
			}
		}
		got, err := arithOf(op, Int(a), Int(b))
		if want.IsInt64() != (err == nil) || err == nil && got.Int() != want.Int64() {
			t.Fatalf("%d %s %d = %s, want %s", a, op, b, shown(got, err), want)
		}
		// Text gives what the numbers give.
		texts, textErr := arithOf(op, String(fmt.Sprint(a)), String(fmt.Sprintf(" %+d\n", b)))
		if shown(texts, textErr) != shown(got, err) {
			t.Fatalf("%d %s %d as text = %s, want %s", a, op, b, shown(texts, textErr), shown(got, err))
		}
	})
}

var orderOps = []syntax.Op{syntax.Less, syntax.LessEq, syntax.Greater, syntax.GreaterEq}

// TestOrderCells goes through every cell of the table of 4.3.
func TestOrderCells(t *testing.T) {
	for _, op := range orderOps {
		for _, l := range operands {
			for _, r := range operands {
				_, err := orderOf(op, l.v, r.v)
				words := l.v.kind == KindString && r.v.kind == KindString && !isNumeric(l.v) && !isNumeric(r.v)
				if words || isNumeric(l.v) && isNumeric(r.v) {
					if err != nil {
						t.Errorf("%s %s %s: %v", l.name, op, r.name, err)
					}
					continue
				}
				want := fmt.Sprintf("cannot apply '%s' to %s and %s", op, describe(l.v), describe(r.v))
				if err == nil || err.Code != CodeType || err.Message != want {
					t.Errorf("%s %s %s: error %v, want %s", l.name, op, r.name, err, want)
				}
			}
		}
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		l, r Value
		want string // of <, <=, >, >=: the sign of the comparison, or the error of <
	}{
		{Int(1), Int(2), "<"},
		{Int(2), Int(2), "="},
		{Int(3), Float(2.5), ">"},
		{Float(-0.5), Int(0), "<"},
		{Int(0), Float(math.Copysign(0, -1)), "="},
		{String("10"), String("9"), ">"},
		{String("1.0"), String("1"), "="},
		{String("b"), String("a"), ">"},
		{String("B"), String("a"), "<"},
		{String("\xff"), String("é"), ">"},
		{String(""), String("a"), "<"},
		{Int(2), String("2"), "="},
		{Int(1<<53 + 1), Float(1 << 53), ">"},
		{Int(math.MaxInt64), Float(1 << 63), "<"},
		{Int(math.MinInt64), Float(-1 << 63), "="},
		{Int(math.MinInt64), Float(-1e300), ">"},
		{Float(1e300), String("9223372036854775807"), ">"},
		{String("b"), String("3"), `type: cannot apply '<' to string "b" and string "3"; one of the texts is a number; compare(a, b) orders texts by their bytes`},
		{String("99999999999999999999"), String("b"), `type: cannot apply '<' to string "99999999999999999999" and string "b"; one of the texts is a number; compare(a, b) orders texts by their bytes`},
		{String("99999999999999999999"), String("1"), ">"},
		{String("10000000000000000000"), String("10000000000000000001"), "<"},
		{String("-10000000000000000000"), Int(math.MinInt64), "<"},
		{String("18446744073709551615"), Float(1 << 64), "<"},
		{String("18446744073709551616"), Float(1 << 64), "="},
		{Int(1), String("1e999"), "range: float overflow"},
		{Null, Int(1), "type: cannot apply '<' to null and int64"},
		{Bool(true), Bool(false), "type: cannot apply '<' to bool and bool"},
	} {
		var got string
		for i, op := range orderOps {
			ok, err := orderOf(op, c.l, c.r)
			if err != nil {
				got = shown(Null, err)
				break
			}
			want := map[string]string{"<": "ttff", "=": "ftft", ">": "fftt"}[c.want]
			if want == "" || ok != (want[i] == 't') {
				t.Errorf("%s %s %s = %v", jsonOf(c.l), op, jsonOf(c.r), ok)
			}
			got = c.want
		}
		if got != c.want {
			t.Errorf("%s < %s: %s, want %s", jsonOf(c.l), jsonOf(c.r), got, c.want)
		}
	}
}

func TestOrderIsExact(t *testing.T) {
	near := rapid.Custom(func(t *rapid.T) float64 {
		edge := rapid.SampledFrom([]float64{0, 1, 1 << 52, 1 << 53, 1 << 62, 1 << 63, 1 << 64}).Draw(t, "edge")
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			edge = math.Nextafter(edge, rapid.SampledFrom([]float64{math.Inf(-1), math.Inf(1)}).Draw(t, "to"))
		}
		if rapid.Bool().Draw(t, "negative") {
			return -edge
		}
		return edge
	})
	float := rapid.OneOf(near, rapid.Float64Range(-1e19, 1e19))
	rapid.Check(t, func(t *rapid.T) {
		i, f := intValue().Draw(t, "i"), float.Draw(t, "f")
		if rapid.Bool().Draw(t, "close") && fitsInt(f) {
			i = int64(f) + rapid.Int64Range(-2, 2).Draw(t, "offset")
		}
		want := new(big.Float).SetPrec(200).SetInt64(i).Cmp(new(big.Float).SetFloat64(f))
		if got := compareIntFloat(i, f); got != want {
			t.Fatalf("compare(%d, %v) = %d, want %d", i, f, got, want)
		}
		if equalOf(Int(i), Float(f)) != (want == 0) || equalOf(Float(f), Int(i)) != (want == 0) {
			t.Fatalf("%d == %v is wrong", i, f)
		}
		for _, op := range orderOps {
			if got, err := orderOf(op, Float(f), Int(i)); err != nil || got != ordered(op, -want) {
				t.Fatalf("%v %s %d = %v, %v", f, op, i, got, err)
			}
		}
	})
}

func TestEqual(t *testing.T) {
	array := func(vs ...Value) Value { return flatArray(vs) }
	for _, c := range []struct {
		l, r Value
		want bool
	}{
		{Null, Null.WithMeta(3, 4), true},
		{Null, String(""), false},
		{Null, Bool(false), false},
		{Null, Int(0), false},
		{Null, Float(0), false},
		{Null, array(), false},
		{Bool(true), Bool(true), true},
		{Bool(true), Bool(false), false},
		{Bool(true), String("TRUE"), true},
		{Bool(true), String("true"), true},
		{Bool(true), String("1"), false},
		{Bool(true), String(" true"), false},
		{Bool(true), String("false"), false},
		{Bool(false), String("False"), true},
		{Bool(false), String("falſe"), false},
		{Bool(false), String(""), false},
		{Bool(true), Int(1), false},
		{Bool(true), Float(1), false},
		{Bool(true), array(Bool(true)), false},
		{Int(1), Int(1), true},
		{Int(1), Float(1), true},
		{Int(1), Float(1.0005), false},
		{Float(0), Float(math.Copysign(0, -1)), true},
		{Float(0.30000000000000004), Float(0.3), false},
		{Int(1<<53 + 1), Float(1 << 53), false},
		{Int(1), String("1.0"), true},
		{Int(1), String(" +1 "), true},
		{Float(1.5), String("15e-1"), true},
		{Int(1), String("x"), false},
		{Int(0), String(""), false},
		{Float(1e20), String("100000000000000000000"), true},
		{Float(1e20), String("100000000000000000001"), false},
		{Float(1e20), String("1e20"), true},
		{Int(1), String("1e999"), false},
		{Int(1), array(Int(1)), false},
		{String("1"), String("1.0"), false},
		{String("a"), String("a"), true},
		{String("a"), String("A"), false},
		{String("a"), array(String("a")), false},
		{array(), array(), true},
		{array(Int(1)), array(), false},
		{array(Int(1), String("true")), array(String("1"), Bool(true)), true},
		{array(array(Int(1))), array(array(Float(1))), true},
		{array(array(Int(1))), array(array(Int(2))), false},
		{array(array()), array(Null), false},
	} {
		if equalOf(c.l, c.r) != c.want || equalOf(c.r, c.l) != c.want {
			t.Errorf("%s == %s is not %v both ways", jsonOf(c.l), jsonOf(c.r), c.want)
		}
	}
}

// anyValue draws values of every type, nested a little.
func anyValue(depth int) *rapid.Generator[Value] {
	text := rapid.SampledFrom([]string{"", "0", "1", "1.0", " 1", "true", "FALSE", "x", "1e999", "\xff"})
	return rapid.Custom(func(t *rapid.T) Value {
		kind := rapid.IntRange(0, 4+min(depth, 1)).Draw(t, "kind")
		switch Kind(kind) {
		case KindNull:
			return Null
		case KindBool:
			return Bool(rapid.Bool().Draw(t, "bool"))
		case KindInt:
			return Int(rapid.Int64Range(-1, 2).Draw(t, "int"))
		case KindFloat:
			return Float(rapid.SampledFrom([]float64{0, 1, 1.5}).Draw(t, "float"))
		case KindString:
			return String(text.Draw(t, "text"))
		}
		return Array(rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "elems"))
	})
}

func TestEqualProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyValue(2).Draw(t, "a"), anyValue(2).Draw(t, "b")
		if !equalOf(a, a) {
			t.Fatalf("%s is not equal to itself", jsonOf(a))
		}
		if equalOf(a, b) != equalOf(b, a) {
			t.Fatalf("%s == %s depends on the side", jsonOf(a), jsonOf(b))
		}
		// What is ordered is ordered in agreement with equality.
		less, err := orderOf(syntax.Less, a, b)
		if err == nil && a.kind != b.kind {
			more, _ := orderOf(syntax.Greater, a, b)
			if equalOf(a, b) != (!less && !more) {
				t.Fatalf("%s and %s: == does not agree with < and >", jsonOf(a), jsonOf(b))
			}
		}
	})
}

func TestCondition(t *testing.T) {
	for _, c := range []struct {
		word string
		v    Value
		want string
	}{
		{"if", Bool(true).WithMeta(1, 2), "true"},
		{"&&", Bool(false), "false"},
		{"if", Int(1), "type: 'if' needs a bool, got int64; compare it: x != 0"},
		{"while", Float(0), "type: 'while' needs a bool, got float64; compare it: x != 0"},
		{"not", Null, "type: 'not' needs a bool, got null; test is_null(x), or compare: x == true"},
		{"||", String("true"), `type: '||' needs a bool, got string "true"; compare it: x == true, or test is_null(x)`},
		{"assert", flatArray(nil), "type: 'assert' needs a bool, got array; use count(x) > 0"},
	} {
		ok, err := condition(c.word, c.v)
		if got := shown(Bool(ok), err); got != c.want {
			t.Errorf("condition(%s, %s) = %s, want %s", c.word, jsonOf(c.v), got, c.want)
		}
	}
}

// TestOperatorsDoNotAllocate covers what runs in the inner loop of a script.
func TestOperatorsDoNotAllocate(t *testing.T) {
	text := String(strings.Repeat("0", 20) + "17")
	for name, f := range map[string]func(){
		"int + int":     func() { arithOf(syntax.Plus, Int(1), Int(2)) },
		"text * float":  func() { arithOf(syntax.Star, String("12"), Float(2)) },
		"text - text":   func() { arithOf(syntax.Minus, text, String("1.5e3")) },
		"-text":         func() { negate(String(" 5 ")) },
		"text < int":    func() { orderOf(syntax.Less, String("12"), Int(9)) },
		"words <":       func() { orderOf(syntax.Less, String("abc"), String("abd")) },
		"text == int":   func() { equalOf(String("12"), Int(12)) },
		"bool == text":  func() { equalOf(Bool(true), String("True")) },
		"array == same": func() { equalOf(operands[7].v, Array(nil)) },
	} {
		want := 0.0
		if name == "array == same" {
			want = 1 // the new array itself
		}
		if n := testing.AllocsPerRun(100, f); n > want {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var sink struct {
	v Value
	b bool
}

func BenchmarkArith(b *testing.B) {
	for _, c := range []struct {
		name string
		l, r Value
	}{
		{"int+int", Int(40), Int(2)},
		{"text+int", String("1234567"), Int(2)},
		{"float+float", Float(1.5), Float(2.5)},
		{"floattext+int", String("12.25"), Int(2)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink.v, _ = arithOf(syntax.Plus, c.l, c.r)
			}
		})
	}
}

func BenchmarkOrder(b *testing.B) {
	for _, c := range []struct {
		name string
		l, r Value
	}{
		{"int<int", Int(40), Int(2)},
		{"int<float", Int(40), Float(2.5)},
		{"text<int", String("1234567"), Int(2)},
		{"text<text", String("1234567"), String("7654321")},
		{"word<word", String("stock/a"), String("stock/b")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink.b, _ = orderOf(syntax.Less, c.l, c.r)
			}
		})
	}
}

func BenchmarkEqual(b *testing.B) {
	for _, c := range []struct {
		name string
		l, r Value
	}{
		{"int==int", Int(40), Int(2)},
		{"text==text", String("1234567"), String("1234568")},
		{"text==int", String("1234567"), Int(1234567)},
		{"text==bool", String("true"), Bool(true)},
		{"null==text", Null, String("x")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink.b = equalOf(c.l, c.r)
			}
		})
	}
}

// The operators on values that are not in variables.

func arithOf(op syntax.Op, l, r Value) (Value, *Error) { return arith(op, &l, &r) }
func orderOf(op syntax.Op, l, r Value) (bool, *Error)  { return order(op, &l, &r) }
func equalOf(l, r Value) bool                          { return equal(&l, &r) }
