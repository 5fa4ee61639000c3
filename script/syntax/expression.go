package syntax

import (
	"fmt"
	"math"
	"strings"
)

// The precedences of binary operators, loosest first. The word not stands
// between && and equality; .. is looser than all.
const (
	precOr uint8 = iota + 1
	precAnd
	precNot
	precEquality
	precRelational
	precCoalesce
	precAdditive
	precMultiplicative
)

// operators tells what a token means between two operands.
var operators = [kindCount]struct {
	prec uint8
	op   Op
}{
	tOrOr:      {precOr, Or},
	tAndAnd:    {precAnd, And},
	tAssign:    {precEquality, Eq},
	tEqEq:      {precEquality, Eq},
	tNotEq:     {precEquality, NotEq},
	tLess:      {precRelational, Less},
	tLessEq:    {precRelational, LessEq},
	tGreater:   {precRelational, Greater},
	tGreaterEq: {precRelational, GreaterEq},
	tCoalesce:  {precCoalesce, Coalesce},
	tPlus:      {precAdditive, Plus},
	tMinus:     {precAdditive, Minus},
	tStar:      {precMultiplicative, Star},
	tSlash:     {precMultiplicative, Slash},
	tPercent:   {precMultiplicative, Percent},
}

// argument parses an expression where a write command may stand too.
func (p *parser) argument() Expr {
	if isWrite(p.tok.kind) {
		return p.command(p.tok.kind)
	}
	return p.expression()
}

func (p *parser) expression() Expr {
	x := p.binary(precOr)
	if x == nil || p.tok.kind != tRange {
		return x
	}
	r := &Range{Pos: p.tok.pos, X: x}
	p.next()
	if r.Y = p.binary(precOr); r.Y == nil {
		return nil
	}
	if p.tok.kind == tRange {
		p.errs.misuse(p.tok.pos, "unexpected '..', a range has two ends", "")
		p.next()
		if p.binary(precOr) == nil {
			return nil
		}
	}
	return r
}

// binary parses operands between operators of precedence least or tighter.
func (p *parser) binary(least uint8) Expr {
	var x Expr
	if p.tok.kind == kNot && least <= precNot && !p.atGuard() {
		x = p.prefix(Not, precEquality)
	} else {
		x = p.unary()
	}
	if x == nil {
		return nil
	}
	for {
		if p.tok.kind == tIdent {
			p.mendOperator()
		}
		o := operators[p.tok.kind]
		if o.prec < least || o.prec == 0 {
			return x
		}
		pos := p.tok.pos
		if o.op == Minus {
			p.continues()
		}
		if o.op == Coalesce {
			if x = p.coalesce(x); x == nil {
				return nil
			}
			continue
		}
		p.next()
		y := p.binary(o.prec + 1)
		if y == nil {
			return nil
		}
		if o.op == And || o.op == Or {
			x = &Logical{Pos: pos, Op: o.op, X: x, Y: y}
		} else {
			x = &Binary{Pos: pos, Op: o.op, X: x, Y: y}
		}
	}
}

// coalesce parses the rest of x ?? y ?? ... It groups to the right, but needs
// no recursion: the operands are collected first.
func (p *parser) coalesce(x Expr) Expr {
	chain := []*Logical{}
	last := x
	for p.tok.kind == tCoalesce {
		c := &Logical{Pos: p.tok.pos, Op: Coalesce, X: last}
		p.next()
		if last = p.binary(precAdditive); last == nil {
			return nil
		}
		chain = append(chain, c)
	}
	y := last
	for i := len(chain) - 1; i >= 0; i-- {
		chain[i].Y = y
		y = chain[i]
	}
	return y
}

// prefix parses the operator op, the next token, and its operand, which is
// made of operators of precedence least, or a unary if that is 0.
func (p *parser) prefix(op Op, least uint8) Expr {
	u := &Unary{Pos: p.tok.pos, Op: op}
	if !p.enter(u.Pos) {
		return nil
	}
	p.next()
	switch {
	case least == 0:
		u.X = p.unary()
	case p.tok.kind == kNot && !p.atGuard():
		u.X = p.prefix(Not, least)
	default:
		u.X = p.binary(least)
	}
	p.leave()
	if u.X == nil {
		return nil
	}
	return u
}

