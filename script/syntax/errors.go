package syntax

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const errorPrefix = "Syntax error: "

// errorList collects the diagnostics of one source for scanner and parser.
type errorList struct {
	list []Diagnostic
	// stopped ends parsing: a limit is exceeded, or there are enough errors.
	stopped bool
	// incomplete holds the offsets of those errors that more text could
	// mend: the script ends too early.
	incomplete []int32
	// partial tells that the form of the source is broken somewhere, so that
	// its tree is a guess.
	partial bool
	// unclosed is where a string begins that is not closed, if there is one.
	unclosed Pos
	gaps     []Gap
	// doubtfulCalls are the names of calls whose parenthesis is on a later
	// line, or whose arguments have an error. In a partial tree they are gaps:
	// a word may be missing between name and parenthesis, and the arguments may
	// not be those that were meant.
	doubtfulCalls []Gap
}

// add reports a syntax error, without its prefix, unless one stands at pos
// already: the second is a consequence of the first.
func (e *errorList) add(pos Pos, message, hint string) {
	e.partial = true
	e.misuse(pos, message, hint)
}

// misuse is add for an error in a source whose form is understood: the tree
// around it is what was meant.
func (e *errorList) misuse(pos Pos, message, hint string) {
	e.report(Diagnostic{Code: CodeSyntax, Pos: pos, Message: errorPrefix + message, Hint: hint})
}

func (e *errorList) report(d Diagnostic) {
	if e.stopped {
		return
	}
	for i := range e.list {
		if e.list[i].Pos.Offset == d.Pos.Offset {
			return
		}
	}
	e.list = append(e.list, d)
	e.stopped = len(e.list) >= errorsMax
}

// forget takes back what was reported between two offsets: it followed from
// something that is reported before them.
func (e *errorList) forget(after, before int32) {
	if e.stopped {
		return
	}
	e.list = slices.DeleteFunc(e.list, func(d Diagnostic) bool {
		return after < d.Pos.Offset && d.Pos.Offset < before
	})
}

// onLine reports whether something before pos was reported on its line.
func (e *errorList) onLine(pos Pos) bool {
	return slices.ContainsFunc(e.list, func(d Diagnostic) bool {
		return d.Pos.Line == pos.Line && d.Pos.Offset < pos.Offset
	})
}

// gap notes that the source between two offsets is not in the tree, or not as
// what it was meant to be.
func (e *errorList) gap(from, to int32) {
	e.partial = true
	if from < to {
		e.gaps = append(e.gaps, Gap{from, to})
	}
}

// limit reports that a limit is exceeded, and ends parsing.
func (e *errorList) limit(pos Pos, message, setting string) {
	e.partial = true
	e.report(Diagnostic{Code: CodeLimit, Pos: pos, Message: message, Hint: "the limit is " + setting})
	e.stopped = true
}

// addIncomplete is add for an error that more text could mend.
func (e *errorList) addIncomplete(pos Pos, message, hint string) {
	before := len(e.list)
	e.add(pos, message, hint)
	if len(e.list) > before {
		e.incomplete = append(e.incomplete, pos.Offset)
	}
}

// sorted returns the diagnostics in source order. The scanner is a token
// ahead of the parser, so they do not come in that order.
func (e *errorList) sorted() []Diagnostic {
	slices.SortStableFunc(e.list, func(a, b Diagnostic) int {
		return cmp.Compare(a.Pos.Offset, b.Pos.Offset)
	})
	// What is wrong before it on its line is most likely a quote that is
	// missing or too many, and the quote that begins it was to end another.
	for i := 1; i < len(e.list); i++ {
		if p := e.list[i].Pos; p == e.unclosed && e.list[i-1].Pos.Line == p.Line {
			e.list = slices.Delete(e.list, i, i+1)
		}
	}
	return e.list
}

// textMax is how many characters of the source a message quotes.
const textMax = 40

// shorten makes source text fit into a one-line message.
func shorten(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == textMax {
			b.WriteString("...")
			break
		}
		b.WriteString(printable(r))
		n++
	}
	return b.String()
}

// printable returns r as it may stand in a message.
func printable(r rune) string {
	if unicode.IsPrint(r) {
		return string(r)
	}
	q := strconv.QuoteRune(r)
	return q[1 : len(q)-1]
}
