package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// multiline escapes all that is not plain text but leaves line ends (LF, and
// CR before LF) as they are: a value of several lines is shown as such.
func multiline(s string) string {
	return escape(s, func(i int) bool {
		return s[i] == '\n' || s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n'
	})
}

// inline escapes line ends too: for keys and warnings, one to a line.
func inline(s string) string {
	return escape(s, func(int) bool { return false })
}

// framed is for text with a source line and a caret below it: tabs stay, so
// that the caret still stands where it should, and every other control
// character becomes one space.
func framed(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i, w := 0, 0; i < len(s); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError && w == 1:
			b.WriteRune(utf8.RuneError)
		case hidden(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plain reports whether s is printable ASCII, which is the usual case.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// hidden reports whether r would move the cursor, break the line or reorder it
// instead of showing itself: a control character, a line separator, or a mark
// or override of direction.
func hidden(r rune) bool {
	switch {
	case r == '\u061c', r == '\u200e', r == '\u200f', r >= '\u2028' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	}
	return unicode.IsControl(r)
}

// escape writes bytes that are not UTF-8 as \xHH and hidden characters as the
// language's double quotes would, except where asIs says of a byte offset
// that it may stand.
func escape(s string, asIs func(int) bool) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i, w := 0, 0; i < len(s); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !hidden(r) || asIs(i):
			b.WriteString(s[i : i+w])
		default:
			b.WriteString(escaped(r))
		}
	}
	return b.String()
}

func escaped(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\a':
		return `\a`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\v':
		return `\v`
	}
	if r < 0x80 {
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
