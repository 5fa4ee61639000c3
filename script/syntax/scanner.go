package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// scanner cuts valid UTF-8 into tokens. It reports what is no token and goes
// on: a malformed number is a number, a malformed string a string, and what
// could be nothing is a tBad.
type scanner struct {
	src  string
	errs *errorList
	off  int // next byte

	line      int32
	lineStart int // offset of the line's first byte
	// wide counts the bytes of the line before off that begin no character,
	// so that a column is a subtraction.
	wide int
	// used tells whether a token stands on the line already.
	used bool
	// comments makes comments tokens.
	comments bool
	// unclosed tells that a string runs to the end of the source. What is
	// missing after it is of no interest.
	unclosed bool
	// braces tells that blocks are written with braces; which end belongs to
	// which block can not be told then.
	braces bool
	// choice tells that a ? was reported, which makes a : understandable.
	choice bool
	// odd is the last line on which a character was reported, and of which
	// making it was.
	odd struct {
		line int32
		hint string
	}
	buf []byte // of the string being decoded
}

func newScanner(src string, errs *errorList) scanner {
	return scanner{src: src, errs: errs, line: 1}
}

func (s *scanner) pos() Pos {
	return Pos{Offset: int32(s.off), Line: s.line, Column: int32(s.off - s.lineStart - s.wide + 1)}
}

// peek returns the byte n after the next one, 0 after the end.
func (s *scanner) peek(n int) byte {
	if s.off+n < len(s.src) {
		return s.src[s.off+n]
	}
	return 0
}

// newline skips one line end: LF, CR LF or CR.
func (s *scanner) newline() {
	if s.src[s.off] == '\r' && s.peek(1) == '\n' {
		s.off++
	}
	s.off++
	s.line++
	s.lineStart, s.wide = s.off, 0
}

// next returns the next token; after the last one tEOF, for ever.
func (s *scanner) next() token {
	var t token
	s.scan(&t)
	return t
}

// scan is next, into t.
func (s *scanner) scan(t *token) {
	for s.off < len(s.src) && !s.errs.stopped {
		switch c := s.src[s.off]; c {
		case '\n', '\r':
			s.newline()
			s.used = false
		case ' ', '\t', '\f', '\v':
			s.off++
		case '#':
			if !s.comments {
				s.skipLine()
				continue
			}
			*t = token{kind: tComment, first: !s.used, pos: s.pos(), endLine: s.line}
			s.skipLine()
			t.end = int32(s.off)
			return
		default:
			*t = token{first: !s.used, pos: s.pos()}
			s.used = true
			before := len(s.errs.list)
			s.token(t, c)
			t.end, t.endLine = int32(s.off), s.line
			t.faulty = len(s.errs.list) > before
			return
		}
	}
	p := s.pos()
	*t = token{kind: tEOF, pos: p, end: p.Offset, endLine: p.Line, first: !s.used}
}

// skipLine goes to the end of the line.
func (s *scanner) skipLine() {
	if n := strings.IndexAny(s.src[s.off:], "\r\n"); n >= 0 {
		s.off += n
		return
	}
	// The end of the source has a column, other line ends have none.
	rest := s.src[s.off:]
	s.wide += len(rest) - utf8.RuneCountInString(rest)
	s.off = len(s.src)
}

// token scans the token that begins with c.
func (s *scanner) token(t *token, c byte) {
	switch {
	case isLetter(c):
		s.word(t)
	case isDigit(c):
		s.number(t)
	case c == '"' || c == '\'':
		s.text(t, c)
	case c == '`':
		s.quotedName(t)
	case c == '@':
		s.placeholder(t)
	case c == '.' && isDigit(s.peek(1)):
		s.badNumber(t, s.off)
	default:
		s.operator(t, c)
	}
}

func (s *scanner) word(t *token) {
	start := s.off
	for s.off < len(s.src) && isWord(s.src[s.off]) {
		s.off++
	}
	t.str = s.src[start:s.off]
	t.kind = lookup(t.str)
	if t.kind >= kAssert {
		t.kind, t.soft = tIdent, t.kind
	}
}

func (s *scanner) placeholder(t *token) {
	s.off++
	start := s.off
	for s.off < len(s.src) && isWord(s.src[s.off]) {
		s.off++
	}
	t.kind, t.str = tPlaceholder, s.src[start:s.off]
	if t.str == "" {
		t.kind = kAt
	}
}

func (s *scanner) quotedName(t *token) {
	t.kind, t.quoted = tIdent, true
	s.off++
	start := s.off
	for s.off < len(s.src) {
		switch c := s.src[s.off]; {
		case c == '`':
			t.str = s.src[start:s.off]
			s.off++
			if t.str == "" {
				s.errs.add(t.pos, "a name between backticks must not be empty", "")
				t.kind = tBad
			}
			return
		case c == '\n' || c == '\r':
			s.unclosedName(t)
			return
		case !utf8.RuneStart(c):
			s.wide++
		}
		s.off++
	}
	s.unclosedName(t)
}

