package syntax

// Complete reports whether src, what a user has typed so far, is to be run:
// it is a script, or it has an error that no further line can mend, which is
// then better shown at once. It is false while a block, a parenthesis, a
// bracket or a string is open, and after a word or an operator that needs
// something behind it (let x =, set k).
//
// A text without any token is complete; that there is nothing to run is for
// the caller to see.
func Complete(src string) bool {
	p := newParser(Limits{})
	p.parse(src)
	errs := p.errs.sorted()
	if len(errs) == 0 {
		return true
	}
	for _, off := range p.errs.incomplete {
		if off == errs[0].Pos.Offset {
			return false
		}
	}
	return true
}
