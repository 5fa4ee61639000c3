package syntax

import "fmt"

// script parses the whole source.
func (p *parser) script(src string) *Script {
	s := &Script{Source: src}
	p.semicolons()
	if p.tok.kind == tEOF && len(p.errs.list) == 0 {
		p.errs.add(Pos{Line: 1, Column: 1}, "empty script", "")
		return nil
	}
	if p.tok.kind == kBegin {
		s.Begin, s.Body = p.begin()
		p.semicolons()
		if p.tok.kind != tEOF {
			p.afterBegin(s.Begin)
		}
		return s
	}
	s.Body = p.list()
	if len(s.Body) == 1 && !p.errs.partial {
		switch s.Body[0].(type) {
		case *Commit:
			p.errs.misuse(s.Body[0].Position(), "nothing to commit", "a script commits by itself when it ends")
		case *Rollback:
			p.errs.misuse(s.Body[0].Position(), "nothing to commit",
				"a script is a transaction of its own; there is nothing before it to undo")
		}
	}
	return s
}

// begin parses a begin block.
func (p *parser) begin() (*Begin, []Stmt) {
	b := &Begin{Pos: p.tok.pos}
	o := p.openBlock(kBegin)
	p.next()
	if p.tok.kind == tLParen {
		p.next()
		b.Options = p.options()
	} else if p.tok.kind == tIdent && p.tok.soft == tEOF && (p.ahead.kind == tAssign || p.ahead.kind == tEqEq) {
		p.bareOptions()
	}
	body := p.block(o)
	b.End = p.end(o)
	return b, body
}

// afterBegin reports what stands after the end of a begin block. What it is
// no longer matters: it may not be there.
func (p *parser) afterBegin(b *Begin) {
	if p.tok.kind == kBegin {
		p.errs.add(p.tok.pos, "nested transactions are not supported", "a script has one begin block")
	} else if p.tok.kind != tBad {
		p.errs.add(p.tok.pos, fmt.Sprintf("unexpected %s after the end of the 'begin' at line %d", p.describe(p.tok), b.Pos.Line),
			"a begin block is the whole script")
	}
	p.stop()
}

// bareOptions reports options without their parentheses, and skips them.
func (p *parser) bareOptions() {
	at := p.tok.pos.Offset
	p.unexpected("a statement", fmt.Sprintf("options stand in parentheses: begin (%s=...)", shorten(p.text(p.tok))))
	for p.tok.kind == tIdent && p.ahead.kind == tAssign {
		p.option()
		p.take(tComma)
	}
	p.errs.gap(at, p.prev.end)
}

// options parses the options of a begin block after their parenthesis.
func (p *parser) options() []*Option {
	var list []*Option
	for {
		at := p.tok.pos.Offset
		o := p.option()
		if o == nil {
			p.syncOptions(at)
			return list
		}
		list = append(list, o)
		if p.take(tComma) {
			continue
		}
		if !p.take(tRParen) {
			p.unexpected("',' or ')'", "")
			p.syncOptions(at)
		}
		return list
	}
}

// syncOptions skips the rest of faulty options; the faulty one begins at an
// offset. A keyword inside them may be meant as a word.
func (p *parser) syncOptions(at int32) {
	for p.tok.kind != tEOF && p.tok.kind != kEnd && !(p.tok.first && p.canStart(0)) {
		if p.take(tRParen) {
			break
		}
		p.next()
	}
	p.errs.gap(at, p.prev.end)
}

func (p *parser) option() *Option {
	if p.tok.kind != tIdent {
		p.unexpected("the name of an option", "")
		return nil
	}
	o := &Option{Pos: p.tok.pos, Name: p.tok.str}
	p.next()
	if p.tok.kind == tEqEq {
		p.unexpected("'='", "")
	} else if p.tok.kind != tAssign {
		p.unexpected("'='", "")
		return nil
	}
	p.next()
	o.Value.Pos = p.tok.pos
	switch p.tok.kind {
	case tIdent:
		o.Value.Word = p.tok.str
		p.next()
		return o
	case tString, tPlaceholder, tInt, tFloat, kTrue, kFalse, kNull:
		o.Value.Expr = p.primary()
	case tMinus:
		o.Value.Expr = p.negative()
	default:
		p.unexpected("a word, a literal or a placeholder", "")
	}
	if o.Value.Expr == nil {
		return nil
	}
	return o
}

// negative parses a negative number as the value of an option.
func (p *parser) negative() Expr {
	pos := p.tok.pos
	p.next()
	switch t := *p.tok; t.kind {
	case tInt:
		if t.faulty {
			return nil
		}
		p.next()
		return &IntLit{Pos: pos, Value: -int64(t.num), Text: "-" + t.str}
	case tFloat:
		x := p.primary().(*FloatLit)
		return &FloatLit{Pos: pos, Value: -x.Value, Text: "-" + x.Text}
	}
	p.unexpected("a number", "")
	return nil
}

