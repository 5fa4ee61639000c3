package script

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// storeText returns the bytes that v is stored as (docs/language.md,
// "Values and types"). An array or map has none.
func storeText(v Value) (string, *Error) {
	if v.nested() {
		return "", errf(CodeType, "cannot store %s", article(v.kind)).hinted("use to_json()")
	}
	return scalarText(v), nil
}

// toStr converts v to text as to_str does (docs/language.md, "Conversions").
func toStr(v Value) (string, *Error) {
	if v.nested() {
		return "", cannotConvert(v, KindString).hinted("use to_json()")
	}
	return scalarText(v), nil
}

// scalarText returns the text of everything but an array. Of a null it is
// empty.
func scalarText(v Value) string {
	switch v.kind {
	case KindBool:
		return strconv.FormatBool(v.Bool())
	case KindInt:
		return strconv.FormatInt(v.integer(), 10)
	case KindFloat:
		return floatText(v.float())
	}
	return v.str
}

// scalarSize returns len(scalarText(v)) without allocating.
func scalarSize(v Value) int {
	if v.kind == KindString {
		return len(v.str)
	}
	var buf [floatTextMax]byte
	return len(appendScalar(buf[:0], v))
}

// appendScalar appends scalarText(v) to b.
func appendScalar(b []byte, v Value) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(b, v.Bool())
	case KindInt:
		return strconv.AppendInt(b, v.integer(), 10)
	case KindFloat:
		return appendFloat(b, v.float())
	}
	return append(b, v.str...)
}

// writeScalar writes scalarText(v) to b, allocating only what b grows by.
func writeScalar(b *strings.Builder, v Value) {
	if v.kind == KindString {
		b.WriteString(v.str)
		return
	}
	var buf [floatTextMax]byte
	b.Write(appendScalar(buf[:0], v))
}

// displayText returns v as a throw shows it (docs/language.md, "Ending a
// script"): null as "(null)", an array or map as JSON, which is bounded by m like that
// of to_json.
func displayText(v Value, m *meter) (string, *Error) {
	switch v.kind {
	case KindNull:
		return "(null)", nil
	case KindArray, KindMap:
		return jsonText(v, m)
	}
	return scalarText(v), nil
}

// article names a kind in a sentence.
func article(k Kind) string {
	if k == KindArray || k == KindInt {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// quotedChars is the number of characters of a string that a message shows.
const quotedChars = 40

// quote returns s as a message shows it: in double quotes, on one line, a
// text of more than 40 characters shortened to that many.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	short, cut := shorten(s)
	for !utf8.ValidString(short) {
		n := invalidAt(short)
		writeEscaped(&b, short[:n])
		fmt.Fprintf(&b, "\\x%02x", short[n])
		short = short[n+1:]
	}
	writeEscaped(&b, short)
	if cut {
		b.WriteString("...")
	}
	b.WriteByte('"')
	return b.String()
}

// invalidAt returns where the first byte of s stands that is not UTF-8, or -1.
func invalidAt(s string) int {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// shorten returns s, or its beginning and true when it is longer than a
// message may show.
func shorten(s string) (string, bool) {
	keep, n := 0, 0
	for i := range s {
		if n == quotedChars-3 {
			keep = i
		}
		if n == quotedChars {
			return s[:keep], true
		}
		n++
	}
	return s, false
}

// describe names v in a message: its type, and of a string what it says.
func describe(v Value) string {
	if v.kind == KindString {
		return "string " + quote(v.str)
	}
	return v.kind.String()
}

// describeExact is describe with the number of a float64, for messages in
// which the fraction is the fault.
func describeExact(v Value) string {
	if v.kind == KindFloat {
		return "float64 " + floatText(v.float())
	}
	return describe(v)
}

// cannotConvert is the error of a conversion that v has no value for.
func cannotConvert(v Value, to Kind) *Error {
	return errf(CodeType, "cannot convert %s to %s", describe(v), to)
}

// spells reports whether s is the lower case ASCII word, in any letter case.
func spells(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// charOffset returns the byte offset of character n of s, counted from 0,
// and false when s has fewer than n characters. An invalid byte is one
// character.
func charOffset(s string, n int64) (int, bool) {
	if n < 0 || n > int64(len(s)) {
		return 0, false
	}
	i := 0
	for ; n > 0; n-- {
		if i == len(s) {
			return 0, false
		}
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i, true
}
