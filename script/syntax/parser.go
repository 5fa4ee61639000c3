package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// byteOrderMark may stand before the source; positions do not count it.
const byteOrderMark = "\ufeff"

// Parse returns the tree of src, or all its syntax errors (Invariant SYN-1).
// A text longer than limits, with too many statements, or nested too deeply
// is refused with code "limit"; nothing after that place is looked at.
//
// Besides the grammar Parse checks what needs no names: flags and modifiers
// that contradict each other, empty key names, break and continue outside a
// loop, and scripts that do nothing.
func Parse(src string, limits Limits) (*Script, []Diagnostic) {
	s, diags := ParsePartial(src, limits)
	if len(diags) > 0 {
		return nil, diags
	}
	return s, nil
}

// ParsePartial is Parse for who wants to find what else is wrong with a faulty
// script: with diagnostics it still returns the tree of what was understood,
// which Script.Partial and Script.Gaps tell more about. Without a single
// statement that was looked at, the tree is empty; it is never nil.
//
// In a partial tree an expression that was not understood is nil, a variable
// that was not is named "", and a Case may be without values.
func ParsePartial(src string, limits Limits) (*Script, []Diagnostic) {
	p := newParser(limits)
	s := p.parse(src)
	if s == nil {
		s = &Script{Source: src}
	}
	s.Remarks = p.remarks
	if s.Partial = p.errs.partial; s.Partial {
		s.Nameless = p.nameless
		s.Gaps = append(p.errs.gaps, p.errs.doubtfulCalls...)
	}
	return s, p.errs.sorted()
}

// parser is a recursive-descent parser with one token of lookahead. A method
// that returns nil has met an error and has reported it, or has met the end
// of what is worth parsing.
type parser struct {
	limits Limits
	errs   errorList
	sc     scanner

	tok, ahead *token // both in buf, which is scanned into in turn
	buf        [2]token
	prev       lastToken

	depth      int // what Limits.Nesting bounds
	statements int
	loops      int
	blocks     []*openBlock
	last       kind  // the word that began the last statement
	before     int32 // offset of the statement right before the next token, see doubt
	run        int32 // offset of the first one on the line up to before
	guess      int32 // offset of the statement that may be none, see resume
	guardEnd   int32 // offset after the last guard
	softReturn int32 // offset after a soft keyword that follows a return
	memberEnd  int32 // offset after the last name behind a dot
	brackets   int   // open ones around the next token, braces included
	remarks    []Remark
	anyKey     bool  // the key that is parsed may be empty
	partFailed bool  // a limit or after has a faulty operand
	mended     bool  // the faulty statement was parsed to its end
	surplus    int   // how many ends may belong to blocks around, see end
	nameless   bool  // see Script.Nameless
	abroad     bool  // a word of another language was reported, see follows
	setting    bool  // the next token is the first of the value of a set
	dash       int32 // offset of the last set whose value a dash joins to its key
	// suspect is an end that closes a block of another indentation.
	suspect suspectEnd
}

func newParser(limits Limits) parser {
	return parser{limits: limits.withDefaults(), before: -1, guess: -1, dash: -1}
}

// lastToken is what is still of interest of the token before.
type lastToken struct {
	kind    kind
	pos     Pos
	end     int32
	endLine int32
}

func (p *parser) parse(src string) *Script {
	if len(src) > p.limits.SourceBytes {
		p.errs.limit(Pos{Line: 1, Column: 1},
			fmt.Sprintf("script is longer than %d bytes", p.limits.SourceBytes), "Limits.SourceBytes")
		return nil
	}
	src = strings.TrimPrefix(src, byteOrderMark)
	if !utf8.ValidString(src) {
		p.errs.add(invalidByte(src))
		return nil
	}
	p.sc = newScanner(src, &p.errs)
	p.tok, p.ahead = &p.buf[0], &p.buf[1]
	p.sc.scan(p.ahead)
	p.next()
	return p.script(src)
}

