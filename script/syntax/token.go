package syntax

import (
	"slices"
	"strings"
)

// kind is the class of a token.
type kind uint8

// The tokens. tBad stands for source the scanner has reported already.
const (
	tEOF kind = iota
	tBad
	tComment
	tIdent
	tPlaceholder
	tInt
	tFloat
	tString

	tPlus
	tMinus
	tStar
	tSlash
	tPercent
	tAssign // =
	tEqEq
	tNotEq
	tLess
	tLessEq
	tGreater
	tGreaterEq
	tAndAnd
	tOrOr
	tBang
	tCoalesce
	tRange
	tLParen
	tRParen
	tLBracket
	tRBracket
	tComma
	tLBrace
	tRBrace
	tColon
	tDot
	tSemicolon

	kCount // count before by, which no name can be
	kECount

	kAs // the keywords, see kindText
	kAt
	kBegin
	kBucket
	kBy
	kCmp
	kCmpRev
	kCommit
	kDelete
	kDo
	kEDelete
	kEExists
	kEExtend
	kEGet
	kElse
	kEnd
	kEScan
	kESet
	kEx
	kExists
	kExtend
	kFalse
	kFor
	kFound
	kGet
	kIf
	kIn
	kLet
	kNoRev
	kNot
	kNull
	kNX
	kOf
	kPrefix
	kReturn
	kRollback
	kScan
	kSet
	kSleep
	kThen
	kThrow
	kTrue
	kXX

	kAssert // the soft keywords: identifiers, unless a statement may begin
	kBreak
	kCase
	kContinue
	kElseif
	kSwitch
	kWhile

	kindCount
)

// kindText is the canonical spelling of every token that has only one.
var kindText = [kindCount]string{
	tPlus: "+", tMinus: "-", tStar: "*", tSlash: "/", tPercent: "%",
	tAssign: "=", tEqEq: "==", tNotEq: "!=", tLess: "<", tLessEq: "<=",
	tGreater: ">", tGreaterEq: ">=", tAndAnd: "&&", tOrOr: "||", tBang: "!",
	tCoalesce: "??", tRange: "..", tLParen: "(", tRParen: ")",
	tLBracket: "[", tRBracket: "]", tComma: ",", tLBrace: "{", tRBrace: "}",
	tColon: ":", tDot: ".", tSemicolon: ";",

	kCount: "count", kECount: "ecount",

	kAs: "as", kAt: "at", kBegin: "begin", kBucket: "bucket", kBy: "by",
	kCmp: "cmp", kCmpRev: "cmprev", kCommit: "commit", kDelete: "delete",
	kDo: "do", kEDelete: "edelete", kEExists: "eexists", kEExtend: "eextend",
	kEGet: "eget", kElse: "else", kEnd: "end", kEScan: "escan", kESet: "eset",
	kEx: "ex", kExists: "exists", kExtend: "extend", kFalse: "false",
	kFor: "for", kFound: "found", kGet: "get", kIf: "if", kIn: "in",
	kLet: "let", kNoRev: "norev", kNot: "not", kNull: "null", kNX: "nx",
	kOf: "of", kPrefix: "prefix", kReturn: "return", kRollback: "rollback",
	kScan: "scan", kSet: "set", kSleep: "sleep", kThen: "then",
	kThrow: "throw", kTrue: "true", kXX: "xx",

	kAssert: "assert", kBreak: "break", kCase: "case", kContinue: "continue",
	kElseif: "elseif", kSwitch: "switch", kWhile: "while",
}

// keywordLenMax is the length of the longest keyword.
const keywordLenMax = 8

// keywords finds a keyword, hard or soft, by its lower-case spelling. It is
// only read.
var keywords = func() map[string]kind {
	m := map[string]kind{"del": kDelete, "edel": kEDelete, "elif": kElseif}
	for k := kAs; k < kindCount; k++ {
		m[kindText[k]] = k
	}
	return m
}()

