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
// A script asks for all it knows at once and is granted when it conflicts with
// no request that was queued before it: the ordered lock manager of Calvin
// (Thomson et al., SIGMOD 2012). Who waits, waits only for requests with a
// smaller number, so
//
//   - Invariant LOCK-1: waiting has no cycles, hence no deadlock;
//   - Invariant LOCK-2: a request is granted as soon as the conflicting ones
//     before it are gone, whatever comes after it: first come, first served.
//
// Keys a script meets only while it runs are not locked in passing; its reads
// are validated at commit instead, and it starts over with the larger set.
//
// How the requests stand in line is in locktable.go.

// Point is a key to lock.
type Point struct {
	Space kv.Space
	Key   string
	Write bool
}

// Range is a bucket, or all keys with a prefix, to read, and to lock for reading:
// those from Start on, and before End, unless one of them is "".
type Range struct {
	Space      kv.Space
	Prefix     bool
	Text       string
	Start, End string
}

// Covers reports whether key is one of the rows of the range.
func (r *Range) Covers(space kv.Space, key string) bool {
	switch {
	case space != r.Space, key < r.Start, r.End != "" && key >= r.End:
		return false
	case r.Prefix:
		return strings.HasPrefix(key, r.Text)
	}
	return kv.InBucket(key, r.Text)
}

type lockKey struct {
	space kv.Space
	key   string
}

// LockSet is what one transaction locks.
type LockSet struct {
	Points []Point
	Ranges []Range
	// All locks the whole partition for writing: the last resort of a
	// script whose keys are different in every run.
	All bool

	// Where the points and ranges are, once there are many.
	points map[lockKey]int
	ranges map[Range]struct{}
}

// AddPoint adds p, joining it with an equal key.
func (s *LockSet) AddPoint(p Point) {
	if i, ok := s.findPoint(p); ok {
		s.Points[i].Write = s.Points[i].Write || p.Write
		return
	}
	s.Points = append(s.Points, p)
	if s.points != nil {
		s.points[lockKey{p.Space, p.Key}] = len(s.Points) - 1
	}
}

// index makes findPoint quick.
func (s *LockSet) index() {
	if len(s.Points) >= indexFrom && len(s.points) != len(s.Points) {
		s.points = make(map[lockKey]int, 2*len(s.Points))
		for i, q := range s.Points {
			s.points[lockKey{q.Space, q.Key}] = i
		}
	}
}

func (s *LockSet) findPoint(p Point) (int, bool) {
	if len(s.Points) < indexFrom {
		for i := range s.Points {
			if q := &s.Points[i]; q.Space == p.Space && q.Key == p.Key {
				return i, true
			}
		}
		return 0, false
	}
	s.index()
	i, ok := s.points[lockKey{p.Space, p.Key}]
	return i, ok
}

// AddRange adds r unless it is there.
func (s *LockSet) AddRange(r Range) {
	if len(s.ranges) != len(s.Ranges) || s.ranges == nil {
		s.ranges = make(map[Range]struct{}, len(s.Ranges)+1)
		for _, q := range s.Ranges {
			s.ranges[q] = struct{}{}
		}
	}
	if _, ok := s.ranges[r]; !ok {
		s.ranges[r] = struct{}{}
		s.Ranges = append(s.Ranges, r)
	}
}

// empty reports whether there is nothing to lock.
func (s *LockSet) empty() bool { return len(s.Points)+len(s.Ranges) == 0 && !s.All }

// Ticket is one request for locks.
type Ticket struct {
	table *lockTable
	// rank orders requests that wait: its number, or the age of its holder
	// when that has locks already.
	rank uint64
	// entries are its places in line, by what it stands in line for.
	entries map[resource]*entry
	waits   int // entries that are not admitted yet
	// large is what a large request is for, else nil. Points up to next have
	// been looked at to take their places, up to left to leave them.
	large      *LockSet
	next, left int

	holder *holder // of an interactive transaction, else nil
	term   uint64  // of a script: in which it was requested
	// Granted is closed when the ticket has its locks, or the table was reset.
	Granted chan struct{}
}

// holder is an interactive transaction as the lock table sees it: it asks for
// locks bit by bit, with one ticket each time, and may wait while it holds
// some. Among holders that is kept from deadlock by wound-wait (Rosenkrantz,
// Stearns, Lewis, 1978), and scripts are minded by the same order:
//
//   - Invariant LOCK-3: a holder that has locks and wants more waits only for
//     scripts that have all of theirs, and for what is older than it: holders
//     of a greater age, and scripts that were queued before it began. A
//     younger holder that is in the way loses its locks at once, and with them
//     its transaction; whoever else is younger and waits, lets it pass. A holder that has
//     lost gets no lock any more.
//
// So a script is passed only by transactions that began before it came: a
// stream of new ones can not starve it.
type holder struct {
	age     uint64        // the number of its beginning: smaller is older
	base    *Ticket       // all it has been granted
	pending *Ticket       // what it waits for, or nil
	wounded chan struct{} // closed when it has lost
	cause   string        // whose fault: the key
}

// newHolder returns a transaction that holds nothing yet. age is that of an
// earlier try, or 0.
func (l *lockTable) newHolder(age uint64) *holder {
	if age == 0 {
		l.lastNo++
		age = l.lastNo
	}
	h := &holder{age: age, wounded: make(chan struct{})}
	h.base = &Ticket{table: l, rank: age, holder: h, entries: map[resource]*entry{}}
	return h
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
func (t *Ticket) granted() bool { return t.waits == 0 }

// mode returns in which mode the ticket has r, 0 for not at all.
func (t *Ticket) mode(r resource) mode {
	if e := t.entries[r]; e != nil {
		return e.mode
	}
	return 0
}

// covers reports whether the ticket's locks allow reading (or writing) key.
func (t *Ticket) covers(space kv.Space, key string, write bool) bool {
	if t == nil || len(t.entries) == 0 {
		return false
	}
	if m := t.mode(pointOf(space, key)); m == exclusive || m == shared && !write || t.mode(everything) == exclusive {
		return true
	}
	if write {
		return false
	}
	found := false
	t.table.covering(space, key, func(q *queue) {
		m := t.mode(q.of)
		found = found || m == shared || m == exclusive
	})
	return found
}

// coversRange reports whether the ticket holds the whole range.
func (t *Ticket) coversRange(r Range) bool {
	if t == nil || len(t.entries) == 0 {
		return false
	}
	holds := func(of resource) bool {
		m := t.mode(of)
		return m == shared || m == exclusive
	}
	if holds(rangeOf(r)) || t.mode(everything) == exclusive {
		return true
	}
	if !r.bounded() {
		return false
	}
	return holds(rangeOf(r.whole())) || slices.ContainsFunc(t.table.intervals, func(q *queue) bool {
		return q.interval.contains(&r) && holds(q.of)
	})
}
