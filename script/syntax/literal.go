package syntax

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// number scans a number. A malformed one is reported at its first digit, and
// taken whole, so that its rest is not reported again.
func (s *scanner) number(t *token) {
	start := s.off
	t.kind = tInt
	if s.src[s.off] == '0' && s.peek(1)|0x20 == 'x' {
		s.hexadecimal(t, start)
		return
	}
	s.digits()
	if s.peek(0) == '.' && isDigit(s.peek(1)) {
		t.kind = tFloat
		s.off++
		s.digits()
	}
	if s.peek(0)|0x20 == 'e' && (isDigit(s.peek(1)) || isSign(s.peek(1)) && isDigit(s.peek(2))) {
		t.kind = tFloat
		s.off += 2
		s.digits()
	}
	digits := s.off
	for isWord(s.peek(0)) {
		s.off++
	}
	unit, known := units[s.src[digits:s.off]]
	switch {
	case !known || t.kind == tFloat && s.off > digits,
		s.peek(0) == '.' && s.peek(1) != '.':
		s.off = digits
		s.badNumber(t, start)
		return
	}
	t.str = s.src[start:s.off]
	if t.kind == tFloat {
		f, err := strconv.ParseFloat(t.str, 64)
		if err != nil {
			s.errs.misuse(t.pos, fmt.Sprintf("number %s is too large", shorten(t.str)), "")
		}
		t.num = math.Float64bits(f)
		return
	}
	n, err := strconv.ParseUint(s.src[start:digits], 10, 64)
	switch {
	case err == nil && n <= math.MaxInt64/unit:
		t.num = n * unit
	case err == nil && n == 1<<63 && s.off == digits:
		// Fine after a unary minus, which only the parser can see.
		t.num = n
	default:
		s.errs.misuse(t.pos, fmt.Sprintf("integer %s is too large", shorten(t.str)), "the largest is 9223372036854775807")
	}
}

// units are the units of a duration in milliseconds; without one an integer
// is itself. The map is only read.
var units = map[string]uint64{"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

func (s *scanner) hexadecimal(t *token, start int) {
	s.off += 2
	for isWord(s.peek(0)) {
		s.off++
	}
	t.str = s.src[start:s.off]
	if s.peek(0) == '.' && s.peek(1) != '.' {
		s.badNumber(t, start)
		return
	}
	n, err := strconv.ParseUint(t.str[2:], 16, 64)
	switch {
	case len(t.str) > 2 && allHex(t.str[2:]) && (err != nil || n > math.MaxInt64 || len(t.str) > 2+16):
		s.errs.misuse(t.pos, fmt.Sprintf("integer %s is too large", shorten(t.str)), "the largest is 0x7fffffffffffffff")
	case err != nil:
		s.badNumber(t, start)
	default:
		t.num = n
	}
}

func allHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if hexValue(s[i]) < 0 {
			return false
		}
	}
	return true
}

func (s *scanner) digits() {
	for isDigit(s.peek(0)) {
		s.off++
	}
}

