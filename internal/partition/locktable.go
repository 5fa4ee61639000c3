package partition

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"kahuna/internal/kv"
)

// The lock table is a set of queues, one for each thing that somebody locks or
// waits for: a key, a range, the whole partition. A request takes its place in
// all its queues at once and is granted when it is admitted in each.
//
//	              admitted             not yet
//	key a     [R granted] [R]      | [W] [R] [W] ...
//	range d/  [S granted]          | [I] ...
//
// Ranges and keys are locked in two granularities (Gray et al., 1976): who
// writes a key inside a locked range stands in the range's queue too, with an
// intent. Intents agree with each other, and shared locks do; nothing else
// does. A queue of a range begins with the intents of those who write in it
// when it is first locked.
//
// In each queue the granted ones stand first, then those that wait, by rank;
// the admitted ones are the longest beginning in which all agree. Since the
// order is the same in every queue, waiting has no cycles.
//
// To take a place, to be admitted and to leave costs a few steps, however many
// stand in line, but for a holder that passes others: it takes a step for each.
//
// A script that has read a hundred thousand keys, and is to run again with
// locks, would keep the executor for long. It takes its places as a reader of
// keys bit by bit, but as if it had taken all of them at once: who wants to
// write one of those keys meanwhile has it take that place first. It leaves bit
// by bit too.

// resource is what a queue is for. The zero value is the whole partition.
type resource struct {
	kind  resourceKind
	space kv.Space
	text  string
}

type resourceKind uint8

const (
	wholeKind resourceKind = iota
	pointKind
	bucketKind
	prefixKind
	intervalKind
)

var everything = resource{}

func pointOf(space kv.Space, key string) resource { return resource{pointKind, space, key} }

func rangeOf(r Range) resource {
	switch {
	case r.bounded():
		return resource{intervalKind, r.Space, intervalText(&r)}
	case r.Prefix:
		return resource{prefixKind, r.Space, r.Text}
	}
	return resource{bucketKind, r.Space, r.Text}
}

// intervalText returns a text of its own for each part of a bucket or prefix.
func intervalText(r *Range) string {
	b := make([]byte, 0, len(r.Text)+len(r.Start)+len(r.End)+8)
	kind := byte('b')
	if r.Prefix {
		kind = 'p'
	}
	b = binary.AppendUvarint(append(b, kind), uint64(len(r.Text)))
	b = binary.AppendUvarint(append(b, r.Text...), uint64(len(r.Start)))
	return string(append(append(b, r.Start...), r.End...))
}

// mode is how a resource is locked.
type mode uint8

const (
	shared    mode = 1 + iota // reads it; of the whole partition: locks something
	intent                    // writes something in it
	exclusive                 // writes it, or both of the above
	modes     = 1 + iota
)

func agree(a, b mode) bool { return a == b && a != exclusive }

// join returns the mode of who wants a resource in both modes; 0 is none.
func join(a, b mode) mode {
	switch {
	case a == 0 || a == b:
		return b
	case b == 0:
		return a
	}
	return exclusive
}

// entry is a place in a queue.
type entry struct {
	ticket     *Ticket
	queue      *queue
	mode       mode
	admitted   bool
	prev, next *entry
}

// queue is the line before one resource.
type queue struct {
	of         resource
	interval   *Range // of a part of a bucket or prefix, else nil
	head, tail *entry
	granted    *entry     // the last one of a granted ticket
	last       *entry     // the last one admitted
	count      [modes]int // all
	admitted   [modes]int
}