// invalidByte describes the first byte of src that is not UTF-8.
func invalidByte(src string) (pos Pos, message, hint string) {
	s := scanner{src: src, line: 1}
	for s.off < len(src) {
		if c := src[s.off]; c == '\n' || c == '\r' {
			s.newline()
			continue
		}
		r, n := utf8.DecodeRuneInString(src[s.off:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		s.off += n
		s.wide += n - 1
	}
	return s.pos(), fmt.Sprintf("byte 0x%02x is not UTF-8", src[s.off]), "a script is UTF-8 text; write other bytes in a string as \\xHH"
}

// next goes on to the next token.
func (p *parser) next() {
	p.prev = lastToken{kind: p.tok.kind, pos: p.tok.pos, end: p.tok.end, endLine: p.tok.endLine}
	switch p.tok.kind {
	case tLParen, tLBracket, tLBrace:
		p.brackets++
	case tRParen, tRBracket, tRBrace:
		p.brackets--
	}
	p.tok, p.ahead = p.ahead, p.tok
	p.sc.scan(p.ahead)
	switch p.tok.kind {
	case tLBrace, tRBrace:
		if p.sc.braces {
			p.tok.kind = tBad
		}
	case tIdent:
		if p.ahead.kind == kBy {
			p.tok.counts()
		}
	}
	if p.errs.stopped && p.tok.kind != tEOF {
		p.stop()
	}
}

// take skips the token of kind k, if that is the next one.
func (p *parser) take(k kind) bool {
	if p.tok.kind != k {
		return false
	}
	p.next()
	return true
}

// semicolons skips the semicolons that stand where a statement may begin.
func (p *parser) semicolons() {
	for p.tok.kind == tSemicolon {
		p.next()
	}
}

// continues notes that the next token, which begins a line, goes on with the
// expression of the line before, where that shows nowhere.
func (p *parser) continues() {
	if p.tok.first && p.brackets == 0 {
		p.remarks = append(p.remarks, Remark{Pos: p.tok.pos, Kind: Continued, Text: p.text(p.tok)})
	}
}

// text returns the source text of t.
func (p *parser) text(t *token) string { return p.sc.src[t.pos.Offset:t.end] }

// enter counts one more level of nesting, begun by the token at pos. When it
// returns false parsing is over.
func (p *parser) enter(pos Pos) bool {
	p.depth++
	if p.depth <= p.limits.Nesting {
		return true
	}
	p.depth--
	p.errs.limit(pos, fmt.Sprintf("nested deeper than %d", p.limits.Nesting), "Limits.Nesting")
	p.stop()
	return false
}

func (p *parser) leave() { p.depth-- }

// stop turns the rest of the source into its end.
func (p *parser) stop() {
	if p.tok.kind != tEOF {
		p.errs.gap(p.tok.pos.Offset, int32(len(p.sc.src)))
	}
	*p.tok = token{kind: tEOF, pos: p.tok.pos, end: p.tok.pos.Offset}
	*p.ahead = *p.tok
}

// describe names t in a message.
func (p *parser) describe(t *token) string {
	switch t.kind {
	case tEOF:
		return "end of script"
	case tString:
		return "string " + shorten(p.text(t))
	}
	return "'" + shorten(p.text(t)) + "'"
}

// unexpected reports that the next token is none of what was expected. A
// token the scanner has complained about is not reported again.
func (p *parser) unexpected(expected, hint string) {
	t := p.tok
	if t.kind == tBad || t.kind == tEOF && p.sc.unclosed {
		return
	}
	if p.prev.kind == tString && p.prev.endLine > p.prev.pos.Line {
		// A quote may be missing, and the string hold what is code.
		p.errs.gap(p.prev.pos.Offset, p.prev.end)
	}
	if t.kind == kBegin {
		p.nested(hint)
		return
	}
	if hint == "" {
		hint = p.slip()
	}
	message := fmt.Sprintf("unexpected %s, expected %s", p.describe(t), expected)
	if t.kind == tEOF {
		p.errs.addIncomplete(p.prevEnd(), message, hint)
		return
	}
	p.errs.add(t.pos, message, hint)
}

// doubt makes a gap of the statement that ends where the next token, which is
// unexpected, stands. It came out well formed, but need not be what was meant:
// without its set, "let x = set a (i) nx" is a call of a, and a stray nx. A
// bracket or comma that is left over belongs to any statement of the line.
func (p *parser) doubt() {
	if p.before < 0 {
		return
	}
	from := p.before
	switch p.tok.kind {
	case tRParen, tRBracket, tRBrace, tComma:
		from = p.run
	}
	p.errs.gap(from, p.prev.end)
}

// prevEnd returns the place right after the last token, where what is missing
// at the end of a script should stand.
func (p *parser) prevEnd() Pos {
	if p.prev.end == 0 {
		return Pos{Line: 1, Column: 1}
	}
	text := p.sc.src[p.prev.pos.Offset:p.prev.end]
	pos := Pos{Offset: p.prev.end, Line: p.prev.endLine, Column: p.prev.pos.Column}
	if n := strings.LastIndexAny(text, "\r\n"); n >= 0 && p.prev.endLine > p.prev.pos.Line {
		text = text[n+1:]
		pos.Column = 1
	}
	pos.Column += int32(utf8.RuneCountInString(text))
	return pos
}

// canStart reports whether the next token, found while looking for the end of
// a faulty statement, begins a statement or ends a block. Commands and soft
// keywords also occur inside expressions.
func (p *parser) canStart(parens int) bool {
	switch k := p.tok.word(); k {
	case kLet, kIf, kFor, kReturn, kThrow, kSleep, kCommit, kRollback, kBegin, kEnd, kElse:
		return true
	default:
		return (startsStatement(k) || endsBlock(k)) &&
			(p.tok.first || parens <= 0 && endsOperand(p.prev.kind))
	}
}

// sync skips the rest of a faulty statement. It stops at a then or do too,
// since a block begins there.
func (p *parser) sync() {
	parens := 0
	for p.tok.kind != tEOF && !p.canStart(parens) {
		switch p.tok.kind {
		case kThen, kDo:
			return
		case tSemicolon:
			if parens <= 0 {
				return
			}
		case tLParen, tLBracket, tLBrace:
			parens++
		case tRParen, tRBracket, tRBrace:
			parens--
		}
		p.next()
	}
}

// resume is sync where the next token is the one that was not expected. When
// the next statement begins with that very token, in the midst of a line, it
// may be none: in "if x || if a then" the second if stands for an exists.
func (p *parser) resume() {
	at := p.tok.pos.Offset
	p.sync()
	if p.tok.pos.Offset == at && !p.tok.first {
		p.guess = at
	}
}

// guessed makes a gap of what has just been parsed and begins at an offset, if
// it is what resume guessed.
func (p *parser) guessed(at int32) {
	if at == p.guess {
		p.errs.gap(at, p.prev.end)
	}
}
