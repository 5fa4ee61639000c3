package syntax

import "math"

// Limits bound what Parse accepts. A field that is 0 takes its default.
type Limits struct {
	SourceBytes int // bytes of the text, byte order mark included: 256 KiB
	Statements  int // statements, those in blocks included: 10,000
	// Nesting bounds how deep blocks, parentheses, brackets, calls, prefix
	// operators and the operands of at and as of stand in each other: 200.
	// Operators in a row (a + b + c, a ?? b ?? c, a[0][0]) do not nest.
	Nesting int
}

// The defaults of Limits.
const (
	defaultSourceBytes = 256 << 10
	defaultStatements  = 10_000
	defaultNesting     = 200

	// nestingMax keeps the recursion of a parser with hand-set limits far
	// from the end of a goroutine's stack.
	nestingMax = 10_000

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
