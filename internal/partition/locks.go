package partition

import (
	"strings"

	"kahuna/internal/kv"
)

// Locks are held outside the executor, by scripts that must wait while they
// run (the slow path) and by interactive transactions. The serial executor
// itself needs none: a fast script only looks whether a key it touches is
// locked, and if so queues here like everybody else.
//
// A request asks for all it knows at once and is granted when it conflicts
// with no request that was queued before it: the ordered lock manager of
// Calvin (Thomson et al., SIGMOD 2012). Who waits, waits only for requests
// with a smaller number, so
//
//   - Invariant LOCK-1: waiting has no cycles, hence no deadlock;
//   - Invariant LOCK-2: a request is granted as soon as the conflicting ones
//     before it are gone, whatever comes after it: first come, first served.
//
// Keys a script meets only while it runs are not locked in passing; its reads
// are validated at commit instead, and it starts over with the larger set.

// Point is a key to lock.
type Point struct {
	Space kv.Space
	Key   string
	Write bool
}

// Range is a bucket, or all keys with a prefix, to lock for reading.
type Range struct {
	Space  kv.Space
	Prefix bool
	Text   string
}

// Covers reports whether key is one of the rows of the range.
func (r Range) Covers(space kv.Space, key string) bool {
	if space != r.Space {
		return false
	}
	if r.Prefix {
		return strings.HasPrefix(key, r.Text)
	}
	return kv.InBucket(key, r.Text)
}

// LockSet is what one transaction locks.
type LockSet struct {
	Points []Point
	Ranges []Range
	// All locks the whole partition for writing: the last resort of a
	// script whose keys are different in every run.
	All bool
}

// AddPoint adds p, joining it with an equal key.
func (s *LockSet) AddPoint(p Point) {
	for i := range s.Points {
		if q := &s.Points[i]; q.Space == p.Space && q.Key == p.Key {
			q.Write = q.Write || p.Write
			return
		}
	}
	s.Points = append(s.Points, p)
}

// AddRange adds r unless it is there.
func (s *LockSet) AddRange(r Range) {
	for _, q := range s.Ranges {
		if q == r {
			return
		}
	}
	s.Ranges = append(s.Ranges, r)
}

type lockKey struct {
	space kv.Space
	key   string
}

// Ticket is one request for locks. Granted is closed when it holds them all.
type Ticket struct {
	no      uint64
	points  map[lockKey]bool // write?
	ranges  []Range
	all     bool
	waits   int       // conflicting requests still before this one
	next    []*Ticket // requests that wait for this one
	Granted chan struct{}
}

// covers reports whether the ticket's locks allow reading (or writing) key.
func (t *Ticket) covers(space kv.Space, key string, write bool) bool {
	if t == nil {
		return false
	}
	if t.all {
		return true
	}
	if w, ok := t.points[lockKey{space, key}]; ok && (w || !write) {
		return true
	}
	if write {
		return false
	}
	for _, r := range t.ranges {
		if r.Covers(space, key) {
			return true
		}
	}
	return false
}

// coversRange reports whether the ticket holds the whole range.
func (t *Ticket) coversRange(r Range) bool {
	if t == nil {
		return false
	}
	if t.all {
		return true
	}
	for _, q := range t.ranges {
		if q == r {
			return true
		}
	}
	return false
}

// lockTable is guarded by the partition's mutex.
type lockTable struct {
	lastNo uint64
	// queues holds, for every key somebody locks or waits for, the requests
	// in order.
	queues map[lockKey][]*Ticket
	// ranges holds the requests with ranges or all, in order.
	ranges []*Ticket
	active map[*Ticket]struct{}
}

func newLockTable() lockTable {
	return lockTable{queues: map[lockKey][]*Ticket{}, active: map[*Ticket]struct{}{}}
}

// enqueue adds a request for set. The ticket may be granted at once.
func (l *lockTable) enqueue(set *LockSet) *Ticket {
	l.lastNo++
	t := &Ticket{no: l.lastNo, ranges: set.Ranges, all: set.All, Granted: make(chan struct{}),
		points: make(map[lockKey]bool, len(set.Points))}
	for _, p := range set.Points {
		k := lockKey{p.Space, p.Key}
		t.points[k] = t.points[k] || p.Write
	}
	blockers := map[*Ticket]struct{}{}
	for k, write := range t.points {
		for _, b := range l.pointBlockers(k, write) {
			blockers[b] = struct{}{}
		}
	}
	for _, o := range l.ranges {
		if l.rangeBlocks(o, t) {
			blockers[o] = struct{}{}
		}
	}
	if len(t.ranges) > 0 || t.all {
		for o := range l.active {
			if t.blockedByWrites(o) {
				blockers[o] = struct{}{}
			}
		}
		l.ranges = append(l.ranges, t)
	}
	for k := range t.points {
		l.queues[k] = append(l.queues[k], t)
	}
	for b := range blockers {
		b.next = append(b.next, t)
	}
	t.waits = len(blockers)
	l.active[t] = struct{}{}
	if t.waits == 0 {
		close(t.Granted)
	}
	return t
}

