package partition

import (
	"slices"
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
	if !slices.Contains(s.Ranges, r) {
		s.Ranges = append(s.Ranges, r)
	}
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
	waits   []*Ticket // conflicting requests still before this one
	next    []*Ticket // requests that wait for this one
	holder  *holder   // of an interactive transaction, else nil
	Granted chan struct{}
}

// holder is an interactive transaction as the lock table sees it: it asks for
// locks bit by bit, with one ticket each time, and may wait while it holds
// some. Among holders that is kept from deadlock by wound-wait (Rosenkrantz,
// Stearns, Lewis, 1978):
//
//   - Invariant LOCK-3: a holder waits only for older holders and for scripts
//     that have all their locks. One that is younger and in the way loses its
//     locks at once, and with them its transaction.
type holder struct {
	age     uint64 // smaller is older
	tickets []*Ticket
	wounded chan struct{} // closed when it has lost
	cause   string        // whose fault: the key
}

func (h *holder) lost() bool {
	select {
	case <-h.wounded:
		return true
	default:
		return false
	}
}

// granted reports whether the ticket has its locks.
func (t *Ticket) granted() bool { return len(t.waits) == 0 }

// same reports whether two tickets belong to one transaction.
func same(a, b *Ticket) bool {
	return a == b || a != nil && b != nil && a.holder != nil && a.holder == b.holder
}

// covers reports whether the ticket's locks allow reading (or writing) key.
func (t *Ticket) covers(space kv.Space, key string, write bool) bool {
	if t == nil {
		return false
	}
	if t.holder != nil {
		for _, o := range t.holder.tickets {
			if o.granted() && o.coversAlone(space, key, write) {
				return true
			}
		}
		return false
	}
	return t.coversAlone(space, key, write)
}

func (t *Ticket) coversAlone(space kv.Space, key string, write bool) bool {
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
	if t.holder != nil {
		for _, o := range t.holder.tickets {
			if o.granted() && slices.Contains(o.ranges, r) {
				return true
			}
		}
		return false
	}
	return t.all || slices.Contains(t.ranges, r)
}

// lockTable is guarded by the partition's mutex.
type lockTable struct {
	lastNo uint64
	// queues holds, for every key somebody locks or waits for, the requests
	// in order.
	queues map[lockKey][]*Ticket
	// ranges holds the requests with ranges or all, in order.
	ranges []*Ticket
	// noRanges is FaultPhantoms.
	noRanges bool

	active map[*Ticket]struct{}
}

func newLockTable() lockTable {
	return lockTable{queues: map[lockKey][]*Ticket{}, active: map[*Ticket]struct{}{}}
}

func (l *lockTable) ticket(set *LockSet) *Ticket {
	l.lastNo++
	t := &Ticket{no: l.lastNo, ranges: set.Ranges, all: set.All, Granted: make(chan struct{}),
		points: make(map[lockKey]bool, len(set.Points))}
	for _, p := range set.Points {
		k := lockKey{p.Space, p.Key}
		t.points[k] = t.points[k] || p.Write
	}
	return t
}

// enqueue adds a request for set. The ticket may be granted at once.
func (l *lockTable) enqueue(set *LockSet) *Ticket {
	t := l.ticket(set)
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
	}
	l.insert(t, blockers)
	return t
}

func (l *lockTable) insert(t *Ticket, blockers map[*Ticket]struct{}) {
	if len(t.ranges) > 0 || t.all {
		l.ranges = append(l.ranges, t)
	}
	for k := range t.points {
		l.queues[k] = append(l.queues[k], t)
	}
	for b := range blockers {
		t.waitFor(b)
	}
	l.active[t] = struct{}{}
	if t.granted() {
		l.assertAlone(t)
		close(t.Granted)
	}
}

func (t *Ticket) waitFor(b *Ticket) {
	b.next = append(b.next, t)
	t.waits = append(t.waits, b)
}

// enqueueFor adds a request of an interactive transaction. One that holds
// nothing yet takes its place at the end. One that does goes before all that
// wait and hold nothing, since they may wait for it; among its kind it minds
// LOCK-3.
func (l *lockTable) enqueueFor(h *holder, set *LockSet, key string) *Ticket {
	t := l.ticket(set)
	t.holder = h
	for l.woundOne(t, key) {
	}
	blockers := map[*Ticket]struct{}{}
	var after []*Ticket
	for o := range l.active {
		switch {
		case same(o, t) || !conflict(o, t):
		case o.granted(), len(h.tickets) == 0, o.holder != nil && o.holder.age < h.age && len(o.holder.tickets) > 1:
			blockers[o] = struct{}{}
		default:
			after = append(after, o)
		}
	}
	l.insert(t, blockers)
	h.tickets = append(h.tickets, t)
	for _, o := range after {
		o.waitFor(t)
	}
	// In the queues t stands before those, so that who comes later and looks
	// only at the end of a queue waits for all of it.
	for k := range t.points {
		q := l.queues[k]
		n := len(q) - 1
		for i, o := range q[:n] {
			if slices.Contains(after, o) {
				copy(q[i+1:], q[i:n])
				q[i] = t
				break
			}
		}
	}
	return t
}

// woundOne wounds a younger holder that has a lock in the way of t. It reports
// whether there was one: others may be in the way afterwards.
func (l *lockTable) woundOne(t *Ticket, key string) bool {
	for o := range l.active {
		if o.holder != nil && o.granted() && o.holder.age > t.holder.age && conflict(o, t) {
			l.wound(o.holder, key)
			return true
		}
	}
	return false
}

// wound takes the locks of a holder away, also those that it got after it was
// wounded and before it knew.
func (l *lockTable) wound(h *holder, key string) {
	if !h.lost() {
		h.cause = key
		close(h.wounded)
	}
	l.releaseAll(h)
}

func (l *lockTable) releaseAll(h *holder) {
	for _, t := range h.tickets {
		l.release(t)
	}
	h.tickets = nil
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
	for _, b := range t.waits {
		b.next = without(b.next, t)
	}
	for _, n := range t.next {
		n.waits = without(n.waits, t)
		// A request given up before it was granted hands its place on: who
		// waited for it still waits for whom it waited for.
		for _, b := range t.waits {
			n.inherit(b)
		}
		if n.granted() {
			l.assertAlone(n)
			close(n.Granted)
		}
	}
	t.next, t.waits = nil, nil
}

// inherit makes t wait for b if they conflict, or else for whom b stood for.
func (t *Ticket) inherit(b *Ticket) {
	if conflict(b, t) {
		if !slices.Contains(t.waits, b) {
			t.waitFor(b)
		}
		return
	}
	for _, o := range b.waits {
		t.inherit(o)
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
		if !same(t, own) && (write || t.points[k]) {
			return true
		}
	}
	for _, t := range l.ranges {
		if same(t, own) {
			continue
		}
		if t.all {
			return true
		}
		if !write || l.noRanges {
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
		if same(t, own) {
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