// statement parses one statement. It returns nil when it is faulty, with the
// next token somewhere inside it.
func (p *parser) statement() Stmt {
	pos := p.tok.pos
	k := p.tok.word()
	if !startsStatement(k) {
		p.notStatement()
		return nil
	}
	p.statements++
	if p.statements > p.limits.Statements {
		p.errs.limit(pos, fmt.Sprintf("script has more than %d statements", p.limits.Statements), "Limits.Statements")
		p.stop()
		return nil
	}
	p.last = k
	switch k {
	case kLet:
		return p.let()
	case kIf:
		return p.ifChain()
	case kSwitch:
		return p.switchCases()
	case kFor:
		return p.forLoop()
	case kWhile:
		return p.whileLoop()
	case kReturn:
		return p.returns()
	case kAssert:
		return p.assert()
	case kThrow:
		return p.throw()
	case kSleep:
		p.next()
		if x := p.expression(); x != nil {
			return &Sleep{Pos: pos, X: x}
		}
		return nil
	case kCommit:
		p.next()
		return &Commit{Pos: pos}
	case kRollback:
		p.next()
		return &Rollback{Pos: pos}
	case kBreak:
		p.inLoop()
		return &Break{Pos: pos}
	case kContinue:
		p.inLoop()
		return &Continue{Pos: pos}
	}
	x := p.command(k)
	if x == nil {
		return nil
	}
	return &CommandStmt{Command: x}
}

// inLoop parses a break or continue.
func (p *parser) inLoop() {
	if p.loops == 0 {
		hint := "it belongs between 'do' and 'end' of a for or while"
		if n := len(p.blocks); n > 0 && p.blocks[n-1].kind == kSwitch {
			hint = "a case ends by itself"
		}
		p.errs.misuse(p.tok.pos, fmt.Sprintf("'%s' outside a loop", p.text(p.tok)), hint)
	}
	p.next()
}

func (p *parser) let() Stmt {
	s := &Let{Pos: p.tok.pos}
	p.next()
	if !p.name(&s.Name, &s.NamePos) {
		return nil
	}
	if p.tok.kind == tEqEq {
		p.unexpected("'='", "")
	} else if p.tok.kind != tAssign {
		hint := ""
		if p.tok.kind == tEOF || p.tok.first {
			hint = "a variable begins with a value"
		}
		p.unexpected("'='", hint)
		return nil
	}
	p.next()
	s.X = p.argument()
	if s.X == nil {
		return nil
	}
	return s
}

// name parses the name of a variable that is assigned.
func (p *parser) name(name *string, pos *Pos) bool {
	if p.tok.kind != tIdent {
		p.unexpected("the name of a variable", p.nameHint())
		if !isKeyword(p.tok) || p.ahead.kind != tAssign {
			p.nameless = true
			return false
		}
	}
	*name, *pos = p.tok.str, p.tok.pos
	p.next()
	return true
}

func (p *parser) ifChain() Stmt {
	s := &If{}
	o := p.openBlock(kIf)
	for {
		b := Branch{Pos: p.tok.pos}
		head := &openBlock{word: p.text(p.tok), pos: p.tok.pos}
		p.next()
		b.Cond = p.expression()
		p.opens(kThen, head, b.Cond != nil)
		o.bare = o.bare || head.bare
		b.Body = p.block(o)
		s.Branches = append(s.Branches, b)
		if p.tok.word() != kElseif || p.errs.stopped {
			break
		}
	}
	s.HasElse, s.ElsePos, s.Else = p.elseBlock(o)
	s.End = p.end(o)
	return s
}

// elseBlock parses the else of an if or switch, where there is one.
func (p *parser) elseBlock(o *openBlock) (has bool, pos Pos, body []Stmt) {
	if p.tok.kind != kElse || o.inElse {
		return false, Pos{}, nil
	}
	pos = p.tok.pos
	p.next()
	o.inElse = true
	if p.tok.kind == kIf && p.tok.pos.Line == pos.Line {
		o.elseIf = pos
	}
	if o.kind == kIf && p.tok.kind == kThen {
		p.unexpected("a statement", "'else' has no 'then'")
		p.next()
	}
	return true, pos, p.block(o)
}

