package syntax

import (
	"fmt"
	"strings"
)

// treatment is what is skipped after a word of another language.
type treatment uint8

const (
	skipWord     treatment = iota
	skipLine               // the rest of the line, up to an end or else
	skipBlock              // nothing, but there is a block up to an end
	skipHead               // the head of a block, which has one too
	skipFunction           // a name and parameters, and the block has one too
)

// elsewhere are words of other languages that begin a statement there and have
// no counterpart here: what to write instead, and what belongs to them.
var elsewhere = func() map[string]struct {
	hint string
	skip treatment
} {
	m := map[string]struct {
		hint string
		skip treatment
	}{}
	add := func(skip treatment, hint string, words ...string) {
		for _, w := range words {
			m[w] = struct {
				hint string
				skip treatment
			}{hint, skip}
		}
	}
	add(skipFunction, "a script defines no functions; there are only the built-in ones", "function", "func", "fn", "def", "defun", "sub", "procedure")
	add(skipBlock, "no error is caught inside a script: it undoes all of it", "try", "pcall")
	add(skipHead, "write 'if !(...) then'", "unless")
	add(skipWord, "a loop is written 'while ... do ... end'", "repeat", "loop")
	add(skipWord, "commands wait by themselves", "await")
	add(skipLine, "a script answers with 'return'", "print", "println", "printf", "echo", "puts", "console", "log")
	add(skipLine, "a script stands alone; there is nothing to import", "import", "require", "include", "use", "using")
	add(skipLine, "there is no SQL; a key is read with 'get', many with 'get by bucket' or 'scan by prefix'", "select", "where")
	add(skipLine, "keys are listed by 'get by bucket b', 'scan by prefix p' or 'scan by prefix \"\" limit 100'", "show", "list", "ls", "dir", "describe")
	add(skipLine, "there are no tables; 'set' makes a key", "create", "alter", "drop", "truncate")
	add(skipLine, "a script takes effect whole or not at all, without these words", "multi", "exec", "watch", "unwatch", "discard")
	add(skipLine, "write 'set k to_int(get k) + 1'", "incr", "incrby", "incrbyfloat")
	add(skipLine, "write 'set k to_int(get k) - 1'", "decr", "decrby")
	add(skipLine, "write 'set k v nx'", "setnx")
	add(skipLine, "write 'set k v ex 10s'", "setex", "psetex")
	add(skipLine, "write 'extend k 10s'", "pexpire", "expireat", "pexpireat", "touch")
	add(skipLine, "write 'extend k 0'", "persist")
	add(skipLine, "write 'return ttl(get k)'", "ttl", "pttl")
	add(skipLine, "write 'scan by prefix p', or 'scan by prefix \"\" limit 100' for the first keys of all; keys(m) gives the names in a map", "keys")
	add(skipLine, "one command reads or writes one key; a script has as many as it needs", "mset", "mget", "msetnx")
	add(skipLine, "write 'let old = get k set k v return old'", "getset", "getdel")
	add(skipLine, "a key holds one text; what has parts is several keys in a bucket, `h/field`, or JSON: from_json(get k)",
		"hset", "hget", "hgetall", "hdel", "hincrby", "hmset", "hmget", "lpush", "rpush", "lpop", "rpop", "lrange",
		"sadd", "srem", "smembers", "zadd", "zrem", "zrange", "xadd", "pop")
	add(skipLine, "write 'let a = append(a, x)' for an array; a list in the store is several keys in a bucket, `jobs/001`", "append", "push")
	add(skipLine, "write 'let a = sort(a)'", "sort")
	add(skipLine, "write 'return now()'", "now")
	add(skipLine, "write 'return random(100)'", "random", "rand")
	return m
}()

// follows are the words that go on what a word of elsewhere has begun.
var follows = map[string]bool{"catch": true, "except": true, "rescue": true, "finally": true, "until": true}