// badNumber reports the malformed number that begins at start, and takes all
// that looks like part of it.
func (s *scanner) badNumber(t *token, start int) {
	t.kind = tInt
	for isWord(s.peek(0)) || s.peek(0) == '.' && s.peek(1) != '.' {
		s.off++
	}
	text := s.src[start:s.off]
	hint := ""
	switch last := text[len(text)-1]; {
	case text[0] == '.' && len(text) <= 20 && allDigits(text[1:]):
		hint = "write 0" + text
	case last == '.' && len(text) <= 20 && allDigits(text[:len(text)-1]):
		hint = "write " + text + "0"
	case text[0] == '0' && len(text) > 1 && text[1]|0x20 == 'x':
		hint = "a hexadecimal number is written like 0x1f"
	case last == 's' || last == 'm' || last == 'h' || last == 'd':
		hint = "a duration is a whole number with one unit: ms, s, m, h or d"
	}
	s.errs.misuse(t.pos, fmt.Sprintf("malformed number '%s'", shorten(text)), hint)
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// text scans a string. Its value is a piece of the source unless an escape
// changes it.
func (s *scanner) text(t *token, quote byte) {
	t.kind = tString
	s.off++
	from := s.off // of the part that is not yet in buf
	s.buf = s.buf[:0]
	decoded := false
	for s.off < len(s.src) {
		switch c := s.src[s.off]; {
		case c == quote:
			t.str = s.src[from:s.off]
			if decoded {
				s.buf = append(s.buf, t.str...)
				t.str = string(s.buf)
			}
			s.off++
			return
		case c == '\n' || c == '\r':
			s.newline()
		case c == '\\' && quote == '"':
			s.buf = append(s.buf, s.src[from:s.off]...)
			s.escape()
			from, decoded = s.off, true
		case c == '\\' && s.peek(1) == '\'':
			s.buf = append(s.buf, s.src[from:s.off]...)
			s.off += 2
			from, decoded = s.off-1, true
		case c == '\\' && s.peek(1) == '\\':
			s.off += 2
		default:
			if !utf8.RuneStart(c) {
				s.wide++
			}
			s.off++
		}
	}
	s.unclosed = true
	s.errs.gap(t.pos.Offset, int32(s.off))
	s.errs.unclosed = t.pos
	s.errs.addIncomplete(t.pos, "string is not closed", "")
}

// escape decodes one escape of a double-quoted string into buf. A malformed
// one is reported at its backslash.
func (s *scanner) escape() {
	pos := s.pos()
	start := s.off
	s.off++
	if s.off == len(s.src) {
		return // and the string is not closed
	}
	c := s.src[s.off]
	if v, ok := simpleEscape(c); ok {
		s.off++
		s.buf = append(s.buf, v)
		return
	}
	switch {
	case '0' <= c && c <= '7':
		n := 0
		for i := 0; i < 3 && '0' <= s.peek(0) && s.peek(0) <= '7'; i++ {
			n = n*8 + int(s.src[s.off]-'0')
			s.off++
		}
		if n > 0xff {
			s.badEscape(pos, start, "", "the largest octal escape is \\377")
			return
		}
		s.buf = append(s.buf, byte(n))
	case c == 'x':
		if n, ok := s.hex(start, pos, 2); ok {
			s.buf = append(s.buf, byte(n))
		}
	case c == 'u':
		n, ok := s.hex(start, pos, 4)
		if !ok {
			return
		}
		if utf16.IsSurrogate(n) {
			n = s.surrogates(start, pos, n)
		}
		s.buf = utf8.AppendRune(s.buf, n)
	case c == 'U':
		n, ok := s.hex(start, pos, 8)
		if !ok {
			return
		}
		if !utf8.ValidRune(n) {
			s.badEscape(pos, start, "", "it is no code point")
			return
		}
		s.buf = utf8.AppendRune(s.buf, n)
	case c == '\n' || c == '\r':
		s.errs.misuse(pos, "unknown escape '\\' before a line end", "write '\\\\' for a backslash")
	default:
		r, n := utf8.DecodeRuneInString(s.src[s.off:])
		s.off += n
		s.wide += n - 1
		s.errs.misuse(pos, fmt.Sprintf("unknown escape '\\%s'", printable(r)),
			"write '\\\\' for a backslash, or put the text in single quotes")
	}
}

func simpleEscape(c byte) (byte, bool) {
	switch c {
	case '"', '\'', '`', '\\':
		return c, true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'a':
		return '\a', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'v':
		return '\v', true
	}
	return 0, false
}

// hex reads the letter of an escape and exactly n hexadecimal digits.
func (s *scanner) hex(start int, pos Pos, n int) (rune, bool) {
	s.off++
	v := uint32(0)
	for i := 0; i < n; i++ {
		d := hexValue(s.peek(0))
		if d < 0 {
			s.badEscape(pos, start, "", fmt.Sprintf("it needs %d hexadecimal digits", n))
			return 0, false
		}
		v = v<<4 | uint32(d)
		s.off++
	}
	if v > utf8.MaxRune {
		s.badEscape(pos, start, "", "the largest code point is \\U0010ffff")
		return 0, false
	}
	return rune(v), true
}

// surrogates completes the surrogate pair that begins with hi.
func (s *scanner) surrogates(start int, pos Pos, hi rune) rune {
	if hi < 0xdc00 && s.peek(0) == '\\' && s.peek(1) == 'u' {
		lo := rune(0)
		for i := 2; i < 6; i++ {
			d := hexValue(s.peek(i))
			if d < 0 {
				lo = 0
				break
			}
			lo = lo<<4 | rune(d)
		}
		if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
			s.off += 6
			return r
		}
	}
	s.badEscape(pos, start, "lone surrogate", "two \\u escapes make one character above ffff")
	return utf8.RuneError
}

func (s *scanner) badEscape(pos Pos, start int, what, hint string) {
	if what == "" {
		what = "malformed escape"
	}
	s.errs.misuse(pos, fmt.Sprintf("%s '%s'", what, shorten(s.src[start:s.off])), hint)
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func isSign(c byte) bool { return c == '+' || c == '-' }
