package script

import (
	"math"
	"math/big"

	"kahuna/script/syntax"
)

// numberArg returns an argument as a number.
func numberArg(name string, v *Value) (num, *Error) {
	n, ok, err := number(v)
	if !ok {
		return num{}, needs(name, "a number", *v)
	}
	return n, err
}

// twoNumbers returns the first two arguments as numbers.
func twoNumbers(name string, args []Value) (a, b num, err *Error) {
	if a, err = numberArg(name, &args[0]); err == nil {
		b, err = numberArg(name, &args[1])
	}
	return a, b, err
}

func callAbs(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("abs", &args[0])
	switch {
	case err != nil:
		return Null, err
	case n.float:
		return Float(math.Abs(n.f)), nil
	case n.i == math.MinInt64:
		return Null, integerOverflow()
	}
	return Int(max(n.i, -n.i)), nil
}

func callFloor(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("floor", &args[0])
	if err != nil {
		return Null, err
	}
	n.f = math.Floor(n.f)
	return n.value(), nil
}

func callCeil(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("ceil", &args[0])
	if err != nil {
		return Null, err
	}
	n.f = math.Ceil(n.f)
	return n.value(), nil
}

// roundDigitsMax is how many decimal places round() keeps at most.
const roundDigitsMax = 15

func callRound(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("round", &args[0])
	if err != nil {
		return Null, err
	}
	digits := int64(0)
	if len(args) == 2 {
		if digits, err = whole(args[1], "round() digits"); err != nil {
			return Null, err
		}
	}
	switch {
	case digits < 0 || digits > roundDigitsMax:
		return Null, errf(CodeRange, "round() digits must be 0 to %d, got %d", roundDigitsMax, digits)
	case !n.float || math.Abs(n.f) >= 1<<52: // it has no fraction
		return n.value(), nil
	case digits == 0:
		return Float(math.RoundToEven(n.f)), nil
	}
	return Float(roundFloat(n.f, powersOfTen[digits])), nil
}

// powersOfTen are exact as float64.
var powersOfTen = [roundDigitsMax + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// roundFloat rounds f, whose magnitude is below 2^52, to the nearest multiple of
// 1/p, by its exact value and to the even one of two that are as near.
func roundFloat(f, p float64) float64 {
	scaled := float64(f * p) // rounded, also where the processor could do without
	if math.Abs(scaled) >= 1<<53 {
		return f // the multiple that is nearest to f has no other float64
	}
	off := math.FMA(f, p, -scaled) // f*p is exactly scaled + off
	n := math.RoundToEven(scaled)
	// How far n is from it: the difference is exact, and off decides only where
	// scaled is in the middle of two.
	switch d := scaled - n; {
	case d == 0.5 && off > 0:
		n++
	case d == -0.5 && off < 0:
		n--
	}
	return n / p // both are exact, so this is the nearest float64
}

func callMin(e *callEnv, args []Value) (Value, *Error) { return extreme(e, "min", -1, args) }
func callMax(e *callEnv, args []Value) (Value, *Error) { return extreme(e, "max", 1, args) }

// extreme returns the first of the arguments that no other beats; one beats
// another when it compares to it as sign.
func extreme(e *callEnv, name string, sign int, args []Value) (Value, *Error) {
	if len(args) == 1 {
		if args[0].kind != KindArray {
			return Null, needs(name, "two or more numbers, or an array", args[0])
		}
		var err *Error
		if args, err = e.meter.elems(&args[0]); err != nil || len(args) == 0 {
			return Null, err
		}
	}
	best, err := numberArg(name, &args[0])
	if err != nil {
		return Null, err
	}
	for i := 1; i < len(args); i++ {
		n, err := numberArg(name, &args[i])
		if err != nil {
			return Null, err
		}
		if compareNumbers(n, best) == sign {
			best = n
		}
		if err := e.meter.passed(valueBytes + len(args[i].str)); err != nil {
			return Null, err
		}
	}
	return best.value(), nil
}

func callPow(_ *callEnv, args []Value) (Value, *Error) {
	x, y, err := twoNumbers("pow", args)
	if err != nil {
		return Null, err
	}
	a, b := x.asFloat(), y.asFloat()
	f := math.Pow(a, b)
	switch {
	case math.IsNaN(f) || a == 0 && math.IsInf(f, 0):
		return Null, errf(CodeRange, "pow(%s, %s) is undefined", floatText(a), floatText(b))
	case !isFinite(f):
		return Null, floatOverflow()
	}
	return Float(f), nil
}

func callMod(_ *callEnv, args []Value) (Value, *Error) {
	a, b, err := twoNumbers("mod", args)
	if err != nil {
		return Null, err
	}
	n, err := arithNum(syntax.Percent, a, b)
	if err != nil {
		return Null, err
	}
	return n.value(), nil
}

// callNearlyEquals compares the exact difference with the tolerance.
func callNearlyEquals(_ *callEnv, args []Value) (Value, *Error) {
	var n [3]exact
	for i := range n {
		var err *Error
		if n[i], err = exactArg("nearly_equals", &args[i]); err != nil {
			return Null, err
		}
	}
	a, b, tolerance := n[0], n[1], n[2]
	if tolerance.sign() < 0 {
		return Null, errf(CodeRange, "nearly_equals() tolerance must not be negative, got %s", scalarText(args[2]))
	}
	if a.small() && b.small() && tolerance.small() {
		return Bool(nearFloats(a.asFloat(), b.asFloat(), tolerance.asFloat())), nil
	}
	d := a.rat()
	d.Sub(d, b.rat())
	return Bool(d.Abs(d).Cmp(tolerance.rat()) <= 0), nil
}

// nearFloats reports whether |a-b| <= tolerance, by the exact difference: the
// rounded one tells unless it is the tolerance, and then what was rounded off.
func nearFloats(a, b, tolerance float64) bool {
	d := a - b
	if math.Abs(d) != tolerance || math.IsInf(d, 0) {
		return math.Abs(d) < tolerance
	}
	// Knuth's sum of two: a - b is exactly d + off.
	v := d - a
	off := (a - (d - v)) - (b + v)
	if d < 0 {
		off = -off
	}
	return off <= 0
}

// exact is a number of which nothing is rounded: a num, or digits beyond it.
type exact struct {
	num
	long string
}

// longDigitsMax is how many digits are taken for a number where it is computed
// with.
const longDigitsMax = 1000

func exactArg(name string, v *Value) (exact, *Error) {
	n, ok, err := number(v)
	switch {
	case !ok:
		return exact{}, needs(name, "a number", *v)
	case err == nil:
		return exact{num: n}, nil
	}
	negative, digits, ok := longDigits(v.str)
	if !ok || len(digits) > longDigitsMax {
		return exact{}, err
	}
	if negative {
		digits = "-" + digits
	}
	return exact{long: digits}, nil
}

func (x *exact) sign() float64 {
	if x.long != "" {
		if x.long[0] == '-' {
			return -1
		}
		return 1
	}
	return x.asFloat()
}

// small reports whether x is a float64, or an int64 that is one too.
func (x *exact) small() bool {
	return x.long == "" && (x.float || magnitude(x.i) <= 1<<53)
}

func (x *exact) rat() *big.Rat {
	r := new(big.Rat)
	switch {
	case x.long != "":
		i, _ := new(big.Int).SetString(x.long, 10)
		return r.SetInt(i)
	case x.float:
		return r.SetFloat64(x.f)
	}
	return r.SetInt64(x.i)
}