// shapes holds, for every first letter, the lengths of the keywords that begin
// with it as bits. Most names have the shape of none.
var shapes = func() (s [256]uint16) {
	for w := range keywords {
		s[w[0]] |= 1 << len(w)
		s[w[0]-'a'+'A'] |= 1 << len(w)
	}
	return s
}()

// lookup returns the keyword spelt word in any letter case, or tIdent.
func lookup(word string) kind {
	if word == "" || len(word) > keywordLenMax || shapes[word[0]]&(1<<len(word)) == 0 {
		return tIdent
	}
	var lower [keywordLenMax]byte
	for i := 0; i < len(word); i++ {
		c := word[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	if k, ok := keywords[string(lower[:len(word)])]; ok {
		return k
	}
	return tIdent
}

// Keywords returns every keyword in lower case, soft ones and short forms
// (del, edel, elif) included, in alphabetical order.
func Keywords() []string {
	words := make([]string, 0, len(keywords))
	for w := range keywords {
		words = append(words, w)
	}
	words = append(words, partWords...)
	slices.Sort(words)
	return words
}

// partWords are keywords only where the grammar asks for them: behind the key
// of a read of many keys, behind the value of a set, and in front of by.
var partWords = []string{"after", "count", "desc", "ecount", "keepttl", "limit"}

// is reports whether t is the bare name word, one of partWords, in any letter
// case.
func (t *token) is(word string) bool {
	return t.kind == tIdent && !t.quoted && strings.EqualFold(t.str, word)
}

// counts makes t, in front of a by, the keyword it is there.
func (t *token) counts() {
	switch {
	case t.is("count"):
		t.kind = kCount
	case t.is("ecount"):
		t.kind = kECount
	}
}

// SoftKeyword reports whether name, in any letter case, is a soft keyword: a
// keyword in some places, a name in all others.
func SoftKeyword(name string) bool {
	return lookup(name) >= kAssert || slices.ContainsFunc(partWords, func(w string) bool { return strings.EqualFold(w, name) })
}

// token is one token. Its text is the source from pos.Offset to end.
type token struct {
	kind kind
	// soft is the soft keyword a bare identifier may be, else tEOF.
	soft   kind
	quoted bool // an identifier between backticks
	faulty bool // the scanner has complained about it
	first  bool // nothing but white space stands before it on its line
	pos    Pos
	end    int32 // offset after it
	// endLine is the line of its last byte: only strings span lines.
	endLine int32
	str     string // name, decoded string, or text of a number
	num     uint64 // value of tInt, bits of tFloat
}

// word returns the keyword t is where a statement may begin, else its kind.
func (t *token) word() kind {
	if t.soft != tEOF {
		return t.soft
	}
	return t.kind
}

// startsStatement reports whether a statement begins with k.
func startsStatement(k kind) bool {
	switch k {
	case kSet, kESet, kDelete, kEDelete, kExtend, kEExtend,
		kGet, kEGet, kExists, kEExists, kScan, kEScan, kCount, kECount,
		kLet, kIf, kFor, kReturn, kThrow, kSleep, kCommit, kRollback, kBegin,
		kAssert, kBreak, kContinue, kSwitch, kWhile:
		return true
	}
	return false
}

// isCommand reports whether k begins a read or write command.
func isCommand(k kind) bool { return isWrite(k) || isRead(k) }

func isWrite(k kind) bool {
	switch k {
	case kSet, kESet, kDelete, kEDelete, kExtend, kEExtend:
		return true
	}
	return false
}

func isRead(k kind) bool {
	switch k {
	case kGet, kEGet, kExists, kEExists, kScan, kEScan, kCount, kECount:
		return true
	}
	return false
}

// endsBlock reports whether k ends a block, or one part of it.
func endsBlock(k kind) bool {
	return k == kEnd || k == kElse || k == kElseif || k == kCase
}

// endsOperand reports whether an expression can be complete after a token of
// kind k.
func endsOperand(k kind) bool {
	switch k {
	case tIdent, tPlaceholder, tInt, tFloat, tString, tRParen, tRBracket, tRBrace,
		kTrue, kFalse, kNull, kSet, kFound, kNX, kXX, kNoRev, tBad:
		return true
	}
	return false
}
