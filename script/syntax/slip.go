package syntax

import (
	"fmt"
	"strings"
)

// What people write who know another language, or type in haste. Everything
// here concerns source that is wrong already: it decides what a diagnostic
// says and where parsing goes on, never what a correct script means.

// foreign are the words of other languages for statements of this one.
var foreign = map[string]kind{
	"elsif": kElseif, "elsf": kElseif,
	"endif": kEnd, "endfor": kEnd, "endwhile": kEnd, "endswitch": kEnd,
	"fi": kEnd, "done": kEnd, "od": kEnd, "esac": kEnd,
	"default": kElse, "otherwise": kElse, "when": kCase,
	"var": kLet, "const": kLet, "local": kLet, "dim": kLet,
	"foreach": kFor, "raise": kThrow, "abort": kRollback,
	"put": kSet, "update": kSet, "insert": kSet, "upsert": kSet,
	"remove": kDelete, "unset": kDelete, "expire": kExtend,
}

// statementWords are what a misspelt word at the beginning of a statement is
// compared with.
var statementWords = []string{
	"set", "eset", "get", "eget", "exists", "eexists", "delete", "edelete",
	"extend", "eextend", "scan", "escan", "let", "if", "for", "while",
	"switch", "case", "return", "throw", "assert", "sleep", "break",
	"continue", "commit", "rollback", "begin", "end", "else", "elseif",
}

var flagWords = []string{"nx", "xx", "cmp", "cmprev", "ex", "norev"}

// mend looks at a name where a statement should begin. When it is a keyword
// of another language or a misspelt one, it is reported and made the keyword.
func (p *parser) mend() {
	t := p.tok
	if t.kind != tIdent || t.soft != tEOF || t.quoted || len(t.str) > 2*keywordLenMax {
		return
	}
	if p.assigns() || p.ahead.kind == tLParen && len(t.str) < 5 {
		return
	}
	if k, ok := foreign[strings.ToLower(t.str)]; ok {
		p.slipped()
		p.unexpected("a statement", fmt.Sprintf("write '%s'", kindText[k]))
		p.become(k)
		return
	}
	word := Suggest(t.str, statementWords)
	if word == "" || (p.last == kSet || p.last == kESet) && Suggest(t.str, flagWords) != "" {
		return
	}
	p.slipped()
	p.unexpected("a statement", fmt.Sprintf("did you mean '%s'?", word))
	p.become(lookup(word))
}

// slipped doubts the statement before a slip that is known, unless a line
// parts them.
func (p *parser) slipped() {
	if !p.tok.first {
		p.doubt()
	}
}

// become makes the next token, a name, the keyword k.
func (p *parser) become(k kind) {
	if k >= kAssert {
		p.tok.soft = k
		return
	}
	p.tok.kind = k
}

// assigns reports whether the next token, a name, is followed by an
// assignment of any language.
func (p *parser) assigns() bool {
	switch p.ahead.kind {
	case tAssign, tEqEq:
		return true
	case tPlus, tMinus, tStar, tSlash, tPercent:
		return p.updates()
	}
	return false
}

// updates reports whether the token ahead, an operator, touches an =.
func (p *parser) updates() bool {
	end := int(p.ahead.end)
	return end < len(p.sc.src) && p.sc.src[end] == '='
}

// notStatement reports the next token, with which no statement begins.
func (p *parser) notStatement() {
	t := p.tok
	switch {
	case t.kind == tIdent && p.assigns():
		p.slipped()
		p.assignment()
	case t.kind == tIdent && p.ahead.kind == tLParen:
		p.slipped()
		p.unexpected("a statement", fmt.Sprintf("a call is no statement; write 'return %s(...)' or 'let x = %[1]s(...)'", shorten(p.text(t))))
		p.mended = p.call() != nil
	case t.kind == tSlash && (p.ahead.kind == tSlash || p.ahead.kind == tStar) && t.first,
		t.kind == tMinus && p.ahead.kind == tMinus && t.first:
		p.unexpected("a statement", "a comment begins with '#'")
		p.skipComment()
		p.mended = true
	default:
		p.doubt()
		p.unexpected("a statement", "")
	}
}

// assignment reports an assignment without let, and parses it.
func (p *parser) assignment() {
	name := p.text(p.tok)
	change := ""
	if p.ahead.kind != tAssign && p.ahead.kind != tEqEq {
		change = name + " " + kindText[p.ahead.kind] + " "
	}
	// The error comes first, for its place, and is completed when the value
	// is known.
	before := len(p.errs.list)
	p.unexpected("a statement", "")
	reported := len(p.errs.list) > before
	p.next()
	p.next()
	if change != "" {
		p.take(tAssign)
		p.take(tEqEq)
	}
	from := p.tok.pos.Offset
	x := p.argument()
	p.mended = x != nil
	value := "..."
	if x != nil && p.prev.end > from && p.prev.end-from <= textMax {
		if s := p.sc.src[from:p.prev.end]; shorten(s) == s {
			value = s
		}
	}
	if reported {
		p.errs.list[before].Hint = fmt.Sprintf("write let %s = %s%s", shorten(name), change, value)
	}
}