// notFromHere reports the next token, a name, if it is a word of another
// language that has no counterpart, and skips what belongs to it.
func (p *parser) notFromHere() bool {
	word := strings.ToLower(p.tok.str)
	at := p.tok.pos.Offset
	if p.abroad && follows[word] {
		p.next()
		p.skipLine(at)
		p.errs.gap(at, p.prev.end)
		return true
	}
	found, ok := elsewhere[word]
	if p.ahead.kind == tIdent && (word == "insert" && strings.EqualFold(p.ahead.str, "into") || word == "update" && p.afterNext() == kSet) {
		found, ok = elsewhere["create"], true
	}
	if !ok || found.skip == skipFunction && p.ahead.kind != tIdent && p.ahead.kind != tLParen {
		return false
	}
	p.slipped()
	p.unexpected("a statement", found.hint)
	p.abroad = true
	p.leaveAlone(found.skip)
	p.errs.gap(at, p.prev.end)
	return true
}

// leaveAlone skips the next token and what belongs to it.
func (p *parser) leaveAlone(how treatment) {
	at := p.tok.pos.Offset
	p.next()
	switch how {
	case skipWord:
		return
	case skipLine:
		p.skipLine(at)
		return
	case skipHead:
		for !p.tok.first && p.tok.kind != tEOF && p.tok.kind != kEnd && !p.opensAny() {
			p.next()
		}
	case skipFunction:
		p.signature()
	}
	p.faultyBlock()
}

// skipLine skips the rest of the line of which the part behind an offset is
// foreign, up to a word that ends a block. What was said about that part is
// taken back.
func (p *parser) skipLine(from int32) {
	for p.tok.kind != tEOF && !p.tok.first && p.tok.kind != kEnd && p.tok.kind != kElse {
		p.next()
	}
	p.errs.forget(from, p.tok.pos.Offset)
}

// signature skips the name and the parameters of a function, and what opens
// its body elsewhere.
func (p *parser) signature() {
	if p.tok.kind == tIdent {
		p.next()
	}
	if p.tok.kind != tLParen {
		return
	}
	for p.tok.kind != tEOF && p.tok.kind != kEnd && !(p.tok.first && p.canStart(0)) {
		if !p.take(tRParen) {
			p.next()
			continue
		}
		if p.tok.kind == tBad || p.tok.kind == tColon || p.tok.kind == tLBrace {
			p.errs.forget(p.tok.pos.Offset-1, p.tok.end)
			p.sc.braces = p.sc.braces || p.tok.kind == tLBrace
			p.next()
		}
		return
	}
}

// fits reports whether the next token, a misspelt word, may have been meant as
// the keyword k, judged by what follows it.
func (p *parser) fits(k kind) bool {
	a := p.ahead
	switch k {
	case kFor:
		third := p.afterNext()
		return a.kind == tIdent && (third == kIn || third == kOf)
	case kLet:
		third := p.afterNext()
		return a.kind == tIdent && (third == tAssign || third == tEqEq)
	case kEnd, kBreak, kContinue, kCommit, kRollback:
		return a.first || a.kind == tEOF || endsBlock(a.word()) || startsStatement(a.word())
	case kElse, kBegin:
		return true
	case kReturn:
		return a.first || a.kind == tEOF || beginsOperand(a)
	}
	if a.first {
		return false
	}
	if isCommand(k) {
		return a.kind == tIdent || a.kind == tString || a.kind == tPlaceholder || a.kind == tLParen || a.kind == kBy
	}
	return beginsOperand(a)
}

// afterNext returns the kind of the token behind the one ahead.
func (p *parser) afterNext() kind {
	sc := p.sc
	sc.errs, sc.buf = &errorList{}, nil
	return sc.next().kind
}

// colon takes a colon where a block is to open, and statements follow, for the
// word that is missing.
func (p *parser) colon(k kind, o *openBlock) bool {
	if p.tok.kind != tColon {
		return false
	}
	if a := p.ahead; !a.first && a.kind != tEOF && !startsStatement(a.word()) && a.kind != kThen && a.kind != kDo {
		return false
	}
	p.errs.forget(p.tok.pos.Offset-1, p.tok.end)
	p.errs.add(p.tok.pos, fmt.Sprintf("unexpected ':', expected '%s' for %s", kindText[k], o), "")
	p.next()
	p.take(k)
	return true
}
