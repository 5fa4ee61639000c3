package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted returns a value or key as it stands in a line. One that holds hidden
// characters or bytes that are not UTF-8 stands in double quotes, in which those,
// quotes and backslashes are escaped as the language has it. So does one that
// would otherwise look like such a text, like null or like the empty text
// (Invariant CON-1).
func quoted(s string) string {
	if !holdsHidden(s) && !isTaken(s) {
		return s
	}
	return `"` + escape(s, `"\`) + `"`
}

// isTaken reports whether s is what another text, null or the empty text is
// printed as.
func isTaken(s string) bool {
	if s == nullText || s == emptyText {
		return true
	}
	inner, opened := strings.CutPrefix(s, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	return opened && closed && (strings.Contains(inner, `\`) || isTaken(inner))
}

// inline escapes hidden characters in a message, which stands in one line.
func inline(s string) string { return escape(s, "") }

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

// holdsHidden reports whether s holds a hidden character, or a byte that is not
// UTF-8.
func holdsHidden(s string) bool {
	return !plain(s) && (!utf8.ValidString(s) || strings.ContainsFunc(s, hidden))
}

// escape writes bytes that are not UTF-8 as \xHH and hidden characters as the
// language's double quotes would, and a backslash in front of the characters
// of special.
func escape(s, special string) string {
	if plain(s) && (special == "" || !strings.ContainsAny(s, special)) {
		return s
	}
	var b strings.Builder
	for i, w := 0, 0; i < len(s); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			b.WriteString(escaped(r))
		case strings.ContainsRune(special, r):
			b.WriteString(`\` + s[i:i+w])
		default:
			b.WriteString(s[i : i+w])
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
