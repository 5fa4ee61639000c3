package script

import (
	"strings"
	"unicode/utf8"
)

// JSON returns v as JSON text, as to_json writes it (docs/language.md,
// "Texts"). The text is not bounded: see meter for the bound inside a script.
// Arrays nested deeper than any script can make them are written as null.
func JSON(v Value) string {
	var b strings.Builder
	_ = writeJSON(&b, v, 0, nil)
	return b.String()
}

// jsonText is JSON for a run: its size is checked and charged before it is
// built.
func jsonText(v Value, m *meter) (string, *Error) {
	size, ok := jsonSize(v, 0, int64(m.limits.ValueBytes), m)
	if !ok {
		if err := m.poll(); err != nil {
			return "", err
		}
		return "", m.valueLimit()
	}
	if err := m.makeString(size); err != nil {
		return "", err
	}
	m.read(int(size))
	var b strings.Builder
	b.Grow(int(size))
	if err := writeJSON(&b, v, 0, m); err != nil {
		return "", err
	}
	return b.String(), nil
}

// jsonSize returns the length of v's JSON text, or false as soon as it is
// known to exceed limit, or m says to stop.
func jsonSize(v Value, depth int, limit int64, m *meter) (int64, bool) {
	var n int64
	switch v.kind {
	case KindNull:
		n = int64(len("null"))
	case KindString:
		n = int64(len(v.str)) + 2
		if n <= limit { // else it is not worth reading
			n = 2
			if m.pieces(v.str, func(p string) { n += escapedSize(p) }) != nil {
				return 0, false
			}
		}
	case KindArray:
		if depth == maxNesting {
			n = int64(len("null"))
			break
		}
		elems := v.Elems()
		n = 2 + int64(max(len(elems)-1, 0))
		for _, e := range elems {
			if m.passed(pollBytes/pollParts) != nil {
				return 0, false
			}
			size, ok := jsonSize(e, depth+1, limit-n, m)
			if !ok {
				return 0, false
			}
			n += size
		}
	default:
		n = int64(scalarSize(v))
	}
	return n, n <= limit
}

func writeJSON(b *strings.Builder, v Value, depth int, m *meter) *Error {
	switch v.kind {
	case KindNull:
		b.WriteString("null")
	case KindString:
		b.WriteByte('"')
		if err := m.pieces(v.str, func(p string) { writeEscaped(b, p) }); err != nil {
			return err
		}
		b.WriteByte('"')
	case KindArray:
		if depth == maxNesting {
			b.WriteString("null")
			return nil
		}
		b.WriteByte('[')
		for i, e := range v.Elems() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := m.passed(pollBytes / pollParts); err != nil {
				return err
			}
			if err := writeJSON(b, e, depth+1, m); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		writeScalar(b, v)
	}
	return nil
}

// escapedSize returns the number of bytes writeEscaped writes for s.
func escapedSize(s string) int64 {
	n := int64(len(s))
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				n += int64(len("\uFFFD")) - 1
			}
			i += size
			continue
		case c < ' ' && shortEscape[c] == 0:
			n += int64(len(`\u0000`)) - 1
		case c < ' ' || c == '"' || c == '\\':
			n++
		}
		i++
	}
	return n
}

// writeEscaped writes s as it stands inside a JSON string.
func writeEscaped(b *strings.Builder, s string) {
	done := 0 // s[:done] is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b.WriteString(s[done:i])
				b.WriteString("\uFFFD")
				done = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b.WriteString(s[done:i])
			done = i + 1
			writeEscape(b, c)
		}
		i++
	}
	b.WriteString(s[done:])
}

// shortEscape holds the letter of the two-character escapes.
var shortEscape = [' ']byte{'\n': 'n', '\t': 't', '\r': 'r', '\b': 'b', '\f': 'f'}

func writeEscape(b *strings.Builder, c byte) {
	const hex = "0123456789abcdef"
	b.WriteByte('\\')
	switch {
	case c >= ' ':
		b.WriteByte(c)
	case shortEscape[c] != 0:
		b.WriteByte(shortEscape[c])
	default:
		b.WriteString("u00")
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}
