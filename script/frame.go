package script

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// Frame shows head, and below it the source line with a caret under column,
// which counts code points. On a terminal the caret stands under the first cell
// of what the reader sees there: a character may be two cells wide, several may
// be one, and a tab goes to the next stop.
func Frame(head, source string, line, column int) string {
	if line == 0 {
		return head
	}
	source, column = excerpt(strings.Map(visible, source), column)
	no := fmt.Sprint(line)
	var b strings.Builder
	b.WriteString(head)
	fmt.Fprintf(&b, "\n  %s | %s\n  %s | ", no, source, strings.Repeat(" ", len(no)))
	passed := 0 // code points
	for g := uniseg.NewGraphemes(source); g.Next(); {
		if passed += len(g.Runes()); passed >= column {
			break
		}
		if g.Str() == "\t" {
			b.WriteByte('\t')
		} else {
			b.WriteString(strings.Repeat(" ", g.Width()))
		}
	}
	// Behind the end of the line, where something is missing.
	b.WriteString(strings.Repeat(" ", max(column-passed-1, 0)))
	b.WriteByte('^')
	return b.String()
}

// visible returns a space for a character that would move the cursor or reorder
// the line, instead of showing itself. A tab stays.
func visible(r rune) rune {
	if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029') {
		return ' '
	}
	return r
}

// excerptMax is how many code points of a source line Frame shows.
const excerptMax = 200

// excerpt cuts a long line to the part around column, between what a reader sees
// as characters.
func excerpt(source string, column int) (string, int) {
	runes := []rune(source)
	if len(runes) <= excerptMax {
		return source, column
	}
	least := min(max(0, column-1-excerptMax/2), len(runes)-excerptMax)
	from, to, passed := -1, 0, 0
	for g := uniseg.NewGraphemes(source); g.Next(); {
		next := passed + len(g.Runes())
		if from < 0 && (passed >= least || next >= column) {
			from = passed
		}
		if from >= 0 && next-from > excerptMax && to > 0 {
			break
		}
		passed = next
		if from >= 0 {
			to = next
		}
	}
	return string(runes[from:to]), column - from
}