// lockTable is guarded by the partition's mutex.
type lockTable struct {
	// large is from how many keys on a script's request takes its places bit by
	// bit, piece how many at a time.
	large, piece int

	lastNo uint64
	queues map[resource]*queue
	// written are the queues of keys that somebody writes, in the order of
	// the keys.
	written *btree.BTreeG[*queue]
	// prefixes counts, for every length, the locked prefixes of it.
	prefixes map[int]int
	ranges   int // queues of ranges
	// intervals are the queues of parts of buckets and prefixes. They are few:
	// what waits for a range, or has read the first rows of one.
	intervals []*queue
	// active are the requests, and what holders have.
	active map[*Ticket]struct{}
	ready  []*Ticket // admitted everywhere, and about to be told
	// arriving are the large requests that have not taken all their places.
	arriving []*Ticket
	// noRanges is FaultPhantoms.
	noRanges bool
}

func newLockTable() lockTable {
	return lockTable{large: largeSet, piece: pieceMax,
		queues: map[resource]*queue{}, prefixes: map[int]int{}, active: map[*Ticket]struct{}{},
		written: btree.NewBTreeGOptions(func(a, b *queue) bool {
			if a.of.space != b.of.space {
				return a.of.space < b.of.space
			}
			return a.of.text < b.of.text
		}, btree.Options{NoLocks: true})}
}

// reset ends all locks and all requests, and wakes those who wait. What a
// transaction had it has no more, and its next request begins anew; tickets of
// scripts stay as they are, and nobody minds them any more.
func (l *lockTable) reset() {
	for t := range l.active {
		if !t.granted() {
			close(t.Granted)
		}
		if h := t.holder; h != nil {
			h.pending = nil
			clear(h.base.entries)
		}
	}
	empty := newLockTable()
	empty.large, empty.piece, empty.lastNo, empty.noRanges = l.large, l.piece, l.lastNo, l.noRanges
	*l = empty
}

// enqueue adds a request of a script for set, which must not be changed until it
// is released. It may be granted at once. If it is large, arrive is to be called
// until it says that nothing is left.
func (l *lockTable) enqueue(set *LockSet) *Ticket {
	l.lastNo++
	t := l.request(set, nil)
	l.admit(t)
	return t
}

// arrive has t take some of the places that it has not taken. It reports
// whether there are more.
func (l *lockTable) arrive(t *Ticket) (more bool) {
	if !slices.Contains(l.arriving, t) {
		return false
	}
	for n := 0; t.next < len(t.large.Points); t.next++ {
		p := &t.large.Points[t.next]
		r := pointOf(p.Space, p.Key)
		if t.entries[r] != nil {
			continue
		}
		if n++; n > l.piece {
			return true
		}
		l.takePlace(t, r)
	}
	l.arrived(t)
	if t.waits--; t.waits == 0 {
		l.ready = append(l.ready, t)
	}
	l.tell()
	return false
}

func (l *lockTable) arrived(t *Ticket) {
	l.arriving = slices.DeleteFunc(l.arriving, func(o *Ticket) bool { return o == t })
}

// takePlace has t, which is arriving, take its place as a reader of the key r.
func (l *lockTable) takePlace(t *Ticket, r resource) {
	e := &entry{ticket: t, mode: shared}
	t.entries[r] = e
	t.waits++
	q := l.queue(r)
	q.add(e)
	l.advance(q)
}

// absent reports whether t, which is arriving, has still to take its place at
// the key r.
func (t *Ticket) absent(r resource) bool {
	_, wanted := t.large.findPoint(Point{Space: r.space, Key: r.text})
	return wanted && t.entries[r] == nil
}

// enqueueFor adds a request of an interactive transaction, which has none that
// waits and has not lost. key is what others are told when they lose their
// locks to it.
func (l *lockTable) enqueueFor(h *holder, set *LockSet, key string) *Ticket {
	assert(!h.lost(), "LOCK-3: a wounded transaction asks for locks")
	l.lastNo++
	t := l.request(set, h)
	h.pending = t
	l.admit(t)
	for !t.granted() && l.woundOne(t, key) {
	}
	return t
}

