package wire

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"kahuna/internal/wirepb"
)

// table has the locks of transactions, and what is under way beside them. It
// answers at once, or after a wait with a bound: nobody queues in it, so that
// waiting needs no order and makes no deadlock that lasts.
//
// Transactions hold leases on keys (points), buckets (prefixes) and ranges. Writes
// and scripts outside transactions enter the table while they run, so that a lock
// is not granted in the middle of one.
type table struct {
	mu     sync.Mutex
	points map[point]*pointState
	ranges []*rangeLease
	// changed is closed when something was given up; nil when nobody waits.
	changed chan struct{}
}

func (t *table) init() { t.points = map[point]*pointState{} }

// point is a key.
type point struct {
	space wirepb.Durability
	key   string
}

// pointState is what is going on at a key.
type pointState struct {
	holder *session  // or nil
	ends   time.Time // of its lease
	// Writes outside transactions, scripts that may write it, scripts that may
	// read it.
	writes, scripts, readers int
}

func (p *pointState) idle() bool { return p.holder == nil && p.writes+p.scripts+p.readers == 0 }

// rangeLease is a lock on a prefix or a range.
type rangeLease struct {
	holder *session
	area   area
	shared bool
	ends   time.Time
}

// area is a part of a space: a bucket, or the keys from start on and before end.
type area struct {
	space wirepb.Durability
	// of a prefix lock
	prefix bool
	bucket string
	// of a range lock; an empty end is none
	start, end string
}

// covers reports whether key is in the area.
func (a *area) covers(p point) bool {
	if p.space != a.space {
		return false
	}
	if a.prefix {
		rest, ok := strings.CutPrefix(p.key, a.bucket)
		return ok && strings.HasPrefix(rest, "/") && strings.IndexByte(rest[1:], '/') < 0
	}
	return p.key >= a.start && (a.end == "" || p.key < a.end)
}

// overlaps reports whether two ranges have keys in common.
func (a *area) overlaps(b *area) bool {
	return a.space == b.space && (a.end == "" || b.start < a.end) && (b.end == "" || a.start < b.end)
}

// conflict says who is in the way.
type conflict struct {
	holder timestamp // none for something outside transactions
	key    string
	ends   time.Time // of the lease, zero when it is none
}

func (c *conflict) words() string {
	if c.holder.none() {
		return fmt.Sprintf("conflict: '%s' is being written by another request", clean(c.key))
	}
	return fmt.Sprintf("conflict: '%s' is locked by another transaction", clean(c.key))
}

// until calls try, with the table locked, until it finds no conflict or the
// patience is over.
func (t *table) until(ctx context.Context, patience time.Duration, try func(now time.Time) *conflict) *conflict {
	deadline := time.Now().Add(patience)
	for {
		t.mu.Lock()
		now := time.Now()
		c := try(now)
		if c == nil || !now.Before(deadline) {
			t.mu.Unlock()
			return c
		}
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		wait := deadline.Sub(now)
		if !c.ends.IsZero() {
			wait = min(wait, max(c.ends.Sub(now), time.Millisecond))
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return c
		}
		timer.Stop()
	}
}

// wake lets those who wait look again. Held: mu.
func (t *table) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// state returns what is going on at p. Held: mu.
func (t *table) state(p point) *pointState {
	s := t.points[p]
	if s == nil {
		s = &pointState{}
		t.points[p] = s
	}
	return s
}

// tidy forgets p when nothing is going on there. Held: mu.
func (t *table) tidy(p point, s *pointState) {
	if s.idle() {
		delete(t.points, p)
	}
}

// leased returns the lease of another one than own on p, or on an area that
// covers it. Held: mu.
func (t *table) leased(own *session, p point, now time.Time) *conflict {
	if s := t.points[p]; s != nil && s.holder != nil && s.holder != own && now.Before(s.ends) {
		return &conflict{s.holder.id, p.key, s.ends}
	}
	for _, r := range t.ranges {
		if r.holder != own && now.Before(r.ends) && r.area.covers(p) {
			return &conflict{r.holder.id, p.key, r.ends}
		}
	}
	return nil
}

// access is what a request outside transactions touches. Its points are each
// there once.
type access struct {
	writes, reads []point
	script        bool
}

// enter lets a write or a script begin. exclusive says that scripts on the same
// keys exclude each other, and writes. leave is to be called at its end.
func (t *table) enter(ctx context.Context, patience time.Duration, a access, exclusive bool) (leave func(), c *conflict) {
	c = t.until(ctx, patience, func(now time.Time) *conflict {
		for _, p := range a.writes {
			if c := t.leased(nil, p, now); c != nil {
				return c
			}
			if s := t.points[p]; exclusive && s != nil && s.scripts+s.readers > 0 {
				return &conflict{key: p.key}
			}
		}
		for _, p := range a.reads {
			if c := t.leased(nil, p, now); c != nil {
				return c
			}
			if s := t.points[p]; exclusive && s != nil && s.scripts > 0 {
				return &conflict{key: p.key}
			}
		}
		t.count(a, 1)
		return nil
	})
	if c != nil {
		return nil, c
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.count(a, -1)
		t.wake()
	}, nil
}