func (p *parser) unary() Expr {
	switch p.tok.kind {
	case tMinus:
		if p.ahead.kind == tInt && p.ahead.num == 1<<63 {
			return p.smallest()
		}
		return p.prefix(Minus, 0)
	case tBang:
		if !p.atGuard() {
			return p.prefix(Bang, 0)
		}
	case kNot:
		if !p.atGuard() {
			return p.prefix(Not, 0)
		}
	}
	return p.postfix()
}

// smallest parses - 9223372036854775808, the one number that needs its minus.
func (p *parser) smallest() Expr {
	minus := p.tok.pos
	p.next()
	t := *p.tok
	p.next()
	if p.tok.kind == tLBracket {
		// The bracket would bind tighter than the minus.
		p.tooLarge(&t)
		return nil
	}
	return &IntLit{Pos: minus, Value: math.MinInt64, Text: "-" + t.str}
}

func (p *parser) tooLarge(t *token) {
	p.errs.misuse(t.pos, fmt.Sprintf("integer %s is too large", t.str), "the largest is 9223372036854775807")
}

// atGuard reports whether the next token, a not or !, begins a guard.
func (p *parser) atGuard() bool {
	_, ok := p.guardKind()
	return ok
}

func (p *parser) guardKind() (GuardKind, bool) {
	switch a := p.ahead; a.kind {
	case kSet:
		return NotSet, true
	case kFound:
		return NotFound, true
	case tIdent:
		switch {
		case p.tok.kind != kNot || a.quoted:
		case strings.EqualFold(a.str, "deleted"):
			return NotDeleted, true
		case strings.EqualFold(a.str, "extended"):
			return NotExtended, true
		}
	}
	return 0, false
}

// postfix parses an operand and the indexes behind it.
func (p *parser) postfix() Expr {
	x := p.primary()
	for x != nil && (p.tok.kind == tLBracket || p.tok.kind == tDot) {
		i := &Index{Pos: p.tok.pos, X: x}
		if p.tok.kind == tDot {
			if i.Y = p.member(x); i.Y == nil {
				return nil
			}
			i.Dot = true
			x = i
			continue
		}
		p.continues()
		if !p.enter(i.Pos) {
			return nil
		}
		p.next()
		i.Y = p.expression()
		p.leave()
		if i.Y == nil || !p.closing(tRBracket, i.Pos) {
			return nil
		}
		x = i
	}
	return x
}

// member parses a dot behind x, and the name of a member.
func (p *parser) member(x Expr) Expr {
	if endsInName(x) {
		p.unexpected("the end of the key", keyCharacters)
		return nil
	}
	p.next()
	t := p.tok
	if t.kind != tIdent && !isKeyword(t) && t.kind != kCount && t.kind != kECount || p.text(t) == "@" {
		p.unexpected("the name of a member", "")
		return nil
	}
	name := &StringLit{Pos: t.pos, Value: p.text(t)}
	if t.quoted {
		name.Value = t.str
	}
	name.Text = quoteText(name.Value)
	p.memberEnd = t.end
	p.next()
	return name
}

// endsInName reports whether x is a command whose last word is a bare key.
func endsInName(x Expr) bool {
	switch x := x.(type) {
	case *Get:
		return x.Key.Kind == NameKey && x.At == nil && x.AsOf == nil
	case *Exists:
		return x.Key.Kind == NameKey && x.At == nil && x.AsOf == nil
	case *Multi:
		return x.Key.Kind == NameKey && x.AsOf == nil && x.Limit == nil && x.After == nil && !x.DescPos.IsValid()
	case *Count:
		return x.Key.Kind == NameKey && x.AsOf == nil
	}
	return false
}

