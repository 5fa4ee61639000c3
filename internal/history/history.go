// Package history has the nouns of recorded histories: what concurrent clients
// asked a store for, when, and what became of it. Checkers judge them:
// internal/listappend whole transactions, internal/register single keys.
//
// The package reads no clock. Real time is the order of events, counted by
// Events: one operation came before another if it returned before the other
// was called. That order is exact, which readings of a clock are not.
package history

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
)

// Events numbers the calls and returns of a run. It is safe for concurrent
// use; its zero value is ready.
type Events struct{ n atomic.Int64 }

// Next returns the number of the next event, from 1 on.
func (e *Events) Next() int64 { return e.n.Add(1) }

// Never is the Return of an operation whose end nobody has seen.
const Never = math.MaxInt64

// Span is when an operation was called and returned, as numbers of Events.
type Span struct{ Call, Return int64 }

// Before reports whether s was over when t began.
func (s Span) Before(t Span) bool { return s.Return < t.Call }

// Overlaps reports whether s and t were under way at the same time.
func (s Span) Overlaps(t Span) bool { return !s.Before(t) && !t.Before(s) }

// Outcome is what is known of an operation's effect.
type Outcome uint8

// The outcomes. An operation of unknown outcome may have taken effect at any
// time after its call, or never.
const (
	Applied Outcome = iota
	NotApplied
	Unknown
)

// String returns "applied", "failed" or "unknown".
func (o Outcome) String() string { return [...]string{"applied", "failed", "unknown"}[o] }

// Verdict is what a checker says of a history.
type Verdict uint8

// The verdicts. Inconclusive is a history in which nothing is wrong, but which
// shows too little for that to mean much, or whose check ran out of time.
const (
	Valid Verdict = iota
	Invalid
	Inconclusive
)

// String returns "valid", "invalid" or "unknown".
func (v Verdict) String() string { return [...]string{"valid", "invalid", "unknown"}[v] }

// Need is something a history must show often enough to prove anything.
type Need struct {
	What      string
	Got, Want int
}

// Unmet returns those of needs that a history does not meet.
func Unmet(needs []Need) []Need {
	var unmet []Need
	for _, n := range needs {
		if n.Got < n.Want {
			unmet = append(unmet, n)
		}
	}
	return unmet
}

// Shortfall says in one line what a history is missing.
func Shortfall(unmet []Need) string {
	var b strings.Builder
	for i, n := range unmet {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d of %d", n.What, n.Got, n.Want)
	}
	return b.String()
}