// request makes a ticket and puts it in line.
func (l *lockTable) request(set *LockSet, h *holder) *Ticket {
	large := h == nil && len(set.Points) >= l.large
	places := len(set.Ranges)
	if !large {
		places += len(set.Points)
	}
	t := &Ticket{table: l, rank: l.lastNo, holder: h, Granted: make(chan struct{}), entries: make(map[resource]*entry, places)}
	if h != nil && len(h.base.entries) > 0 {
		t.rank = h.age
	}
	for _, r := range set.Ranges {
		l.openRange(r)
		t.want(rangeOf(r), shared)
	}
	if large {
		t.large = set
		l.arriving = append(l.arriving, t)
	}
	for i := range set.Points {
		p := &set.Points[i]
		if t.large != nil && !p.Write {
			continue // see arrive
		}
		m := shared
		if p.Write {
			m = exclusive
			l.covering(p.Space, p.Key, func(q *queue) { t.want(q.of, intent) })
		}
		t.want(pointOf(p.Space, p.Key), m)
	}
	if set.All {
		l.openAll()
		t.want(everything, exclusive)
	} else if l.queues[everything] != nil {
		t.want(everything, shared)
	}
	l.active[t] = struct{}{}
	t.waits = len(t.entries)
	if t.large != nil {
		t.waits++ // until it has arrived
	}
	for r, e := range t.entries {
		if e.mode == exclusive && r.kind == pointKind {
			for _, o := range l.arriving {
				if o != t && o.absent(r) {
					l.takePlace(o, r)
				}
			}
		}
		l.queue(r).add(e)
		l.noteWriter(e)
	}
	return t
}

// want notes that t is to lock r in mode m, if its holder does not already.
func (t *Ticket) want(r resource, m mode) {
	if t.holder != nil {
		has := t.holder.base.mode(r)
		if m = join(has, m); m == has {
			return
		}
	}
	if e := t.entries[r]; e != nil {
		e.mode = join(e.mode, m)
		return
	}
	t.entries[r] = &entry{ticket: t, mode: m}
}

// queue returns the queue for r.
func (l *lockTable) queue(r resource) *queue {
	q := l.queues[r]
	if q != nil {
		return q
	}
	q = &queue{of: r}
	l.queues[r] = q
	switch r.kind {
	case prefixKind:
		l.prefixes[len(r.text)]++
		l.ranges++
	case bucketKind, intervalKind:
		l.ranges++
	}
	return q
}

// openRange makes the queue of a range, with the intents of those who write in
// it, unless it is there.
func (l *lockTable) openRange(r Range) {
	of := rangeOf(r)
	if l.queues[of] != nil {
		return
	}
	q := l.queue(of)
	if of.kind == intervalKind {
		q.interval = &r
		l.intervals = append(l.intervals, q)
	}
	l.writtenIn(r, func(point *queue) bool {
		for e := point.head; e != nil; e = e.next {
			if e.mode == exclusive {
				q.join(e.ticket, intent)
			}
		}
		return true
	})
}

// openAll makes the queue of the whole partition, with all that lock
// something, unless it is there.
func (l *lockTable) openAll() {
	if l.queues[everything] != nil {
		return
	}
	q := l.queue(everything)
	for t := range l.active {
		q.join(t, shared)
	}
}

// join puts a ticket that stands in other queues in this new one, where all
// agree.
func (q *queue) join(t *Ticket, m mode) {
	if t.entries[q.of] != nil {
		return
	}
	e := &entry{ticket: t, mode: m}
	t.entries[q.of] = e
	q.place(e)
	e.admitted = true
	q.admitted[m]++
	q.last = q.tail
	if t.granted() {
		q.promote(e)
	}
}

// covering calls visit for the queue of each locked range that key is in.
func (l *lockTable) covering(space kv.Space, key string, visit func(*queue)) {
	if l.ranges == 0 {
		return
	}
	if bucket, _, slash := kv.SplitKey(key); slash {
		if q := l.queues[resource{bucketKind, space, bucket}]; q != nil {
			visit(q)
		}
	}
	for n := range l.prefixes {
		if n <= len(key) {
			if q := l.queues[resource{prefixKind, space, key[:n]}]; q != nil {
				visit(q)
			}
		}
	}
	for _, q := range l.intervals {
		if q.interval.Covers(space, key) {
			visit(q)
		}
	}
}

