package script

import (
	"strings"
	"testing"
)

// TestFrame: the caret stands under the first cell of the culprit, the n. What a
// terminal shows of the line before it is as wide as the padding of the caret.
func TestFrame(t *testing.T) {
	for _, c := range []struct {
		name, before string
		padding      string
	}{
		{"nothing", "", ""},
		{"ASCII", "let x = ", "        "},
		{"a tab", "\tlet\tx = ", "\t   \t    "},
		{"wide characters", "let s = \"名前\" ", "               "},
		{"an emoji", "'😀' + ", "       "},
		{"a family is one", "'👨‍👩‍👧‍👦' + ", "       "},
		{"a flag is one", "'🇯🇵' + ", "       "},
		{"skin", "'👍🏽' + ", "       "},
		{"a combining accent", "'e\u0301' + ", "      "},
		{"Hangul of letters", "'\u1112\u1161\u11ab' + ", "       "},
		{"Devanagari", "'é' + ", "      "},
		{"a tab behind wide ones", "名\t", "  \t"},
	} {
		source := c.before + "nope + 1"
		column := len([]rune(c.before)) + 1
		want := "head\n  3 | " + source + "\n    | " + c.padding + "^"
		if got := Frame("head", source, 3, column); got != want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, got, want)
		}
	}
	if got, want := Frame("head", "\x1b\u202ex", 1, 3), "head\n  1 |   x\n    |   ^"; got != want {
		t.Errorf("hidden characters: %q, want %q", got, want)
	}
	if got, want := Frame("head", "名", 1, 2), "head\n  1 | 名\n    |   ^"; got != want {
		t.Errorf("behind the end: %q, want %q", got, want)
	}
	if got, want := Frame("head", "e\u0301x", 1, 2), "head\n  1 | e\u0301x\n    | ^"; got != want {
		t.Errorf("inside a character: %q, want %q", got, want)
	}
}

// TestFrameOfLongLine: a long line is cut, and the caret still stands under the
// culprit.
func TestFrameOfLongLine(t *testing.T) {
	for _, unit := range []string{"x", "名", "e\u0301", "👨‍👩‍👧‍👦"} {
		for _, before := range []int{0, 3, 99, 100, 150, 1000} {
			for _, after := range []int{0, 50, 1000} {
				source := strings.Repeat(unit, before) + "@" + strings.Repeat(unit, after)
				column := before*len([]rune(unit)) + 1
				lines := strings.Split(Frame("head", source, 1, column), "\n")
				shown, caret := strings.TrimPrefix(lines[1], "  1 | "), strings.TrimPrefix(lines[2], "    | ")
				if n := len([]rune(shown)); n > excerptMax || !strings.Contains(source, shown) {
					t.Errorf("%s, %d before and %d after: %d code points", unit, before, after, n)
				}
				left, _, _ := strings.Cut(shown, "@")
				width := map[string]int{"x": 1, "名": 2, "e\u0301": 1, "👨‍👩‍👧‍👦": 2}[unit]
				if n := strings.Count(left, unit); left != strings.Repeat(unit, n) || len(caret)-1 != n*width {
					t.Errorf("%s, %d before and %d after: caret behind %d cells, want %d of %q", unit, before, after, len(caret)-1, n*width, left)
				}
			}
		}
	}
}
