package register

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"kahuna/internal/history"
)

// state is a row between two operations, and the times seen so far.
type state struct {
	value   string
	rev     int64 // -1 for none yet
	deleted bool
	// The row ends at some time of lo to hi; lo is 0 for never. ended says
	// that somebody has seen it gone.
	lo, hi int64
	ended  bool
	// own marks a row written by the operation that runs: it does not end
	// before that does.
	own   bool
	times times
}

// times are what earlier operations saw of the clock. Whoever changes a key has
// it alone: it saw no earlier time than all before it. Who does not may share
// it, and so may have begun before others that came first, and end after others
// that came later; but it began after every change, and did not end before
// others began.
type times struct {
	written int64 // seen by who changed it, at the latest
	begun   int64 // seen by everybody who came before
	seen    int64 // seen by anybody
}

// pass returns the times after op, and whether it may come here.
func (t times) pass(op *Op) (times, bool) {
	first, last, writes := op.From, op.From, false
	for i := range op.Steps {
		s := &op.Steps[i]
		writes = writes || s.Verb.writes() && s.Done
		if s.Now != 0 {
			if first == 0 {
				first = s.Now
			}
			last = max(last, s.Now)
		}
	}
	switch {
	case first == 0:
		return t, true
	case writes:
		return times{written: last, begun: last, seen: last}, first >= t.seen
	}
	return times{written: t.written, begun: max(t.begun, first), seen: max(t.seen, last)},
		first >= t.written && last >= t.begun
}

var start = state{rev: -1}

// step returns the states that op can leave behind.
func step(s state, op *Op) []state {
	before := s
	var ok bool
	if s.times, ok = s.times.pass(op); !ok {
		return nil
	}
	states := []state{s}
	for i := range op.Steps {
		c := op.Steps[i]
		if c.Now == 0 {
			c.Now = before.times.begun
		}
		var next []state
		for _, s := range states {
			next = append(next, single(s, &c, op.Steps[i].Now != 0, op.Outcome == history.Applied)...)
		}
		states = next
	}
	for i := range states {
		states[i].own = false
	}
	if op.Outcome == history.Unknown {
		states = append(states, before) // or it never happened
	}
	return states
}

// single returns the states that one step can leave behind: for each of live
// and not live that can be at c.Now, or, if that is not exact, then or later.
func single(s state, c *Step, exact, answered bool) []state {
	var states []state
	if s, ok := s.gone(c.Now, exact); ok {
		states = append(states, apply(s, c, false, answered)...)
	}
	if s, ok := s.live(c.Now); ok {
		states = append(states, apply(s, c, true, answered)...)
	}
	return states
}

func (s state) present() bool { return s.rev >= 0 && !s.deleted }

// live returns s given that the row is live at now or later, and whether that
// can be.
func (s state) live(now int64) (state, bool) {
	if !s.present() || s.ended {
		return s, false
	}
	if s.lo == 0 || s.own {
		return s, true
	}
	if now >= s.hi {
		return s, false
	}
	s.lo = max(s.lo, now+1)
	return s, true
}

// gone returns s given that there is no live row at now, or later, and whether
// that can be.
func (s state) gone(now int64, exact bool) (state, bool) {
	switch {
	case !s.present() || s.ended:
		return s, true
	case s.lo == 0 || s.own || exact && now < s.lo:
		return s, false
	case exact:
		s.hi = min(s.hi, now)
	}
	s.ended = true
	return s, true
}

// apply returns the states that a step leaves behind when the row is live, or
// not: one, or none if the answer says otherwise.
func apply(s state, c *Step, live, answered bool) []state {
	done := live
	if c.Verb == Set {
		done = holds(&s, c, live)
	}
	if answered && c.Done != done {
		return nil
	}
	if !done {
		rev := s.rev
		if !c.Verb.writes() {
			rev = -1
		}
		if answered && c.Rev != rev {
			return nil
		}
		return []state{s}
	}
	switch c.Verb {
	case Set:
		s = state{value: c.Value, rev: s.rev + 1, times: s.times}
		s.expireAfter(c)
	case Delete:
		s = state{rev: s.rev + 1, deleted: true, times: s.times}
	case Extend:
		s.expireAfter(c)
	}
	if !answered {
		return []state{s}
	}
	if c.Rev != s.rev || c.Verb == Get && c.Got != s.value {
		return nil
	}
	switch {
	case c.Verb == Delete || c.Expires < 0:
	case c.Expires == 0 && s.lo != 0, c.Expires > 0 && (c.Expires < s.lo || c.Expires > s.hi || s.lo == 0):
		return nil
	default:
		s.lo, s.hi = c.Expires, c.Expires
	}
	return []state{s}
}

// expireAfter gives the row the time to live of c, from some time from now on.
func (s *state) expireAfter(c *Step) {
	s.own = true
	s.lo, s.hi = 0, 0
	if c.TTL > 0 {
		s.lo, s.hi = c.Now+c.TTL, math.MaxInt64
	}
}

// holds judges the condition of a set.
func holds(s *state, c *Step, live bool) bool {
	switch c.When {
	case NX:
		return !live
	case XX:
		return live
	case Cmp:
		return live && s.value == c.Want
	case CmpRev:
		return s.rev == c.WantRev || !live && c.WantRev == -1
	}
	return true
}

// model makes porcupine's model of one register.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{start} },
		Step: func(s, in, _ interface{}) []interface{} {
			var states []interface{}
			for _, next := range step(s.(state), in.(*Op)) {
				states = append(states, next)
			}
			return states
		},
		DescribeOperation: func(in, _ interface{}) string { return in.(*Op).String() },
		DescribeState:     func(s interface{}) string { return fmt.Sprint(s) },
	}
	return m.ToModel()
}
