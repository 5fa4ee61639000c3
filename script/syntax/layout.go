package syntax

import "strings"

// formatter lays out the tokens and comments of a script. The tree tells it
// where lines begin, and what a token means where the token alone does not.
type formatter struct {
	src   string
	out   strings.Builder
	roles map[int32]role
	lines []line // those that are still to come

	prev, prev2 token // the last two tokens written
	assigned    bool  // the last token is the = of a let or an option
	endLine     int32 // source line on which the last token or comment ended
	depth       int   // of the present line
	brackets    int   // open ones
	// head tells that the last line is the head of a begin block.
	head bool
	// opening tells that nothing stands in the present block yet.
	opening bool
	// commented tells that a comment ends the present line.
	commented bool
}

// indentMax keeps the text of a deeply nested script in proportion.
const indentMax = 40

func (f *formatter) format() {
	sc := newScanner(f.src, &errorList{})
	sc.comments = true
	var list []token
	first := false // only semicolons stand before the next token on its line
	for {
		t := sc.next()
		if t.kind == tSemicolon {
			first = first || t.first
			continue
		}
		if first && !t.first {
			t.first = len(list) == 0 || list[len(list)-1].endLine < t.pos.Line
		}
		first = false
		list = append(list, t)
		if t.kind == tEOF {
			break
		}
	}
	after := 0 // the token after the comments at i
	for i := range list {
		switch t := &list[i]; t.kind {
		case tEOF:
			f.out.WriteByte('\n')
		case tComment:
			for after = max(after, i); list[after].kind == tComment; {
				after++
			}
			f.comment(t, &list[after])
		case tComma:
			// A comma before the bracket stays only at the end of a line.
			if n := &list[i+1]; n.kind != tRBracket && n.kind != tRBrace || n.first {
				f.token(t)
			}
		default:
			f.token(t)
			if f.roles[t.pos.Offset] == roleBare {
				f.bareReturn(list[i+1:])
			}
		}
	}
}

// bareReturn ends a return with a semicolon where the next token would be its
// operand.
func (f *formatter) bareReturn(rest []token) {
	for i := range rest {
		t := &rest[i]
		if t.kind == tComment {
			continue
		}
		if beginsOperand(t) {
			f.out.WriteByte(';')
		}
		return
	}
}

// comment writes the comment t; next is the first token after it.
func (f *formatter) comment(t, next *token) {
	switch {
	case !t.first:
		f.out.WriteByte(' ')
	case next.kind == tEOF:
		f.newLine(t, 0, false)
	case f.atLine(next):
		depth := f.lines[0].depth
		// It belongs to the block that ends here, or to the case to come.
		if f.lines[0].divides && next.soft != kCase {
			depth++
		}
		f.newLine(t, depth, false)
	default:
		f.breakLine(t)
	}
	f.out.WriteString(strings.TrimRight(f.src[t.pos.Offset:t.end], " \t\f\v"))
	f.commented = true
	f.endLine = t.endLine
}

// token writes the token t.
func (f *formatter) token(t *token) {
	text := f.text(t)
	switch {
	case f.atLine(t):
		l := f.lines[0]
		f.lines = f.lines[1:]
		f.newLine(t, l.depth, l.divides)
		f.depth = l.depth
		f.head = t.kind == kBegin
		if t.soft != tEOF {
			text = kindText[t.soft]
		}
	case f.commented || t.pos.Line > f.endLine && f.mayBreak(t):
		f.breakLine(t)
	case !f.tight(t):
		f.out.WriteByte(' ')
	}
	f.out.WriteString(text)
	f.commented = false
	f.endLine = t.endLine
	switch t.kind {
	case tLParen, tLBracket, tLBrace:
		f.brackets++
	case tRParen, tRBracket, tRBrace:
		f.brackets--
	}
	f.opening = t.kind == kThen || t.kind == kDo || t.kind == kElse || f.head
	f.assigned = t.kind == tAssign && f.assigns()
	f.prev, f.prev2 = *t, f.prev
}

// atLine reports whether the tree begins a line with t.
func (f *formatter) atLine(t *token) bool {
	return len(f.lines) > 0 && f.lines[0].offset == t.pos.Offset
}

// newLine begins the line of t, a token or a comment, at depth. One blank line
// stays, but not at the beginning or the end of a block.
func (f *formatter) newLine(t *token, depth int, divides bool) {
	if f.out.Len() > 0 {
		f.out.WriteByte('\n')
		if t.pos.Line-f.endLine > 1 && !f.opening && !divides {
			f.out.WriteByte('\n')
		}
		f.indent(depth)
	}
	f.opening = false
	f.commented = false
}

// breakLine goes on with a statement on the next line; t is its next token.
func (f *formatter) breakLine(t *token) {
	f.out.WriteByte('\n')
	deeper := f.brackets
	if t.kind == tRParen || t.kind == tRBracket || t.kind == tRBrace {
		deeper--
	}
	if f.brackets == 0 {
		deeper = 2 // unlike a block
	}
	f.indent(f.depth + deeper)
	f.commented = false
}

func (f *formatter) indent(depth int) {
	for range min(depth, indentMax) {
		f.out.WriteString("  ")
	}
}

// text returns t in its canonical spelling.
func (f *formatter) text(t *token) string {
	switch {
	case t.kind == tAssign && !f.assigns():
		return kindText[tEqEq]
	case f.roles[t.pos.Offset] == roleWord:
		return strings.ToLower(f.src[t.pos.Offset:t.end])
	case f.prev.kind == tDot && t.kind != tIdent:
		return f.src[t.pos.Offset:t.end]
	case kindText[t.kind] != "":
		return kindText[t.kind]
	case t.kind == tIdent && !t.quoted && f.prev.kind == kNot:
		if w := strings.ToLower(t.str); w == "deleted" || w == "extended" {
			return w
		}
	}
	return f.src[t.pos.Offset:t.end]
}

// mayBreak reports whether a line break before t may stay.
func (f *formatter) mayBreak(t *token) bool {
	switch {
	case t.kind == tComma || t.kind == tColon || t.kind == tDot || f.prev.kind == tDot || f.tightRole() || f.roles[t.pos.Offset] == roleIndex:
		return false
	case f.brackets > 0:
		return true
	}
	return !f.assigned && operators[f.prev.kind].prec > 0 || operators[t.kind].prec > 0 && !(t.kind == tAssign && f.assigns())
}

// tightRole reports whether nothing stands between the last token and what
// comes next, because of what it is.
func (f *formatter) tightRole() bool {
	switch f.roles[f.prev.pos.Offset] {
	case roleUnary, roleCall, roleIndex:
		return true
	}
	return false
}

// assigns reports whether an = after the last token assigns, and does not
// compare.
func (f *formatter) assigns() bool { return f.prev2.kind == kLet || f.head }

// tight reports whether t touches the token before it.
func (f *formatter) tight(t *token) bool {
	switch t.kind {
	case tRParen, tRBracket, tRBrace, tComma, tRange, tColon:
		return true
	case tDot:
		return f.prev.kind != tInt && f.prev.kind != tFloat // 1.a is no number
	case tAssign:
		return f.head
	case tLBracket:
		if f.roles[t.pos.Offset] == roleIndex {
			return true
		}
	}
	switch f.prev.kind {
	case tLParen, tLBracket, tLBrace, tRange, tDot:
		return true
	case tAssign:
		return f.head
	case tMinus, tBang:
		return f.roles[f.prev.pos.Offset] == roleUnary
	case tIdent:
		return f.roles[f.prev.pos.Offset] == roleCall && t.kind == tLParen
	}
	return false
}