// count notes that a request comes (1) or goes (-1). Held: mu.
func (t *table) count(a access, n int) {
	for _, p := range a.writes {
		s := t.state(p)
		if a.script {
			s.scripts += n
		} else {
			s.writes += n
		}
		t.tidy(p, s)
	}
	for _, p := range a.reads {
		s := t.state(p)
		s.readers += n
		t.tidy(p, s)
	}
}

// outsidePrefix waits until no transaction has the bucket of p locked.
func (t *table) outsidePrefix(ctx context.Context, patience time.Duration, p point) *conflict {
	return t.until(ctx, patience, func(now time.Time) *conflict {
		for _, r := range t.ranges {
			if r.area.prefix && now.Before(r.ends) && r.area.covers(p) {
				return &conflict{r.holder.id, p.key, r.ends}
			}
		}
		return nil
	})
}

// lockPoint leases p to x. A lease that x has is renewed; with keep, only when it
// has ended. fresh says that x had none.
func (t *table) lockPoint(ctx context.Context, patience time.Duration, x *session, p point, ends time.Time, keep bool) (fresh bool, c *conflict) {
	c = t.until(ctx, patience, func(now time.Time) *conflict {
		if c := t.leased(x, p, now); c != nil {
			return c
		}
		s := t.points[p]
		if s != nil && s.writes+s.scripts > 0 {
			return &conflict{key: p.key}
		}
		s = t.state(p)
		fresh = s.holder != x
		if fresh || !keep || !now.Before(s.ends) {
			s.ends = ends
		}
		s.holder = x
		return nil
	})
	return fresh, c
}

// lockArea leases an area to x, or renews its lease. Locks on keys inside are not
// in the way: what they write is checked when the transaction commits.
func (t *table) lockArea(ctx context.Context, patience time.Duration, x *session, a area, shared bool, ends time.Time) *conflict {
	return t.until(ctx, patience, func(now time.Time) *conflict {
		var own *rangeLease
		for _, r := range t.ranges {
			switch {
			case r.holder == x:
				if r.area == a {
					own = r
				}
			case !now.Before(r.ends) || r.area.prefix != a.prefix:
			case a.prefix && r.area == a, !a.prefix && r.area.overlaps(&a) && !(r.shared && shared):
				return &conflict{r.holder.id, a.text(), r.ends}
			}
		}
		if own == nil {
			own = &rangeLease{holder: x, area: a, shared: true}
			t.ranges = append(t.ranges, own)
		}
		own.shared = own.shared && shared
		own.ends = ends
		return nil
	})
}

// text is the area for people.
func (a *area) text() string {
	if a.prefix {
		return a.bucket
	}
	return a.start
}

// unlockArea gives up the lease of x on an area.
func (t *table) unlockArea(x *session, a area) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropAreas(func(r *rangeLease) bool { return r.holder == x && r.area == a })
}

// dropAreas gives up leases. Held: mu.
func (t *table) dropAreas(gone func(*rangeLease) bool) {
	kept := t.ranges[:0]
	for _, r := range t.ranges {
		if !gone(r) {
			kept = append(kept, r)
		}
	}
	clear(t.ranges[len(kept):])
	t.ranges = kept
	t.wake()
}

// release gives up all leases of x, which has points.
//
// Invariant WIRE-2: the locks of a transaction end with it.
func (t *table) release(x *session, points []point) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range points {
		if s := t.points[p]; s != nil && s.holder == x {
			s.holder = nil
			t.tidy(p, s)
		}
	}
	t.dropAreas(func(r *rangeLease) bool { return r.holder == x })
}

// patience returns how long a call waits for a lock.
func (s *Service) patience(asked wirepb.ConflictPolicy) time.Duration {
	policy := s.opts.Conflicts
	switch asked {
	case wirepb.ConflictPolicy_CONFLICT_POLICY_WAIT:
		policy = Wait
	case wirepb.ConflictPolicy_CONFLICT_POLICY_REFUSE:
		policy = Refuse
	}
	if policy == Refuse {
		return 0
	}
	return s.opts.Patience
}

// alone reports whether there is nobody whom a write or a script outside
// transactions could meet. Who begins to be there in the same moment may meet it
// in the store; then commit says so.
func (s *Service) alone() bool { return s.open.Load() == 0 && s.opts.Conflicts == Wait }
