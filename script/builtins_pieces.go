package script

import (
	"strings"
	"unicode/utf8"
)

// Long texts are worked on in pieces, so that a run can be stopped, and others
// get the processor, in the middle of a function.

const (
	pollBytes = 16 << 10
	pollParts = 1024 // matches, or elements, between two polls
)

// piece cuts at most pollBytes off s, between two characters.
func piece(s string) (head, tail string) {
	if len(s) <= pollBytes {
		return s, ""
	}
	n := pollBytes
	for k := range utf8.UTFMax {
		if utf8.RuneStart(s[pollBytes-k]) {
			n -= k
			break
		}
	}
	return s[:n], s[n:]
}

// pieces calls f for s, piece by piece.
func (m *meter) pieces(s string, f func(piece string)) *Error {
	for {
		head, tail := piece(s)
		f(head)
		if err := m.passed(len(head)); err != nil || tail == "" {
			return err
		}
		s = tail
	}
}

// passed counts bytes that a function has worked on, and polls every pollBytes.
func (m *meter) passed(bytes int) *Error {
	if m == nil {
		return nil
	}
	if m.unpolled += bytes; m.unpolled < pollBytes {
		return nil
	}
	m.unpolled = 0
	return m.poll()
}

// index is strings.Index.
func (m *meter) index(s, t string) (int, *Error) {
	window := max(pollBytes, len(t))
	base := 0
	for len(s) > window+len(t) {
		if i := strings.Index(s[:window+len(t)-1], t); i >= 0 {
			return base + i, nil
		}
		if err := m.poll(); err != nil {
			return 0, err
		}
		s = s[window:]
		base += window
	}
	i := strings.Index(s, t)
	if i >= 0 {
		i += base
	}
	return i, nil
}

// cut calls part for what stands before, between and after the occurrences of
// sep in s.
func (m *meter) cut(s, sep string, part func(string)) *Error {
	for {
		i, err := m.index(s, sep)
		if err != nil {
			return err
		}
		if i < 0 {
			part(s)
			return nil
		}
		part(s[:i])
		s = s[i+len(sep):]
		if err := m.passed(i + len(sep) + pollBytes/pollParts); err != nil {
			return err
		}
	}
}

// count is strings.Count of a sep that is not empty.
func (m *meter) count(s, sep string) (n int, err *Error) {
	if len(sep) == 1 {
		err = m.pieces(s, func(p string) { n += strings.Count(p, sep) })
		return n, err
	}
	n = -1
	err = m.cut(s, sep, func(string) { n++ })
	return n, err
}

// chars returns the number of characters of s.
func (m *meter) chars(s string) (n int, err *Error) {
	err = m.pieces(s, func(p string) { n += utf8.RuneCountInString(p) })
	return n, err
}

// offset returns the byte offset of character n of s, as charOffset does.
func (m *meter) offset(s string, n int64) (offset int, ok bool, err *Error) {
	if n < 0 || n > int64(len(s)) {
		return 0, false, nil
	}
	for {
		head, tail := piece(s)
		if c := int64(utf8.RuneCountInString(head)); tail != "" && n > c {
			n -= c
			offset += len(head)
			s = tail
			if err := m.poll(); err != nil {
				return 0, false, err
			}
			continue
		}
		i, ok := charOffset(head, n)
		return offset + i, ok, nil
	}
}

// write appends s to b.
func (m *meter) write(b *strings.Builder, s string) *Error {
	return m.pieces(s, func(p string) { b.WriteString(p) })
}