func (p *parser) switchCases() Stmt {
	s := &Switch{Pos: p.tok.pos}
	o := p.openBlock(kSwitch)
	p.next()
	s.X = p.expression()
	if s.X == nil {
		p.resume()
		p.errs.gap(s.Pos.Offset, p.prev.end)
	}
	if p.tok.soft != kCase {
		if s.X != nil {
			p.unexpected(fmt.Sprintf("'case' for %s", o), "")
		}
		// What follows is parsed for its own errors, as a case without values.
		if p.tok.kind != tEOF && p.tok.kind != kElse && p.tok.soft != kCase {
			c := Case{Pos: p.tok.pos}
			from := c.Pos.Offset
			p.sync()
			if p.tok.pos.Offset > from { // left over of the operand
				from = s.Pos.Offset
			}
			if p.tok.kind == kThen || p.tok.kind == kDo {
				p.next()
			}
			p.errs.gap(from, p.prev.end)
			c.Body = p.block(o)
			s.Cases = append(s.Cases, c)
		}
	}
	for p.tok.soft == kCase && !p.errs.stopped {
		s.Cases = append(s.Cases, p.switchCase(o))
	}
	s.HasElse, s.ElsePos, s.Else = p.elseBlock(o)
	s.End = p.end(o)
	return s
}

func (p *parser) switchCase(o *openBlock) Case {
	c := Case{Pos: p.tok.pos}
	head := &openBlock{word: p.text(p.tok), pos: p.tok.pos}
	p.next()
	for {
		x := p.expression()
		if x == nil {
			p.opens(kThen, head, false)
			break
		}
		c.Values = append(c.Values, x)
		if !p.take(tComma) {
			p.opens(kThen, head, true)
			break
		}
	}
	c.Body = p.block(o)
	return c
}

func (p *parser) forLoop() Stmt {
	s := &For{Pos: p.tok.pos}
	o := p.openBlock(kFor)
	p.next()
	if p.name(&s.Name, &s.NamePos) && (!p.take(tComma) || p.name(&s.Second, &s.SecondPos)) {
		switch p.tok.kind {
		case kIn:
			p.next()
			s.X = p.expression()
		case tAssign, kOf:
			hint := "write 'in'"
			if p.tok.kind == tAssign && p.afterNext() != tRange {
				hint = "write 'in', and from where to where as 1..9"
			}
			p.unexpected("'in'", hint)
			p.next()
			s.X = p.expression()
			if p.tok.kind == tComma || p.tok.kind == tIdent {
				s.X = nil // of "1, 9" and "1 to 9" only the 1 was understood
			}
		case tComma:
			p.unexpected("'in'", "a loop has one variable, or two")
		default:
			p.unexpected("'in'", "")
		}
	}
	p.opens(kDo, o, s.X != nil)
	p.loops++
	s.Body = p.block(o)
	p.loops--
	s.End = p.end(o)
	return s
}

func (p *parser) whileLoop() Stmt {
	s := &While{Pos: p.tok.pos}
	o := p.openBlock(kWhile)
	p.next()
	s.Cond = p.expression()
	p.opens(kDo, o, s.Cond != nil)
	p.loops++
	s.Body = p.block(o)
	p.loops--
	s.End = p.end(o)
	return s
}

func (p *parser) returns() Stmt {
	s := &Return{Pos: p.tok.pos}
	p.next()
	if !beginsOperand(p.tok) {
		if p.tok.soft != tEOF {
			p.softReturn = p.tok.end
		}
		return s
	}
	if p.tok.first {
		p.remarks = append(p.remarks, Remark{Pos: p.tok.pos, Kind: Returned, Text: p.text(p.tok)})
	}
	s.X = p.argument()
	if s.X == nil {
		return nil
	}
	return s
}

// beginsOperand reports whether t, after a return, begins its operand.
func beginsOperand(t *token) bool {
	switch k := t.kind; k {
	case tIdent:
		return t.soft == tEOF
	case tPlaceholder, tInt, tFloat, tString, kTrue, kFalse, kNull,
		tLParen, tLBracket, tLBrace, tMinus, tBang, kNot, kFound:
		return true
	default:
		return isCommand(k)
	}
}

func (p *parser) throw() Stmt {
	s := &Throw{Pos: p.tok.pos}
	p.next()
	if s.X = p.expression(); s.X == nil || !p.userCode(&s.Code) {
		return nil
	}
	return s
}

// userCode parses the code behind a message, where there is one.
func (p *parser) userCode(code *Expr) bool {
	if p.take(tComma) {
		*code = p.expression()
		return *code != nil
	}
	return true
}

func (p *parser) assert() Stmt {
	s := &Assert{Pos: p.tok.pos}
	p.next()
	s.Cond = p.expression()
	if s.Cond == nil {
		return nil
	}
	if !p.take(tComma) {
		p.unexpected("',' and a message", "")
		return nil
	}
	if s.Message = p.expression(); s.Message == nil || !p.userCode(&s.Code) {
		return nil
	}
	return s
}
