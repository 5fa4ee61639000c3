package main

import (
	"regexp"
	"slices"
	"strings"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// token matches what has a color: a comment, a text, a quoted key, a parameter, a
// word, a number.
var token = regexp.MustCompile("(#[^\n]*)|(\"(?:\\\\.|[^\"\\\\])*\"?|'(?:\\\\.|[^'\\\\])*'?)|(`[^`\n]*`?)|(@\\w*)|([A-Za-z_]\\w*)|(\\d[\\w.]*)")

// The colors of comments, texts, quoted keys, parameters, keywords, functions and
// numbers, of the sixteen that every terminal has.
var colors = [...]string{"\x1b[90m", "\x1b[32m", "\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[33m", "\x1b[36m"}

const colorOff = "\x1b[0m"

// roomBelow scrolls until two lines are free below the cursor, and comes back to
// it. The library clears the line below what is typed, and would miss it at the
// bottom of the screen: it asks the terminal where it is, which loses what is typed
// ahead, or does not know.
const roomBelow = "\x1bD\x1bD\x1b[2A"

// highlighter returns the function that colors a script as it is typed, and makes
// room below it.
func highlighter(plain bool) func([]rune) string {
	if plain {
		return func(line []rune) string { return string(line) + roomBelow }
	}
	keywords := syntax.Keywords()
	return func(line []rune) string {
		text := string(line)
		var b strings.Builder
		end := 0
		for _, m := range token.FindAllStringSubmatchIndex(text, -1) {
			b.WriteString(text[end:m[0]])
			end = m[1]
			color := colorOf(m, text, keywords)
			if color == "" {
				b.WriteString(text[m[0]:end])
				continue
			}
			// Each line by itself: the editor moves between lines.
			b.WriteString(color + strings.ReplaceAll(text[m[0]:end], "\n", colorOff+"\n"+color) + colorOff)
		}
		return b.String() + text[end:] + roomBelow
	}
}

// colorOf is the color of a match of token.
func colorOf(m []int, text string, keywords []string) string {
	switch {
	case m[2] >= 0:
		return colors[0]
	case m[4] >= 0:
		return colors[1]
	case m[6] >= 0:
		return colors[2]
	case m[8] >= 0:
		return colors[3]
	case m[12] >= 0:
		return colors[6]
	}
	word := strings.ToLower(text[m[0]:m[1]])
	if _, known := check.Lookup(word); known && strings.HasPrefix(text[m[1]:], "(") {
		return colors[5]
	}
	if slices.Contains(keywords, word) {
		return colors[4]
	}
	return ""
}
