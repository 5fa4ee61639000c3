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

var flagWords = []string{"nx", "xx", "cmp", "cmprev", "ex", "keepttl", "norev"}

// mend looks at a name where a statement should begin. When it is a keyword
// of another language or a misspelt one, it is reported and made the keyword.
//
// It returns true when the word was skipped instead.
func (p *parser) mend() bool {
	t := p.tok
	if t.kind != tIdent || t.soft != tEOF || t.quoted || len(t.str) > 2*keywordLenMax {
		return false
	}
	if p.assigns() || p.steps() {
		return false
	}
	if p.notFromHere() {
		return true
	}
	if p.ahead.kind == tLParen && len(t.str) < 5 {
		return false
	}
	if k, ok := foreign[strings.ToLower(t.str)]; ok {
		p.slipped()
		p.unexpected("a statement", fmt.Sprintf("write '%s'", kindText[k]))
		p.become(k)
		return false
	}
	word := Suggest(t.str, statementWords)
	if word == "" || (p.last == kSet || p.last == kESet) && Suggest(t.str, flagWords) != "" || !p.fits(lookup(word)) {
		return false
	}
	p.slipped()
	p.unexpected("a statement", fmt.Sprintf("did you mean '%s'?", word))
	p.become(lookup(word))
	return false
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

// steps reports whether the next token, a name, is followed by ++ or --.
func (p *parser) steps() bool {
	a := p.ahead
	return (a.kind == tPlus || a.kind == tMinus) && a.pos.Offset == p.tok.end &&
		int(a.end) < len(p.sc.src) && p.sc.src[a.end] == p.sc.src[a.pos.Offset]
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
		before := len(p.errs.list)
		p.assignment()
		p.headless(before)
	case t.kind == tIdent && p.steps():
		p.slipped()
		name := shorten(p.text(t))
		p.unexpected("a statement", fmt.Sprintf("write let %s = %[1]s %s 1", name, kindText[p.ahead.kind]))
		p.next()
		p.next()
		p.next()
		p.mended = true
	case t.kind == tIdent && p.ahead.kind == tLParen:
		p.slipped()
		p.unexpected("a statement", fmt.Sprintf("a call is no statement; write 'return %s(...)' or 'let x = %[1]s(...)'", shorten(p.text(t))))
		before := len(p.errs.list) - 1
		p.mended = p.expression() != nil && (p.tok.first || p.tok.kind == tEOF || p.canStart(0) || p.opensAny())
		p.headless(before)
	case t.kind == tSlash && (p.ahead.kind == tSlash || p.ahead.kind == tStar) && t.first,
		t.kind == tMinus && p.ahead.kind == tMinus && t.first:
		p.unexpected("a statement", "a comment begins with '#'")
		p.skipComment()
		p.mended = true
	case t.first && beginsOperand(t) && t.kind != tIdent:
		p.doubt()
		p.unexpected("a statement", "a value is no statement; write 'return ...' to see it")
	case t.kind != tIdent && !t.first && p.errs.onLine(t.pos):
		p.doubt() // it goes on, or closes, what was not understood
	case t.kind == tComma && p.last == kReturn:
		p.doubt()
		p.unexpected("a statement", "several values are returned as an array: return [a, b]")
	default:
		p.doubt()
		p.unexpected("a statement", "")
	}
}

// headless looks at what follows the faulty statement that was reported with
// the diagnostic of that number: before a then or do it was the head of a block,
// without its word.
func (p *parser) headless(number int) {
	if !p.mended || p.tok.first || p.tok.kind != kThen && p.tok.kind != kDo {
		return
	}
	p.mended = false
	if list := p.errs.list; number >= 0 && number < len(list) {
		list[number].Hint = "a block begins with if, elseif, case, while or for"
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
	p.errs.forget(p.ahead.pos.Offset-1, p.ahead.end) // of :=
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
		if p.ahead.kind == kNot {
			p.errs.add(t.pos, fmt.Sprintf("unexpected '%s'", t.str), "write '!='")
			p.next()
			p.tok.kind = tNotEq
			return
		}
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
	case (t.kind == tAssign || t.kind == tEqEq) && p.setting:
		p.errs.forget(t.pos.Offset-1, t.end) // of :=
		p.unexpected("an expression", "no '=' stands between key and value")
		p.next()
		return p.expression()
	case t.kind == tGreater && p.prev.kind == tAssign && p.prev.end == t.pos.Offset:
		p.unexpected("an expression", "'=>' means nothing; greater or equal is '>='")
	case t.kind == tLess && p.prev.kind == tAssign && p.prev.end == t.pos.Offset:
		p.unexpected("an expression", "'=<' means nothing; less or equal is '<='")
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
	case p.prev.kind == tString && p.prev.end == t.pos.Offset && !p.tok.first && t.kind != tRParen && t.kind != tRBracket && t.kind != tEOF:
		return p.quoteHint()
	case t.kind == tLParen && p.memberEnd > 0 && p.prev.end == p.memberEnd:
		return "a function is called by its name alone, without '.'"
	case t.kind == tColon || t.kind == tDot:
		return keyCharacters
	case t.kind == kAt && p.text(t) == "@":
		return "a parameter is written @name"
	case p.dash >= 0 && p.dash == p.before && !t.first, t.kind == tMinus && isCommand(p.last) && p.touches():
		return keyCharacters
	case p.prev.end == p.guardEnd && p.prev.kind == kSet && t.kind != tEOF && !isKeyword(t):
		return "to negate a set command write not (set ...)"
	case t.kind == tPlaceholder && allDigits(t.str) && p.prev.kind != tPlaceholder && p.last != tEOF && isRead(p.last):
		return "write 'at " + shorten(t.str) + "' for a revision"
	case p.tok.kind == tSlash && isCommand(p.last), p.prev.kind == tSlash && t.kind == tSlash:
		return keyCharacters
	case isCommand(p.last) && endsOperand(p.prev.kind) && (operators[t.kind].prec > 0 || t.kind == tLBracket || t.kind == tRange):
		return "as a statement a command stands alone; use its value with let or return"
	case t.kind == tIdent && !t.quoted && (p.last == kSet || p.last == kESet):
		if strings.EqualFold(t.str, "px") {
			return "'ex' takes milliseconds"
		}
		if word := Suggest(t.str, flagWords); word != "" {
			return fmt.Sprintf("did you mean the flag '%s'?", word)
		}
	}
	if p.before >= 0 && !t.first && beginsOperand(t) && (p.last == kSet || p.last == kESet) {
		return "behind the value of a set stand only flags: nx, xx, cmp, cmprev, ex, keepttl, norev"
	}
	return ""
}

const keyCharacters = "a key with other characters than letters, digits and _ is written in quotes or backticks"

// touches reports whether nothing stands between the next token and those on
// both sides of it.
func (p *parser) touches() bool {
	return p.prev.end == p.tok.pos.Offset && p.tok.end == p.ahead.pos.Offset
}

// quoteHint says how a quote stands in a text that seems to have ended at one.
func (p *parser) quoteHint() string {
	q := p.sc.src[p.prev.end-1 : p.prev.end]
	return fmt.Sprintf("the text ended at the quote before it; a quote inside is written \\%s", q)
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
	case tLParen:
		if p.last == kFor {
			return "write 'for i in 0..9 do'"
		}
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
