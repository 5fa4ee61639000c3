package syntax

import "fmt"

// openBlock is a block that is being parsed: what its end belongs to.
type openBlock struct {
	kind kind   // kIf, kSwitch, kFor, kWhile, kBegin; tBad for a faulty one
	word string // of the source
	pos  Pos
	// first tells that the word is the first on its line, so that its column
	// is an indentation.
	first  bool
	inElse bool
	// elseIf is the place of an else whose block begins with an if on the
	// same line, which looks like an elseif.
	elseIf Pos
	// bare tells that the word that opens the block is missing: that its end
	// is too is of no interest.
	bare bool
}

// suspectEnd is the first end whose indentation is not that of its block.
type suspectEnd struct {
	line int32
	open *openBlock
}

// openBlock returns a block of kind k that the next token opens.
func (p *parser) openBlock(k kind) *openBlock {
	return &openBlock{kind: k, word: p.text(p.tok), pos: p.tok.pos, first: p.tok.first}
}

// accepts reports whether k ends o's block, or its present part.
func (o *openBlock) accepts(k kind) bool {
	switch k {
	case kElseif:
		return o.kind == kIf && !o.inElse || o.kind == tBad
	case kCase:
		return o.kind == kSwitch && !o.inElse || o.kind == tBad
	case kElse:
		return (o.kind == kIf || o.kind == kSwitch) && !o.inElse || o.kind == tBad
	}
	return k == kEnd
}

// block parses the statements of o up to the word that ends them, which it
// leaves. The block is one level of nesting.
func (p *parser) block(o *openBlock) []Stmt {
	if !p.enter(o.pos) {
		return nil
	}
	p.blocks = append(p.blocks, o)
	body := p.list()
	p.blocks = p.blocks[:len(p.blocks)-1]
	p.leave()
	return body
}

// list parses statements up to the end of the innermost block, or of the
// script.
func (p *parser) list() []Stmt {
	var list []Stmt
	p.before = -1
	for {
		if p.mend() {
			p.before = -1
			continue
		}
		if p.tok.kind == tSemicolon {
			p.semicolons()
			p.before = -1
			continue
		}
		p.brackets = 0
		k := p.tok.word()
		if p.tok.kind == tEOF {
			return list
		}
		if p.brace() {
			continue
		}
		if endsBlock(k) {
			if p.ends(k) {
				return list
			}
			continue
		}
		if k == kBegin {
			p.nested("")
			_, body := p.begin()
			list = append(list, body...)
			p.before = -1
			continue
		}
		at := p.tok.pos.Offset
		run := p.run
		if p.tok.first || p.before < 0 {
			run = at
		}
		s := p.statement()
		p.before = -1
		if s == nil {
			list = append(list, p.recover(at)...)
			continue
		}
		list = append(list, s)
		if p.prev.kind != kEnd { // the end of a block vouches for it
			p.before, p.run = at, run
			p.guessed(at)
		}
	}
}

// brace reports and skips a brace where a statement should begin: it is one of
// a block of another language.
func (p *parser) brace() bool {
	switch p.tok.kind {
	case tLBrace:
		if p.strayMap() {
			return true
		}
		p.errs.add(p.tok.pos, "unexpected '{'", "a block is written 'then ... end' or 'do ... end'")
	case tRBrace:
		if !p.tok.first && p.before >= 0 {
			p.doubt()
		}
		p.errs.add(p.tok.pos, "unexpected '}'", "a block ends with 'end'")
	default:
		return false
	}
	p.sc.braces = true
	p.errs.gap(p.tok.pos.Offset, p.tok.end)
	p.next()
	p.before = -1
	return true
}

// strayMap reports and skips a map where a statement should begin, behind
// another one on its line: what would make it an operand is missing.
func (p *parser) strayMap() bool {
	switch a := p.ahead; {
	case p.tok.first:
		return false
	case a.kind == tRBrace || a.kind == tLParen:
	case a.kind != tIdent && a.kind != tString || p.afterNext() != tColon:
		return false
	}
	at := p.tok.pos.Offset
	p.doubt()
	p.unexpected("a statement", "")
	p.mapLit()
	p.errs.gap(at, p.prev.end)
	p.before = -1
	return true
}

// nested reports a begin that is not the first token.
func (p *parser) nested(hint string) {
	if hint == "" {
		hint = "begin may only be the first word of a script"
	}
	p.errs.add(p.tok.pos, "nested transactions are not supported", hint)
}

// recover goes on after the faulty statement that begins at an offset, up to
// where the next one begins. It returns the statements of the block that the
// faulty one opened, if any: where they belong is not known, what they are is.
func (p *parser) recover(at int32) (body []Stmt) {
	if p.mended {
		p.mended = false
		p.errs.gap(at, p.prev.end)
		return nil
	}
	if p.tok.pos.Offset == at && !p.opensFaulty() {
		if len(p.blocks) > 0 && p.tok.first && (p.ahead.first || p.ahead.kind == tEOF) {
			p.surplus++ // it may stand for the end of a block
		}
		p.next()
		p.sync()
	} else {
		p.resume()
	}
	p.errs.gap(at, p.prev.end)
	if p.tok.kind == kThen || p.tok.kind == kDo {
		body = p.faultyBlock()
	}
	return body
}

