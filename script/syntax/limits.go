package syntax

import "math"

// Limits bound what Parse accepts. A field that is 0 takes its default.
type Limits struct {
	SourceBytes int // bytes of the text, byte order mark included: 256 KiB
	Statements  int // statements, those in blocks included: 10,000
	// Nesting bounds how deep blocks, parentheses, brackets, calls, prefix
	// operators and the operands of at and as of stand in each other: 200.
	// An expression may have 20 times as many operators in a chain.
	Nesting int
}

// The defaults of Limits, and what follows from Nesting.
const (
	defaultSourceBytes = 256 << 10
	defaultStatements  = 10_000
	defaultNesting     = 200

	// nestingMax keeps the recursion of a parser with hand-set limits far
	// from the end of a goroutine's stack.
	nestingMax = 10_000

	// chainFactor times Nesting is the greatest height of an expression. A
	// chain of binary operators needs no recursion to parse, but it is a
	// deep tree, and whoever reads the tree recurses.
	chainFactor = 20

	// errorsMax ends parsing: who has made so many mistakes wants to see the
	// first ones.
	errorsMax = 20
)

func (l Limits) withDefaults() Limits {
	if l.SourceBytes <= 0 {
		l.SourceBytes = defaultSourceBytes
	}
	if l.Statements <= 0 {
		l.Statements = defaultStatements
	}
	if l.Nesting <= 0 {
		l.Nesting = defaultNesting
	}
	// Positions are 32 bits wide.
	l.SourceBytes = min(l.SourceBytes, math.MaxInt32-1)
	l.Nesting = min(l.Nesting, nestingMax)
	return l
}