// writtenIn visits the queues of the keys in r that somebody writes, until
// visit returns false.
func (l *lockTable) writtenIn(r Range, visit func(*queue) bool) {
	text := r.Text
	if !r.Prefix {
		text += "/"
	}
	from := max(text, r.Start)
	for more := true; more; {
		more = false
		next := ""
		l.written.Ascend(&queue{of: resource{space: r.Space, text: from}}, func(q *queue) bool {
			key := q.of.text
			if q.of.space != r.Space || !strings.HasPrefix(key, text) || r.End != "" && key >= r.End {
				return false
			}
			if !r.Prefix {
				if i := strings.IndexByte(key[len(text):], '/'); i >= 0 {
					// Of a bucket inside: go on behind it.
					next, more = key[:len(text)+i]+string('/'+1), true
					return false
				}
			}
			return visit(q)
		})
		from = next
	}
}

// noteWriter keeps written when e has come or gone.
func (l *lockTable) noteWriter(e *entry) {
	q := e.queue
	if q.of.kind != pointKind || e.mode != exclusive {
		return
	}
	if q.count[exclusive] > 0 {
		l.written.Set(q)
	} else {
		l.written.Delete(q)
	}
}

// admit admits who may be in t's queues, and tells those that have all they
// want.
func (l *lockTable) admit(t *Ticket) {
	if t.waits == 0 {
		l.ready = append(l.ready, t) // wanted nothing new
	}
	for _, e := range t.entries {
		l.advance(e.queue)
	}
	l.tell()
}

// advance admits those in q that agree with all before them.
func (l *lockTable) advance(q *queue) {
	for e := q.next(); e != nil && q.admits(e); e = q.next() {
		e.admit()
		t := e.ticket
		if t.waits--; t.waits == 0 {
			l.ready = append(l.ready, t)
		}
	}
}

// tell grants what is ready.
func (l *lockTable) tell() {
	for i := 0; i < len(l.ready); i++ {
		t := l.ready[i]
		l.assertAlone(t)
		close(t.Granted)
		if h := t.holder; h != nil {
			l.merge(h)
			continue
		}
		if t.large != nil {
			continue // place promotes where somebody may pass
		}
		for _, e := range t.entries {
			e.queue.promote(e)
		}
	}
	clear(l.ready)
	l.ready = l.ready[:0]
}

// merge makes what a holder was waiting for a part of what it has.
func (l *lockTable) merge(h *holder) {
	t := h.pending
	h.pending = nil
	delete(l.active, t)
	for r, e := range t.entries {
		if old := h.base.entries[r]; old != nil {
			e.queue.remove(old) // e is at least as strong
		}
		e.ticket = h.base
		h.base.entries[r] = e
		e.queue.promote(e)
	}
	for _, e := range t.entries {
		l.join(h, e.queue)
	}
	if len(h.base.entries) > 0 {
		l.active[h.base] = struct{}{}
	}
}

// join gives up what a holder has of parts of a bucket or prefix that are in the
// one of q.
func (l *lockTable) join(h *holder, q *queue) {
	if q.interval == nil {
		return
	}
	for _, o := range slices.Clone(l.intervals) {
		if e := h.base.entries[o.of]; e != nil && o != q && q.interval.contains(o.interval) {
			delete(h.base.entries, o.of)
			l.leave(e)
		}
	}
}