// quoteText writes a name as a string literal.
func quoteText(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func (p *parser) primary() Expr {
	t := p.tok
	pos := t.pos
	var x Expr
	switch t.kind {
	case tInt:
		if t.num > math.MaxInt64 {
			p.tooLarge(t)
		}
		x = &IntLit{Pos: pos, Value: int64(t.num), Text: p.text(t)}
	case tFloat:
		x = &FloatLit{Pos: pos, Value: math.Float64frombits(t.num), Text: p.text(t)}
	case tString:
		x = &StringLit{Pos: pos, Value: t.str, Text: p.text(t)}
	case tPlaceholder:
		x = &Placeholder{Pos: pos, Name: t.str}
	case kTrue, kFalse:
		x = &BoolLit{Pos: pos, Value: t.kind == kTrue}
	case kNull:
		x = &NullLit{Pos: pos}
	case tIdent:
		if p.ahead.kind == tLParen {
			return p.call()
		}
		x = &Ident{Pos: pos, Name: t.str, Quoted: t.quoted}
	case tLBracket:
		return p.array()
	case tLBrace:
		return p.mapLit()
	case kFound:
		x = &Guard{Pos: pos, Kind: Found}
	case tLParen:
		return p.paren()
	case kNot, tBang:
		k, _ := p.guardKind()
		g := &Guard{Pos: pos, Bang: t.kind == tBang, Kind: k}
		p.next()
		p.guardEnd = p.tok.end
		x = g
	default:
		if isRead(t.kind) {
			return p.command(t.kind)
		}
		return p.noOperand()
	}
	p.next()
	return x
}

func (p *parser) paren() Expr {
	x := &Paren{Pos: p.tok.pos}
	if !p.enter(x.Pos) {
		return nil
	}
	p.next()
	x.X = p.argument()
	p.leave()
	if x.X == nil || !p.closing(tRParen, x.Pos) {
		return nil
	}
	return x
}

func (p *parser) call() Expr {
	x := &Call{Pos: p.tok.pos, Name: p.tok.str}
	p.next()
	open := p.tok.pos
	p.continues()
	faults := len(p.errs.list)
	if !p.enter(open) {
		return nil
	}
	p.next()
	ok := true
	if p.tok.kind != tRParen {
		x.Args, ok = p.arguments(tEOF)
	}
	if open.Line > x.Pos.Line || len(p.errs.list) > faults {
		p.errs.doubtfulCalls = append(p.errs.doubtfulCalls, Gap{x.Pos.Offset, open.Offset})
	}
	p.leave()
	if !ok || !p.closing(tRParen, open) {
		return nil
	}
	return x
}

func (p *parser) array() Expr {
	x := &ArrayLit{Pos: p.tok.pos}
	if !p.enter(x.Pos) {
		return nil
	}
	p.next()
	ok := true
	if p.tok.kind != tRBracket {
		x.Elems, ok = p.arguments(tRBracket)
	}
	p.leave()
	if !ok || !p.closing(tRBracket, x.Pos) {
		return nil
	}
	return x
}

func (p *parser) mapLit() Expr {
	x := &MapLit{Pos: p.tok.pos}
	if !p.enter(x.Pos) {
		return nil
	}
	p.next()
	ok := true
	for ok && p.tok.kind != tRBrace {
		if ok = p.mapMember(x); ok && !p.take(tComma) {
			break
		}
	}
	p.leave()
	if !ok || !p.closing(tRBrace, x.Pos) {
		return nil
	}
	return x
}

// mapMember parses one member of m.
func (p *parser) mapMember(m *MapLit) bool {
	var k Member
	switch t := p.tok; t.kind {
	case tString:
		k.Key = &StringLit{Pos: t.pos, Value: t.str, Text: p.text(t)}
		p.next()
	case tIdent:
		k.Key = &StringLit{Pos: t.pos, Value: t.str, Text: quoteText(t.str)}
		p.next()
	case tLParen:
		k.Key = p.paren()
	default:
		hint := ""
		if isKeyword(t) && p.ahead.kind == tColon {
			hint = fmt.Sprintf("'%s' is a keyword; as a name it is written \"%[1]s\"", p.text(t))
		}
		p.unexpected("the key of a member", hint)
	}
	if k.Key == nil {
		return false
	}
	if !p.take(tColon) {
		p.unexpected("':'", "a member is written key: value")
		return false
	}
	if k.Value = p.argument(); k.Value == nil {
		return false
	}
	m.Members = append(m.Members, k)
	return true
}

// arguments parses a list of arguments, after whose last comma may stand end.
func (p *parser) arguments(end kind) (list []Expr, ok bool) {
	for {
		x := p.argument()
		if x == nil {
			return nil, false
		}
		list = append(list, x)
		if !p.take(tComma) || p.tok.kind == end {
			return list, true
		}
	}
}

// closing parses the bracket k that closes the one at open.
func (p *parser) closing(k kind, open Pos) bool {
	if p.take(k) {
		return true
	}
	expected := "'" + kindText[k] + "'"
	if open.Line != p.tok.pos.Line {
		word := "("
		switch k {
		case tRBracket:
			word = "["
		case tRBrace:
			word = "{"
		}
		expected += fmt.Sprintf(" for the '%s' at line %d", word, open.Line)
	}
	p.unexpected(expected, "")
	return false
}
