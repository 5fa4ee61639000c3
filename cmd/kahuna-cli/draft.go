package main

import (
	"strings"

	"kahuna/script/syntax"
)

// draft is a script of which the last line may not be there yet.
//
// An empty line ends it unless a string, a bracket or a block is open: then
// the line belongs to that, in the shell and in a pipe alike. This holds even
// when the text so far has an error that no further line can mend. Would it
// end there, what is left of a block would run as scripts of their own,
// without the condition around it (Invariant CLI-5).
type draft struct {
	text    strings.Builder // cut where the compiler will refuse it
	nesting nesting
	inked   bool // the line so far holds more than space
}

// add appends a line, or a piece of a long one. ended tells that the line is
// there as a whole, empty that it holds but space.
func (d *draft) add(piece string) (ended, empty bool) {
	if d.text.Len() == 0 {
		piece = strings.TrimLeft(piece, "\r\n") // a script's lines count from its first
		if piece == "" {
			return true, true
		}
	}
	d.nesting.add(piece)
	d.text.WriteString(piece[:min(len(piece), sourceMax+1-d.text.Len())])
	d.inked = d.inked || strings.Trim(piece, " \t\f\v\r\n") != ""
	if last := piece[len(piece)-1]; last != '\n' && last != '\r' {
		return false, false
	}
	empty = !d.inked
	d.inked = false
	return true, empty
}

func (d *draft) String() string { return d.text.String() }

// open names the string, bracket or block that is open, "" when none is.
func (d *draft) open() string {
	what, sure := d.nesting.open()
	if what == "" || sure {
		return what
	}
	if _, errs := syntax.Parse(d.String(), syntax.Limits{}); len(errs) == 0 {
		return "" // what looked like the begin of a block is a name
	}
	return what
}

// operandMissing reports that the text ends behind a word or an operator that
// needs something after it.
func (d *draft) operandMissing() bool { return !syntax.Complete(d.String()) }
