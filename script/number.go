package script

import (
	"math"
	"strconv"
	"strings"
)

// num is a number on its way through an operator or function: an int64, or a
// float64 when float is set. Unlike a Value it fits the registers.
type num struct {
	i     int64
	f     float64
	float bool
}

func intNum(i int64) num     { return num{i: i} }
func floatNum(f float64) num { return num{f: f, float: true} }

// value returns n as a value without metadata.
func (n num) value() Value {
	if n.float {
		return Float(n.f)
	}
	return Int(n.i)
}

// asFloat returns n as a float64, rounded to the nearest.
func (n num) asFloat() float64 {
	if n.float {
		return n.f
	}
	return float64(n.i)
}

// numericText converts s when it is numeric text (docs/language.md,
// "Values and types"): a sign and digits to an int64, with a point or an
// exponent to a float64. It reports whether s has that form; when it has but its number is
// too large, the error says so. It allocates only for that error.
func numericText(s string) (num, bool, *Error) {
	// The usual text is a short plain number: at most 18 digits always fit.
	if n := len(s); n > 0 && n <= 18 {
		i := 0
		negative := s[0] == '-'
		if negative && n > 1 {
			i = 1
		}
		var sum int64
		for ; i < n; i++ {
			d := s[i] - '0'
			if d > 9 {
				return numericForm(s)
			}
			sum = sum*10 + int64(d)
		}
		if negative {
			sum = -sum
		}
		return intNum(sum), true, nil
	}
	return numericForm(s)
}

// numericForm is numericText for every text.
func numericForm(s string) (num, bool, *Error) {
	s = trimASCII(s)
	digits := s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	whole := countDigits(digits)
	rest := digits[whole:]
	if rest == "" {
		if whole == 0 {
			return num{}, false, nil
		}
		i, ok := parseInt(digits, s[0] == '-')
		if !ok {
			return num{}, true, errf(CodeRange, "integer out of range")
		}
		return intNum(i), true, nil
	}
	fraction, exponent := 0, ""
	if rest[0] == '.' {
		fraction = countDigits(rest[1:])
		rest = rest[1+fraction:]
	}
	if whole+fraction == 0 {
		return num{}, false, nil
	}
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return num{}, false, nil
		}
		rest = rest[1:]
		exponent = rest
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			rest = rest[1:]
		}
		if rest == "" || countDigits(rest) != len(rest) {
			return num{}, false, nil
		}
	}
	if len(s) > longFloat {
		point := digits[whole:]
		if fraction > 0 {
			point = point[1:]
		}
		s = shortFloat(s[:len(s)-len(digits)], digits[:whole], point[:fraction], exponent)
	}
	// The form is one that ParseFloat reads the same way; what can still
	// fail is the range.
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return num{}, true, floatOverflow()
	}
	return floatNum(f), true, nil
}

const (
	// longFloat is from how many bytes on a number is shortened before
	// ParseFloat reads it: that takes its time, and of more than 800 digits in
	// front of a point, or exponents to match, it makes another number.
	longFloat = 700
	// floatDigits are enough to tell on which side of the middle between two
	// float64 a number is, or whether it is the middle, if it is known of the
	// rest whether it is zero: the longest such middle has 767 digits.
	floatDigits = 780
)

// shortFloat returns a text of the same float64 as sign, whole, a point,
// fraction, and 10 to the power of exponent, which may be empty.
func shortFloat(sign, whole, fraction, exponent string) string {
	exp := shortExponent(exponent)
	if whole = whole[countZeros(whole):]; whole == "" {
		zeros := countZeros(fraction)
		fraction = fraction[zeros:]
		exp -= int64(zeros)
	}
	n := min(len(whole), floatDigits)
	f := min(len(fraction), floatDigits-n)
	exp += int64(len(whole) - n - f)
	b := make([]byte, 0, len(sign)+floatDigits+len("01e-1234567890123456789"))
	b = append(append(append(append(b, sign...), '0'), whole[:n]...), fraction[:f]...)
	for _, rest := range []string{whole[n:], fraction[f:]} {
		if countZeros(rest) < len(rest) {
			b = append(b, '1')
			exp--
			break
		}
	}
	return string(strconv.AppendInt(append(b, 'e'), exp, 10))
}

// shortExponent returns the exponent written by s, a sign and digits or
// nothing. Those beyond 2^48 are cut: no text is long enough to make up for
// them.
func shortExponent(s string) int64 {
	digits := strings.TrimLeft(s, "+-")
	digits = digits[countZeros(digits):]
	exp := int64(1 << 48)
	if len(digits) < len("123456789012345") {
		exp = 0
		for i := range len(digits) {
			exp = exp*10 + int64(digits[i]-'0')
		}
	}
	if s != "" && s[0] == '-' {
		return -exp
	}
	return exp
}

