package script

import (
	"cmp"
	"math/big"
	"strings"
)

// Digits beyond the range of an int64 are a number that no num can hold. Only
// comparisons and to_float take it (docs/language.md, "Values and types").

// longDigits returns the sign and the digits, without leading zeros, of a text
// of digits that does not fit an int64, and false for a text with a point or
// exponent, which is too large for a float64.
func longDigits(s string) (negative bool, digits string, ok bool) {
	s = trimASCII(s)
	negative = s[0] == '-'
	digits = strings.TrimLeft(s, "+-")
	if countDigits(digits) != len(digits) {
		return false, "", false
	}
	return negative, digits[countZeros(digits):], true
}

// floatDigitsMax is how many digits a whole float64 has at most.
const floatDigitsMax = 309

// compareLong compares two numbers of which at least one is a text beyond int64,
// as aLong and bLong tell; a and b are the values of those that are not.
func compareLong(l, r *Value, a, b num, aLong, bLong bool) (int, *Error) {
	switch {
	case !aLong:
		c, err := compareLong(r, l, b, a, true, false)
		return -c, err
	case bLong:
		return compareDigits(l.str, r.str)
	}
	negative, digits, ok := longDigits(l.str)
	if !ok {
		return 0, floatOverflow()
	}
	sign := 1
	if negative {
		sign = -1
	}
	if !b.float || len(digits) > floatDigitsMax {
		return sign, nil // it is beyond all of them
	}
	if (b.f < 0) != negative {
		return sign, nil
	}
	x, _ := new(big.Int).SetString(digits, 10)
	if negative {
		x.Neg(x)
	}
	// A float64 this large may have no fraction; one that has is smaller.
	y, _ := big.NewFloat(b.f).Int(nil)
	return cmp.Compare(x.Cmp(y), 0), nil
}

// compareDigits compares two texts of digits beyond int64.
func compareDigits(s, t string) (int, *Error) {
	negative, a, okA := longDigits(s)
	negativeT, b, okB := longDigits(t)
	switch {
	case !okA || !okB:
		return 0, floatOverflow()
	case negative && !negativeT:
		return -1, nil
	case negativeT && !negative:
		return 1, nil
	}
	c := cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	if negative {
		c = -c
	}
	return c, nil
}

// longFloatOf returns the float64 nearest to a text of digits beyond int64.
func longFloatOf(s string) (float64, *Error) {
	_, digits, ok := longDigits(s)
	if !ok || len(digits) > floatDigitsMax {
		return 0, floatOverflow()
	}
	sign := ""
	if trimASCII(s)[0] == '-' {
		sign = "-"
	}
	n, _, err := numericForm(sign + digits + "e0")
	return n.f, err
}