// opensFaulty reports whether the next token is a then or do that was not
// expected and is not just written twice.
func (p *parser) opensFaulty() bool {
	switch p.prev.kind {
	case kThen, kDo, kElse:
		return false
	}
	return p.tok.kind == kThen || p.tok.kind == kDo
}

// faultyBlock parses a block whose head was not understood, so that its end
// is not taken for that of another.
func (p *parser) faultyBlock() (body []Stmt) {
	o := p.openBlock(tBad)
	p.loops++ // for all that is known it is one
	defer func() { p.loops-- }()
	for {
		switch p.tok.kind {
		case kThen, kDo, kElse:
			p.next()
		}
		body = append(body, p.block(o)...)
		switch p.tok.word() {
		case kElse:
		case kElseif, kCase:
			at := p.tok.pos.Offset
			p.next()
			p.sync()
			p.errs.gap(at, p.prev.end)
		default:
			if p.take(kEnd) {
				p.surplus++
			}
			return body
		}
	}
}

// ends reports whether k, the next word, ends the innermost block. When it
// does not, but ends one around it, an end is missing. When it ends none, it
// is reported and skipped.
func (p *parser) ends(k kind) bool {
	for i := len(p.blocks) - 1; i >= 0; i-- {
		o := p.blocks[i]
		if o.accepts(k) {
			if in := p.blocks[len(p.blocks)-1]; in != o {
				p.unexpected(fmt.Sprintf("'end' for %s", in), "")
			}
			return true
		}
	}
	if k != kEnd {
		p.doubt()
	}
	switch {
	case p.sc.braces:
	case k == kEnd:
		p.unexpected("a statement", "no block is open here")
	case len(p.blocks) > 0 && p.blocks[len(p.blocks)-1].inElse:
		p.unexpected("'end'", "'else' is the last part")
	default:
		p.unexpected("a statement", "")
	}
	at := p.tok.pos.Offset
	p.next()
	if k == kElseif || k == kCase {
		p.sync()
		p.take(kThen)
	}
	p.errs.gap(at, p.prev.end)
	p.before = -1
	return false
}

// String names o in a message.
func (o *openBlock) String() string { return fmt.Sprintf("the '%s' at line %d", o.word, o.pos.Line) }

// end parses the end of o and returns its place. One that is missing has been
// reported already, unless the script is over. Then it may be one that a faulty
// block has taken, or a word that was not understood.
func (p *parser) end(o *openBlock) Pos {
	pos := p.tok.pos
	if p.tok.kind == kEnd {
		if p.suspect.open == nil && p.tok.first && o.first && pos.Column != o.pos.Column {
			p.suspect = suspectEnd{line: pos.Line, open: o}
		}
		p.next()
		return pos
	}
	if p.tok.kind == tEOF && p.surplus > 0 {
		p.surplus--
		return pos
	}
	if p.tok.kind == tEOF && o.kind != tBad && !o.bare && !p.sc.braces {
		hint := ""
		switch s := p.suspect; {
		case o.elseIf.IsValid():
			hint = fmt.Sprintf("'else if' at line %d opens a block of its own, 'elseif' does not", o.elseIf.Line)
		case s.open != nil && s.open != o && s.open.pos.Line != s.line:
			hint = fmt.Sprintf("the 'end' at line %d closes %s", s.line, s.open)
		}
		p.unexpected(fmt.Sprintf("'end' for %s", o), hint)
	}
	return pos
}

// opens parses the then or do after the head of o. ok tells whether the head
// was understood; when it was not, the word is looked for. A head without its
// word is understood when it is alone on its line, else it is a gap: it may be
// something else, or less than was meant.
func (p *parser) opens(k kind, o *openBlock, ok bool) {
	if ok {
		p.guessed(o.pos.Offset)
		if p.take(k) {
			return
		}
		o.bare = true
		if p.tok.kind == tLBrace {
			p.errs.add(p.tok.pos, "unexpected '{'", "a block is written 'then ... end' or 'do ... end'")
			p.sc.braces = true
			p.errs.gap(p.tok.pos.Offset, p.tok.end)
			p.next()
			return
		}
		if p.colon(k, o) {
			return
		}
		hint := ""
		if p.opensAny() {
			hint = fmt.Sprintf("write '%s'", kindText[k])
		}
		p.unexpected(fmt.Sprintf("'%s' for %s", kindText[k], o), hint)
	}
	alone := p.tok.kind == tEOF || p.tok.first && p.canStart(0)
	if !ok || !p.opensAny() && !alone {
		p.resume()
		p.errs.gap(o.pos.Offset, p.prev.end)
	}
	if p.opensAny() {
		p.next()
	}
}

// opensAny reports whether a block of some kind begins behind the next token.
func (p *parser) opensAny() bool {
	return p.tok.kind == kThen || p.tok.kind == kDo || p.tok.kind == kBegin
}
