package register

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"kahuna/internal/history"
)

// state is a row between two operations.
type state struct {
	value   string
	rev     int64 // -1 for none yet
	deleted bool
	// The row ends at some time of lo to hi; lo is 0 for never.
	lo, hi int64
	// now is the earliest time that it can be.
	now int64
	// own marks a row written by the operation that runs: it does not end
	// before that does.
	own bool
}

var start = state{rev: -1}

// step returns the states that op can leave behind.
func step(s state, op *Op) []state {
	if op.From != 0 {
		if op.From < s.now {
			return nil
		}
		s.now = op.From
	}
	states := []state{s}
	for i := range op.Steps {
		var next []state
		for _, s := range states {
			next = append(next, single(s, &op.Steps[i], op.Outcome == history.Applied)...)
		}
		states = next
	}
	for i := range states {
		states[i].own = false
	}
	if op.Outcome == history.Unknown {
		states = append(states, s) // or it never happened
	}
	return states
}

// single returns the states that one step can leave behind: for each of live
// and not live that can be.
func single(s state, c *Step, answered bool) []state {
	if c.Now != 0 {
		if c.Now < s.now {
			return nil
		}
		s.now = c.Now
	}
	var states []state
	if s, ok := s.gone(c.Now); ok {
		states = append(states, apply(s, c, false, answered)...)
	}
	if s, ok := s.live(c.Now); ok {
		states = append(states, apply(s, c, true, answered)...)
	}
	return states
}

func (s state) present() bool { return s.rev >= 0 && !s.deleted }

// live returns s given that the row is live at now, and whether that can be.
func (s state) live(now int64) (state, bool) {
	if !s.present() {
		return s, false
	}
	if s.lo == 0 || s.own {
		return s, true
	}
	if s.now >= s.hi {
		return s, false
	}
	s.lo = max(s.lo, s.now+1)
	return s, true
}

// gone returns s given that there is no live row at now, and whether that can
// be. Without a reading of the clock the time is the earliest that will do.
func (s state) gone(now int64) (state, bool) {
	if !s.present() {
		return s, true
	}
	if s.lo == 0 || s.own {
		return s, false
	}
	if now == 0 {
		s.now = max(s.now, s.lo)
	} else if s.now < s.lo {
		return s, false
	}
	s.hi = min(s.hi, s.now)
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
		s = state{value: c.Value, rev: s.rev + 1, now: s.now}
		s.expireAfter(c)
	case Delete:
		s = state{rev: s.rev + 1, deleted: true, now: s.now}
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
		s.lo, s.hi = s.now+c.TTL, math.MaxInt64
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
