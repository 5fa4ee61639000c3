package script

import (
	"math"

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

// powersOfTen are exact as float64.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func callRound(_ *callEnv, args []Value) (Value, *Error) {
	n, err := numberArg("round", &args[0])
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
	if !n.float || math.Abs(n.f) >= 1e16 {
		return n.value(), nil
	}
	p := powersOfTen[digits]
	return Float(math.RoundToEven(n.f*p) / p), nil
}

func callMin(e *callEnv, args []Value) (Value, *Error) { return extreme(e, "min", -1, args) }
func callMax(e *callEnv, args []Value) (Value, *Error) { return extreme(e, "max", 1, args) }

// extreme returns the first of the arguments that no other beats; one beats
// another when it compares to it as sign.
func extreme(e *callEnv, name string, sign int, args []Value) (Value, *Error) {
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
		if err := e.meter.passed(len(args[i].str)); err != nil {
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

func callNearlyEquals(_ *callEnv, args []Value) (Value, *Error) {
	a, b, err := twoNumbers("nearly_equals", args)
	if err != nil {
		return Null, err
	}
	tolerance, err := numberArg("nearly_equals", &args[2])
	if err != nil {
		return Null, err
	}
	if tolerance.asFloat() < 0 {
		return Null, errf(CodeRange, "nearly_equals() tolerance must not be negative, got %s", scalarText(tolerance.value()))
	}
	if !a.float && !b.float && !tolerance.float {
		// The difference of two int64 fits a uint64.
		difference := uint64(max(a.i, b.i)) - uint64(min(a.i, b.i))
		return Bool(difference <= uint64(tolerance.i)), nil
	}
	return Bool(math.Abs(a.asFloat()-b.asFloat()) <= tolerance.asFloat()), nil
}