func (s *scanner) unclosedName(t *token) {
	t.kind = tBad
	s.errs.add(t.pos, "name between backticks is not closed", "a name ends with a backtick on the same line")
}

// operator scans an operator, a bracket, or what can be no token.
func (s *scanner) operator(t *token, c byte) {
	d := s.peek(1)
	one := func(k kind) { t.kind = k; s.off++ }
	two := func(k kind) { t.kind = k; s.off += 2 }
	switch c {
	case '+':
		one(tPlus)
	case '-':
		one(tMinus)
	case '*':
		one(tStar)
	case '/':
		one(tSlash)
	case '%':
		one(tPercent)
	case '(':
		one(tLParen)
	case ')':
		one(tRParen)
	case '[':
		one(tLBracket)
	case ']':
		one(tRBracket)
	case ',':
		one(tComma)
	case ';':
		one(tSemicolon)
	case '{':
		one(tLBrace)
	case '}':
		one(tRBrace)
	case '=':
		if d == '=' {
			two(tEqEq)
			s.tooLong(t, "===", "==")
			return
		}
		one(tAssign)
	case '!':
		if d == '=' {
			two(tNotEq)
			s.tooLong(t, "!==", "!=")
			return
		}
		one(tBang)
	case '<':
		switch d {
		case '=':
			two(tLessEq)
		case '>':
			two(tNotEq)
		default:
			one(tLess)
		}
	case '>':
		if d == '=' {
			two(tGreaterEq)
			return
		}
		one(tGreater)
	case '&':
		if d == '&' {
			two(tAndAnd)
			return
		}
		s.unexpected(t, '&', "write '&&'")
		one(tAndAnd)
	case '|':
		if d == '|' {
			two(tOrOr)
			return
		}
		s.unexpected(t, '|', "write '||'")
		one(tOrOr)
	case '?':
		if d == '?' {
			two(tCoalesce)
			return
		}
		s.unexpected(t, '?', "a default for null is written with '??', a choice with if")
		s.choice = true
		one(tBad)
	case '.':
		if d == '.' {
			two(tRange)
			return
		}
		one(tDot)
	case ':':
		if d == '=' {
			s.errs.add(t.pos, "unexpected character ':'", "write '='")
			two(tAssign)
			return
		}
		if s.choice {
			one(tBad)
			return
		}
		one(tColon)
	default:
		s.badRun(t)
	}
}

// tooLong mends an operator with one = too many.
func (s *scanner) tooLong(t *token, wrong, right string) {
	if s.peek(0) == '=' {
		s.off++
		s.errs.add(t.pos, "unexpected '"+wrong+"'", "write '"+right+"'")
	}
}

// unexpected reports the character r, unless another one of its making was
// reported on the line.
func (s *scanner) unexpected(t *token, r rune, hint string) {
	if hint != "" && s.odd.hint == hint && s.odd.line == s.line {
		s.errs.partial = true
		return
	}
	s.odd.line, s.odd.hint = s.line, hint
	s.errs.add(t.pos, fmt.Sprintf("unexpected character '%s'", printable(r)), hint)
}

// badRun skips characters that can begin no token. It reports the first of
// them: the others are of the same making.
func (s *scanner) badRun(t *token) {
	r, _ := utf8.DecodeRuneInString(s.src[s.off:])
	hint := ""
	switch r {
	case '~':
		if s.peek(1) == '=' {
			s.unexpected(t, r, "write '!='")
			t.kind = tNotEq
			s.off += 2
			return
		}
	case '$':
		if isLetter(s.peek(1)) {
			hint = "a parameter is written @name, a variable name"
		}
	case '“', '”', '„', '‘', '’':
		hint = "write a plain quote"
	case '–', '—', '−':
		hint = "write '-'"
	case '\u00a0', '\u200b', '\ufeff':
		hint = "it looks like white space and is none"
	}
	s.unexpected(t, r, hint)
	s.skipRun(t)
}

// skipRun makes a tBad of characters that can begin no token.
func (s *scanner) skipRun(t *token) {
	t.kind = tBad
	for s.off < len(s.src) {
		r, n := utf8.DecodeRuneInString(s.src[s.off:])
		if r < utf8.RuneSelf && !strings.ContainsRune("$^~\\\x7f", r) && (r >= ' ' || r >= '\t' && r <= '\r') {
			return
		}
		s.off += n
		s.wide += n - 1
	}
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) }
