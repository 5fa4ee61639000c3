package script

import (
	"math"

	"kahuna/script/syntax"
)

// numberArg returns an argument as a number.
func numberArg(name string, v Value) (Value, *Error) {
	n, ok, err := number(v)
	if !ok {
		return Null, needs(name, "a number", v)
	}
	return n, err
}

func callAbs(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("abs", args[0])
	switch {
	case err != nil:
		return Null, err
	case n.kind == KindFloat:
		return Float(math.Abs(n.Float())), nil
	case n.Int() >= 0:
		return n, nil
	}
	return negate(n)
}

func callFloor(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("floor", args[0])
	if err != nil || n.kind == KindInt {
		return n, err
	}
	return Float(math.Floor(n.Float())), nil
}

func callCeil(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("ceil", args[0])
	if err != nil || n.kind == KindInt {
		return n, err
	}
	return Float(math.Ceil(n.Float())), nil
}

// powersOfTen are exact as float64.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func callRound(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("round", args[0])
	if err != nil {
		return Null, err
	}
	digits, err := whole(args[1], "round() digits")
	if err != nil {
		return Null, err
	}
	if digits < 0 || digits >= int64(len(powersOfTen)) {
		return Null, errf(CodeRange, "round() digits must be 0 to %d, got %d", len(powersOfTen)-1, digits)
	}
	if n.kind == KindInt || math.Abs(n.Float()) >= 1e16 {
		return n, nil
	}
	p := powersOfTen[digits]
	return Float(math.RoundToEven(n.Float()*p) / p), nil
}

func callMin(_ *callEnv, args []Value) (Value, *Error) { return extreme("min", -1, args) }
func callMax(_ *callEnv, args []Value) (Value, *Error) { return extreme("max", 1, args) }

// extreme returns the first of the arguments that no other beats; one beats
// another when it compares to it as sign.
func extreme(name string, sign int, args []Value) (Value, *Error) {
	best, err := numberArg(name, args[0])
	if err != nil {
		return Null, err
	}
	for _, v := range args[1:] {
		n, err := numberArg(name, v)
		if err != nil {
			return Null, err
		}
		if compareNumbers(n, best) == sign {
			best = n
		}
	}
	return best, nil
}

func callPow(_ *callEnv, args []Value) (Value, *Error) {
	x, err := numberArg("pow", args[0])
	if err != nil {
		return Null, err
	}
	y, err := numberArg("pow", args[1])
	if err != nil {
		return Null, err
	}
	a, b := floatOf(x), floatOf(y)
	f := math.Pow(a, b)
	if math.IsNaN(f) || a == 0 && math.IsInf(f, 0) {
		return Null, errf(CodeRange, "pow(%s, %s) is undefined", floatText(a), floatText(b))
	}
	return finite(f)
}

func callMod(_ *callEnv, args []Value) (Value, *Error) {
	a, err := numberArg("mod", args[0])
	if err != nil {
		return Null, err
	}
	b, err := numberArg("mod", args[1])
	if err != nil {
		return Null, err
	}
	return arith(syntax.Percent, a, b)
}

func callNearlyEquals(_ *callEnv, args []Value) (Value, *Error) {
	var n [3]Value
	ints := true
	for i := range n {
		var err *Error
		if n[i], err = numberArg("nearly_equals", args[i]); err != nil {
			return Null, err
		}
		ints = ints && n[i].kind == KindInt
	}
	a, b, tolerance := n[0], n[1], n[2]
	if compareNumbers(tolerance, Int(0)) < 0 {
		return Null, errf(CodeRange, "nearly_equals() tolerance must not be negative, got %s", scalarText(tolerance))
	}
	if ints {
		// The difference of two int64 fits a uint64.
		high, low := max(a.Int(), b.Int()), min(a.Int(), b.Int())
		return Bool(uint64(high)-uint64(low) <= uint64(tolerance.Int())), nil
	}
	return Bool(math.Abs(floatOf(a)-floatOf(b)) <= floatOf(tolerance)), nil
}