// pointBlockers returns the requests in k's queue that a new one must wait
// for directly. Whoever they wait for is waited for through them.
func (l *lockTable) pointBlockers(k lockKey, write bool) []*Ticket {
	q := l.queues[k]
	// The last writer, and for a writer also the readers after it.
	i := len(q) - 1
	for i >= 0 && !q[i].points[k] {
		i--
	}
	if write {
		return q[max(i, 0):]
	}
	if i < 0 {
		return nil
	}
	return q[i : i+1]
}

// rangeBlocks reports whether o, which has ranges or all, must go before t.
func (l *lockTable) rangeBlocks(o, t *Ticket) bool {
	if o.all || t.all {
		return true
	}
	for k, write := range t.points {
		if !write {
			continue
		}
		for _, r := range o.ranges {
			if r.Covers(k.space, k.key) {
				return true
			}
		}
	}
	return false
}

// blockedByWrites reports whether o writes (or may write) into t's ranges.
func (t *Ticket) blockedByWrites(o *Ticket) bool {
	if t.all || o.all {
		return true
	}
	for k, write := range o.points {
		if !write {
			continue
		}
		for _, r := range t.ranges {
			if r.Covers(k.space, k.key) {
				return true
			}
		}
	}
	return false
}

// release gives up a ticket, granted or not.
func (l *lockTable) release(t *Ticket) {
	if _, ok := l.active[t]; !ok {
		return
	}
	delete(l.active, t)
	for k := range t.points {
		if q := without(l.queues[k], t); len(q) > 0 {
			l.queues[k] = q
		} else {
			delete(l.queues, k)
		}
	}
	if len(t.ranges) > 0 || t.all {
		l.ranges = without(l.ranges, t)
	}
	// A request given up before it was granted hands its place on: who
	// waited for it must still wait for whom it waited for. Adding those
	// edges is simplest where they are still to be found: recompute.
	if t.waits > 0 {
		for o := range l.active {
			o.next = without(o.next, t)
		}
	}
	for _, n := range t.next {
		if _, ok := l.active[n]; !ok {
			continue
		}
		if t.waits > 0 {
			l.inherit(t, n)
		}
		n.waits--
		if n.waits == 0 {
			close(n.Granted)
		}
	}
	t.next = nil
}

// inherit makes n wait for every active request before it that it conflicts
// with and that only t, which leaves ungranted, stood for.
func (l *lockTable) inherit(t, n *Ticket) {
	for o := range l.active {
		if o.no >= t.no || !conflict(o, n) || contains(o.next, n) {
			continue
		}
		o.next = append(o.next, n)
		n.waits++
	}
}

func conflict(a, b *Ticket) bool {
	if a.all || b.all || a.blockedByWrites(b) || b.blockedByWrites(a) {
		return true
	}
	for k, w := range a.points {
		if v, ok := b.points[k]; ok && (v || w) {
			return true
		}
	}
	return false
}

func contains(s []*Ticket, t *Ticket) bool {
	for _, o := range s {
		if o == t {
			return true
		}
	}
	return false
}

func without(s []*Ticket, t *Ticket) []*Ticket {
	for i, o := range s {
		if o == t {
			return append(s[:i:i], s[i+1:]...)
		}
	}
	return s
}

// lockedByOther reports whether somebody else holds or waits for a lock that
// own must respect before it touches key: for a reader a writer's, for a
// writer anybody's. Requests that wait count too, or a stream of fast scripts
// would starve them; requests after own do not.
func (l *lockTable) lockedByOther(own *Ticket, space kv.Space, key string, write bool) bool {
	if own.covers(space, key, write) {
		return false
	}
	k := lockKey{space, key}
	for _, t := range l.queues[k] {
		if t != own && (write || t.points[k]) {
			return true
		}
	}
	for _, t := range l.ranges {
		if t == own {
			continue
		}
		if t.all {
			return true
		}
		if !write {
			continue
		}
		for _, r := range t.ranges {
			if r.Covers(space, key) {
				return true
			}
		}
	}
	return false
}

// rangeLockedByOther reports whether somebody else may write into r.
func (l *lockTable) rangeLockedByOther(own *Ticket, r Range) bool {
	if own.coversRange(r) {
		return false
	}
	for t := range l.active {
		if t == own {
			continue
		}
		if t.all {
			return true
		}
		for k, write := range t.points {
			if write && r.Covers(k.space, k.key) {
				return true
			}
		}
	}
	return false
}
