package script

import (
	"strings"
	"unicode/utf8"
)

// JSON returns v as JSON text, as to_json writes it (docs/language.md,
// "Texts"), and false when a text in it is not UTF-8: JSON has no such texts.
// The length is not bounded: see meter for the bound inside a script. Arrays and
// maps nested deeper than any script can make them are written as null.
func JSON(v Value) (text string, ok bool) {
	var b strings.Builder
	if writeJSON(&b, &v, 0, nil) != nil {
		return "", false
	}
	return b.String(), true
}

// jsonText is JSON for a run: its size is checked and charged before it is
// built.
func jsonText(v Value, m *meter) (string, *Error) {
	size, err := jsonSize(&v, 0, int64(m.limits.ValueBytes), m)
	if err != nil {
		return "", err
	}
	if err := m.makeString(size); err != nil {
		return "", err
	}
	m.read(int(size))
	var b strings.Builder
	b.Grow(int(size))
	if err := writeJSON(&b, &v, 0, m); err != nil {
		return "", err
	}
	return b.String(), nil
}

// jsonSize returns the length of v's JSON text, or the error of one that is
// longer than limit.
func jsonSize(v *Value, depth int, limit int64, m *meter) (int64, *Error) {
	var n int64
	var err *Error
	switch v.kind {
	case KindNull:
		n = int64(len("null"))
	case KindString:
		if n = int64(len(v.str)) + 2; n <= limit { // else it is not worth reading
			n, err = stringSize(v.str, m)
		}
	case KindArray, KindMap:
		n, err = nestedSize(v, depth, limit, m)
	default:
		n = int64(scalarSize(*v))
	}
	if err == nil && n > limit {
		err = m.valueLimit()
	}
	return n, err
}

// stringSize returns the length of a string in JSON.
func stringSize(s string, m *meter) (int64, *Error) {
	n := int64(2)
	err := m.pieces(s, func(p string) { n += escapedSize(p) })
	return n, err
}

func nestedSize(v *Value, depth int, limit int64, m *meter) (int64, *Error) {
	if depth == maxNesting {
		return int64(len("null")), nil
	}
	elems, err := m.elems(v)
	if err != nil {
		return 0, err
	}
	n := 2 + int64(max(len(elems)-1, 0))
	for i := range elems {
		if err := m.passed(pollBytes / pollParts); err != nil {
			return 0, err
		}
		if v.kind == KindMap {
			size, err := stringSize(v.compound().names[i], m)
			if err != nil {
				return 0, err
			}
			n += size + 1
		}
		if n > limit {
			return n, nil
		}
		size, err := jsonSize(&elems[i], depth+1, limit-n, m)
		if err != nil {
			return 0, err
		}
		n += size
	}
	return n, nil
}

func writeJSON(b *strings.Builder, v *Value, depth int, m *meter) *Error {
	switch v.kind {
	case KindNull:
		b.WriteString("null")
	case KindString:
		return writeString(b, v.str, m)
	case KindArray, KindMap:
		return writeNested(b, v, depth, m)
	default:
		writeScalar(b, *v)
	}
	return nil
}

// writeString writes a string. A text that is not UTF-8 has none.
func writeString(b *strings.Builder, s string, m *meter) *Error {
	bad := false
	b.WriteByte('"')
	err := m.pieces(s, func(p string) {
		bad = bad || !utf8.ValidString(p)
		writeEscaped(b, p)
	})
	b.WriteByte('"')
	if err == nil && bad {
		at := invalidAt(s)
		err = errf(CodeRange, "the text %s is not UTF-8, its byte %d is 0x%02x", quote(s), at, s[at]).
			hinted("JSON holds bytes as base64_encode(x)")
	}
	return err
}

func writeNested(b *strings.Builder, v *Value, depth int, m *meter) *Error {
	if depth == maxNesting {
		b.WriteString("null")
		return nil
	}
	elems, err := m.elems(v)
	if err != nil {
		return err
	}
	brackets := "[]"
	if v.kind == KindMap {
		brackets = "{}"
	}
	b.WriteByte(brackets[0])
	for i := range elems {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := m.passed(pollBytes / pollParts); err != nil {
			return err
		}
		if v.kind == KindMap {
			if err := writeString(b, v.compound().names[i], m); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := writeJSON(b, &elems[i], depth+1, m); err != nil {
			return err
		}
	}
	b.WriteByte(brackets[1])
	return nil
}

// escapedSize returns the number of bytes writeEscaped writes for s.
func escapedSize(s string) int64 {
	n := int64(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' && shortEscape[c] == 0:
			n += int64(len(`\u0000`)) - 1
		case c < ' ' || c == '"' || c == '\\':
			n++
		}
	}
	return n
}

// writeEscaped writes s as it stands inside a JSON string.
func writeEscaped(b *strings.Builder, s string) {
	done := 0 // s[:done] is written
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			b.WriteString(s[done:i])
			done = i + 1
			writeEscape(b, c)
		}
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