// skipComment skips the rest of the line after a sign that begins a comment
// elsewhere.
func (p *parser) skipComment() {
	line := p.tok.pos.Line
	if p.ahead.pos.Line == line && p.ahead.endLine == line && p.sc.line == line {
		p.sc.skipLine()
		p.sc.scan(p.ahead)
	}
	p.next()
}

// mendOperator makes the words and, or the operators they are elsewhere. No
// name can follow a complete operand.
func (p *parser) mendOperator() {
	t := p.tok
	if t.quoted || len(t.str) > 3 {
		return
	}
	switch strings.ToLower(t.str) {
	case "and":
		p.errs.add(t.pos, fmt.Sprintf("unexpected '%s'", t.str), "write '&&'")
		t.kind = tAndAnd
	case "or":
		p.errs.add(t.pos, fmt.Sprintf("unexpected '%s'", t.str), "write '||'")
		t.kind = tOrOr
	case "mod":
		p.errs.add(t.pos, fmt.Sprintf("unexpected '%s'", t.str), "write '%', or mod(a, b)")
		t.kind = tPercent
	case "is":
		p.errs.add(t.pos, fmt.Sprintf("unexpected '%s'", t.str), "write '=='")
		t.kind = tEqEq
	}
}

// noOperand reports the next token, with which no operand begins. A write
// command in the wrong place is parsed all the same.
func (p *parser) noOperand() Expr {
	t := p.tok
	switch {
	case isWrite(t.kind) && !t.first:
		p.unexpected("an expression", fmt.Sprintf("a write command inside an expression stands in parentheses: (%s ...)", kindText[t.kind]))
		return p.command(t.kind)
	case (t.kind == tSlash || t.kind == tStar) && p.prev.kind == tSlash && p.prev.end == t.pos.Offset:
		p.unexpected("an expression", "a comment begins with '#'")
		p.skipComment()
	default:
		p.unexpected("an expression", "")
	}
	return nil
}

// slip guesses what led to the next token, which is unexpected, from what
// stands around it.
func (p *parser) slip() string {
	t := p.tok
	switch {
	case p.softReturn > 0 && (p.prev.end == p.softReturn || t.end == p.softReturn):
		return "a variable named like a keyword is returned in parentheses"
	case p.prev.kind == tString && p.prev.endLine > p.prev.pos.Line:
		return fmt.Sprintf("the string that begins at line %d ends here: is a quote missing?", p.prev.pos.Line)
	case p.prev.end == p.guardEnd && p.prev.kind == kSet && t.kind != tEOF && !isKeyword(t):
		return "to negate a set command write not (set ...)"
	case t.kind == tPlaceholder && allDigits(t.str) && p.prev.kind != tPlaceholder && p.last != tEOF && isRead(p.last):
		return "write 'at " + shorten(t.str) + "' for a revision"
	case p.tok.kind == tSlash && isCommand(p.last), p.prev.kind == tSlash && t.kind == tSlash:
		return "a key with other characters than letters, digits and _ is written between backticks"
	case isCommand(p.last) && endsOperand(p.prev.kind) && (operators[t.kind].prec > 0 || t.kind == tLBracket || t.kind == tRange):
		return "as a statement a command stands alone; use its value with let or return"
	case t.kind == tIdent && !t.quoted && (p.last == kSet || p.last == kESet):
		if word := Suggest(t.str, flagWords); word != "" {
			return fmt.Sprintf("did you mean the flag '%s'?", word)
		}
	}
	return ""
}

func isKeyword(t *token) bool { return t.kind >= kAs && t.kind < kAssert }

// keyHint says how to write a key that is a keyword or a number.
func (p *parser) keyHint() string {
	t := p.tok
	switch t.kind {
	case tInt, tFloat:
		return fmt.Sprintf("write it in quotes: '%s'", shorten(p.text(t)))
	}
	return p.keywordHint()
}

// meantAsKey reports whether the next token, which is no key, must be meant as
// one, so that parsing can go on behind it.
func (p *parser) meantAsKey() bool {
	t := p.tok
	if t.first || t.kind != tInt && t.kind != tFloat && (!isKeyword(t) || t.kind == kThen || t.kind == kDo) {
		return false
	}
	switch p.ahead.kind {
	case tInt, tFloat, tString, tPlaceholder:
		return true
	}
	return false
}

// nameHint says what may be assigned.
func (p *parser) nameHint() string {
	switch p.tok.kind {
	case tPlaceholder:
		return "a parameter keeps its value"
	case tString:
		return "a name stands without quotes, or between backticks"
	}
	return p.keywordHint()
}

func (p *parser) keywordHint() string {
	t := p.tok
	if !isKeyword(t) || t.kind == kAt || t.first {
		return ""
	}
	word := p.text(t)
	return fmt.Sprintf("'%s' is a keyword; as a name it is written `%s`", word, word)
}