// woundOne takes the locks of a younger holder that is in the way of t. It
// reports whether there was one.
func (l *lockTable) woundOne(t *Ticket, key string) bool {
	for _, e := range t.entries {
		if e.admitted || e.queue.granted == nil {
			continue
		}
		for o := e.queue.head; ; o = o.next {
			h := o.ticket.holder
			if h != nil && h != t.holder && h.age > t.holder.age && !agree(o.mode, e.mode) {
				l.wound(h, key)
				return true
			}
			if o == e.queue.granted {
				break
			}
		}
	}
	return false
}

// wound takes the locks of a holder away.
func (l *lockTable) wound(h *holder, key string) {
	if h.lost() {
		return
	}
	h.cause = key
	close(h.wounded)
	l.releaseAll(h)
}

// releaseAll gives up all that a holder has and waits for.
func (l *lockTable) releaseAll(h *holder) {
	if t := h.pending; t != nil {
		h.pending = nil
		l.release(t)
	}
	l.release(h.base)
	clear(h.base.entries)
}

// release gives up a ticket, granted or not.
func (l *lockTable) release(t *Ticket) {
	for l.releaseSome(t) {
	}
}

// releaseSome is release, at most some places of a large request at a time. It
// reports whether there are more.
func (l *lockTable) releaseSome(t *Ticket) (more bool) {
	if _, ok := l.active[t]; !ok {
		return false
	}
	if t.large != nil {
		l.arrived(t)
		for n := 0; t.left < len(t.large.Points); t.left++ {
			p := &t.large.Points[t.left]
			r := pointOf(p.Space, p.Key)
			e := t.entries[r]
			if e == nil {
				continue
			}
			if n++; n > l.piece {
				l.tell()
				return true
			}
			delete(t.entries, r)
			l.leave(e)
		}
	}
	delete(l.active, t)
	for _, e := range t.entries {
		l.leave(e)
	}
	l.tell()
	return false
}

// leave takes e out of its queue.
func (l *lockTable) leave(e *entry) {
	q := e.queue
	q.remove(e)
	l.noteWriter(e)
	if q.head == nil {
		l.drop(q.of)
		return
	}
	l.advance(q)
}

// drop removes an empty queue.
func (l *lockTable) drop(r resource) {
	delete(l.queues, r)
	switch r.kind {
	case prefixKind:
		l.ranges--
		if n := len(r.text); l.prefixes[n] > 1 {
			l.prefixes[n]--
		} else {
			delete(l.prefixes, n)
		}
	case bucketKind:
		l.ranges--
	case intervalKind:
		l.ranges--
		l.intervals = slices.DeleteFunc(l.intervals, func(q *queue) bool { return q.of == r })
	}
}

// lockedByOther reports whether somebody else holds or waits for a lock that
// own must respect before it touches key: for a reader a writer's, for a
// writer anybody's. Requests that wait count too, or a stream of fast scripts
// would starve them.
func (l *lockTable) lockedByOther(own *Ticket, space kv.Space, key string, write bool) bool {
	if own.covers(space, key, write) {
		return false
	}
	if q := l.queues[pointOf(space, key)]; q != nil && (q.others(own, exclusive) || write && q.others(own, shared)) {
		return true
	}
	if q := l.queues[everything]; q != nil && q.others(own, exclusive) {
		return true
	}
	if write {
		for _, t := range l.arriving {
			if t != own && t.absent(pointOf(space, key)) {
				return true
			}
		}
	}
	locked := false
	if write && !l.noRanges {
		l.covering(space, key, func(q *queue) {
			locked = locked || q.others(own, shared) || q.others(own, exclusive)
		})
	}
	return locked
}

// rangeLockedByOther reports whether somebody else may write into r.
func (l *lockTable) rangeLockedByOther(own *Ticket, r Range) bool {
	if own.coversRange(r) {
		return false
	}
	if q := l.queues[everything]; q != nil && q.others(own, exclusive) {
		return true
	}
	locked := false
	l.writtenIn(r, func(q *queue) bool {
		locked = q.others(own, exclusive)
		return !locked
	})
	return locked
}