// countDigits returns how many decimal digits s begins with.
func countDigits(s string) int {
	n := 0
	for len(s)-n >= 8 && eightDigits(eight(s[n:])) {
		n += 8
	}
	for n < len(s) && s[n]-'0' <= 9 {
		n++
	}
	return n
}

// countZeros returns how many zeros s begins with.
func countZeros(s string) int {
	n := 0
	for len(s)-n >= 8 && eight(s[n:]) == 0x3030303030303030 {
		n += 8
	}
	for n < len(s) && s[n] == '0' {
		n++
	}
	return n
}

// eight returns the first eight bytes of s as a word: a text may be very long,
// and nothing can stop who reads it.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// eightDigits reports whether each byte of x is a decimal digit. Bytes from
// 0x80 on have their top bit; of the others those above '9' get it from the
// sum, and those below '0' by borrowing. A carry or a borrow that reaches the
// next byte comes from one that has its bit already.
func eightDigits(x uint64) bool {
	return (x|(x+0x4646464646464646)|(x-0x3030303030303030))&0x8080808080808080 == 0
}

// eightSpaces reports whether isSpace is true for each byte of x. No sum
// reaches the next byte, unless one has its top bit, which no space has.
func eightSpaces(x uint64) bool {
	const top = 0x8080808080808080
	blank := ^((x ^ 0x2020202020202020) + 0x7F7F7F7F7F7F7F7F)
	control := (x + 0x7777777777777777) &^ (x + 0x7272727272727272) // from 9 up, but not from 14
	return x&top == 0 && (blank|control)&top == top
}

// parseInt returns the number written by digits, which are decimal digits,
// and false when it does not fit.
func parseInt(digits string, negative bool) (int64, bool) {
	digits = digits[countZeros(digits):]
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	var sum uint64
	for i := range len(digits) {
		d := uint64(digits[i] - '0')
		if sum > (limit-d)/10 {
			return 0, false
		}
		sum = sum*10 + d
	}
	if negative {
		return -int64(sum), true
	}
	return int64(sum), true
}

// trimASCII returns s without ASCII white space at both ends.
func trimASCII(s string) string {
	from, to := 0, len(s)
	for to-from >= 8 && eightSpaces(eight(s[from:])) {
		from += 8
	}
	for to-from >= 8 && eightSpaces(eight(s[to-8:])) {
		to -= 8
	}
	for from < to && isSpace(s[from]) {
		from++
	}
	for from < to && isSpace(s[to-1]) {
		to--
	}
	return s[from:to]
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// number returns v as a number, converting numeric text. It reports whether v
// is a number; the error is that of numericText.
func number(v *Value) (num, bool, *Error) {
	switch v.kind {
	case KindInt:
		return intNum(v.integer()), true, nil
	case KindFloat:
		return floatNum(v.float()), true, nil
	case KindString:
		return numericText(v.str)
	}
	return num{}, false, nil
}

// whole returns v as a whole number (docs/language.md, "Values and types").
// what names the operand in the error: "index needs a whole number, got null".
func whole(v Value, what string) (int64, *Error) {
	switch v.kind {
	case KindInt:
		return v.integer(), nil
	case KindFloat:
		if i, ok := exactInt(v.float()); ok {
			return i, nil
		}
	case KindString:
		n, ok, err := numericText(v.str)
		if ok && err == nil && !n.float {
			return n.i, nil
		}
		// Of the texts that are too large only integers are whole numbers.
		if err != nil && isIntegerText(v.str) {
			return 0, err
		}
	}
	return 0, errf(CodeType, "%s needs a whole number, got %s", what, describeExact(v))
}

// isIntegerText reports whether s, which is numeric text, has no point and
// no exponent.
func isIntegerText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}

// exactInt returns f as an int64 when it has no fraction and fits.
func exactInt(f float64) (int64, bool) {
	if !fitsInt(f) || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// fitsInt reports whether f, truncated, is within the range of an int64.
func fitsInt(f float64) bool { return f >= -(1<<63) && f < 1<<63 }

// floatOverflow is the error of a float64 result that is not finite.
func floatOverflow() *Error { return errf(CodeRange, "float overflow") }

func isFinite(f float64) bool { return f-f == 0 } // else the difference is NaN

// floatTextMax is the length of the longest float text.
const floatTextMax = 25

// floatText returns the float text of f (docs/language.md, "Values and types"): the
// shortest decimal that reads back as f.
func floatText(f float64) string {
	var buf [floatTextMax]byte
	return string(appendFloat(buf[:0], f))
}

// appendFloat appends the float text of f to b. From 2^53 on it has an
// exponent: its bare digits would be read back as an int64, or as no number
// that equals f.
func appendFloat(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0') // also negative zero
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1<<53 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	// strconv writes at least two digits of exponent: e-07 becomes e-7.
	if n := len(b); b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
