package partition

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kahuna/internal/kv"
)

func isGranted(t *Ticket) bool {
	select {
	case <-t.Granted:
		return true
	default:
		return false
	}
}

func writing(keys ...string) *LockSet {
	var s LockSet
	for _, k := range keys {
		s.AddPoint(Point{kv.Persistent, k, true})
	}
	return &s
}

func reading(keys ...string) *LockSet {
	var s LockSet
	for _, k := range keys {
		s.AddPoint(Point{kv.Persistent, k, false})
	}
	return &s
}

func expectEmpty(t *testing.T, l *lockTable) {
	t.Helper()
	if n := len(l.active) + len(l.arriving) + len(l.queues) + len(l.prefixes) + l.ranges + l.written.Len(); n != 0 {
		t.Errorf("left over: %d active, %d queues, %d prefixes, %d ranges, %d written",
			len(l.active), len(l.queues), len(l.prefixes), l.ranges, l.written.Len())
	}
}

// TestLockTable walks through who waits for whom (Invariant LOCK-2).
func TestLockTable(t *testing.T) {
	l := newLockTable()
	l.large = 1000
	expect := func(what string, tk *Ticket, want bool) {
		t.Helper()
		if isGranted(tk) != want {
			t.Errorf("%s: granted %v, want %v", what, !want, want)
		}
	}
	r1, r2 := l.enqueue(reading("a")), l.enqueue(reading("a", "b"))
	w1 := l.enqueue(writing("a"))
	r3 := l.enqueue(reading("a"))
	bucket := l.enqueue(&LockSet{Ranges: []Range{{Space: kv.Persistent, Prefix: false, Text: "dir"}}})
	into := l.enqueue(writing("dir/x"))
	beside := l.enqueue(writing("dir/x/y"))
	expect("first reader", r1, true)
	expect("second reader", r2, true)
	expect("writer behind readers", w1, false)
	expect("reader behind a waiting writer", r3, false)
	expect("bucket", bucket, true)
	expect("writer into a read bucket", into, false)
	expect("writer outside of the bucket", beside, true)
	if !l.lockedByOther(nil, kv.Persistent, "a", false) || l.lockedByOther(r1, kv.Persistent, "a", false) {
		t.Error("a reader must mind the waiting writer, but not when it has the lock already")
	}
	if l.lockedByOther(nil, kv.Persistent, "b", false) || !l.lockedByOther(nil, kv.Persistent, "b", true) {
		t.Error("b is locked for writers only")
	}
	l.release(r1)
	expect("writer behind one reader", w1, false)
	l.release(w1) // gives up while waiting
	expect("reader, the writer has given up", r3, true)
	l.release(bucket)
	expect("writer, the bucket is free", into, true)
	all := l.enqueue(&LockSet{All: true})
	late := l.enqueue(reading("zzz"))
	expect("all", all, false)
	expect("behind all", late, false)
	for _, tk := range []*Ticket{r2, r3, into, beside} {
		l.release(tk)
	}
	expect("all, alone", all, true)
	expect("still behind all", late, false)
	l.release(all)
	expect("at last", late, true)
	l.release(late)
	expectEmpty(t, &l)
}

// conflict judges two sets without the table.
func conflict(a, b *LockSet) bool {
	if a.All || b.All {
		return true
	}
	for _, p := range a.Points {
		for _, q := range b.Points {
			if p.Space == q.Space && p.Key == q.Key && (p.Write || q.Write) {
				return true
			}
		}
	}
	into := func(points []Point, ranges []Range) bool {
		for _, p := range points {
			for _, r := range ranges {
				if p.Write && r.Covers(p.Space, p.Key) {
					return true
				}
			}
		}
		return false
	}
	return into(a.Points, b.Ranges) || into(b.Points, a.Ranges)
}

// modelLocks is the lock table written down plainly: a list of requests, of
// which one has its locks when none before it conflicts with it.
type modelLocks struct {
	requests []*modelRequest
}

type modelRequest struct {
	set     *LockSet
	rank    uint64
	ticket  *Ticket
	holder  *holder
	granted bool
	// arriving: it waits, but its place is what it would be.
	arriving bool
}

func (m *modelLocks) holds(h *holder) (n int) {
	for _, r := range m.requests {
		if r.holder == h && r.granted {
			n++
		}
	}
	return n
}

func (m *modelLocks) add(r *modelRequest) {
	m.requests = append(m.requests, r)
	m.settle()
}

func (m *modelLocks) remove(gone func(*modelRequest) bool) {
	m.requests = slices.DeleteFunc(m.requests, gone)
	m.settle()
}

func (m *modelLocks) settle() {
	slices.SortStableFunc(m.requests, func(a, b *modelRequest) int { return cmp.Compare(a.rank, b.rank) })
	for again := true; again; {
		again = false
		for i, r := range m.requests {
			if r.granted || r.arriving {
				continue
			}
			blocked := false
			for j, o := range m.requests {
				if (o.granted || j < i) && o != r && (r.holder == nil || o.holder != r.holder) && conflict(o.set, r.set) {
					blocked = true
				}
			}
			if !blocked {
				r.granted, again = true, true
			}
		}
	}
}

// TestLocksRandom runs random requests of scripts and interactive transactions
// and compares after each step with the plain model who has locks
// (Invariant LOCK-2), who lost them, and that somebody can always go on
// (Invariants LOCK-1 and LOCK-3). Now and then the table is reset, and old
// requests are given up after that. In every other run the requests of scripts
// count as large.
func TestLocksRandom(t *testing.T) {
	waited, wounded, passed, arrived, woken := 0, 0, 0, 0, 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 5))
		l := newLockTable()
		l.large, l.piece = 1000, 1000
		if seed%2 == 0 {
			l.large, l.piece = 1, 1
		}
		m := &modelLocks{}
		var scripts []*Ticket
		var holders []*holder
		set := func() *LockSet {
			var s LockSet
			for range rng.IntN(3) {
				s.AddPoint(Point{kv.Persistent, fmt.Sprintf("d/%c", 'a'+rng.IntN(4)), rng.IntN(2) == 0})
			}
			if rng.IntN(8) == 0 {
				s.AddPoint(Point{kv.Persistent, "d/a/x", rng.IntN(2) == 0})
			}
			if rng.IntN(6) == 0 {
				prefix := rng.IntN(2) == 0
				s.AddRange(Range{Space: kv.Persistent, Prefix: prefix, Text: "d"})
			}
			if rng.IntN(12) == 0 {
				s.AddRange(Range{Space: kv.Persistent, Prefix: true, Text: "d/a"})
			}
			return &s
		}
		forget := func(h *holder) {
			m.remove(func(r *modelRequest) bool { return r.holder == h })
			holders = slices.DeleteFunc(holders, func(o *holder) bool { return o == h })
		}
		for step := range 200 {
			if rng.IntN(100) == 0 {
				l.reset()
				for _, r := range m.requests {
					if !isGranted(r.ticket) {
						t.Fatalf("seed %d, step %d: who waits is not woken", seed, step)
					}
					if !r.granted {
						woken++
					}
				}
				expectEmpty(t, &l)
				m.requests = nil
			}
			switch rng.IntN(6) {
			case 5:
				if len(l.arriving) > 0 {
					tk := l.arriving[rng.IntN(len(l.arriving))]
					if !l.arrive(tk) {
						r := m.requests[slices.IndexFunc(m.requests, func(r *modelRequest) bool { return r.ticket == tk })]
						r.arriving = false
						m.settle()
						arrived++
					}
				}
			case 0:
				s := set()
				s.All = rng.IntN(30) == 0
				tk := l.enqueue(s)
				m.add(&modelRequest{set: s, rank: tk.rank, ticket: tk, arriving: slices.Contains(l.arriving, tk)})
				if !isGranted(tk) {
					waited++
				}
				scripts = append(scripts, tk)
			case 1:
				holders = append(holders, l.newHolder(0))
			case 2, 3:
				if len(holders) == 0 {
					break
				}
				h := holders[rng.IntN(len(holders))]
				if h.pending != nil {
					break
				}
				s := set()
				if s.empty() {
					break
				}
				rank := l.lastNo + 1
				if m.holds(h) > 0 {
					rank = h.age
					passed++
				}
				younger := map[*holder]bool{}
				for _, o := range holders {
					younger[o] = o.age > h.age
				}
				tk := l.enqueueFor(h, s, "k")
				m.add(&modelRequest{set: s, rank: rank, ticket: tk, holder: h})
				for o := range younger {
					if o.lost() {
						if !younger[o] {
							t.Fatalf("seed %d, step %d: an older transaction lost its locks", seed, step)
						}
						wounded++
						forget(o)
					}
				}
				for _, r := range m.requests {
					if !isGranted(tk) && r.granted && r.holder != nil && r.holder.age > h.age && conflict(r.set, s) {
						t.Fatalf("seed %d, step %d: a younger transaction is in the way and keeps its locks", seed, step)
					}
				}
			case 4:
				if len(scripts) > 0 {
					i := rng.IntN(len(scripts))
					gone := scripts[i]
					l.release(gone)
					m.remove(func(r *modelRequest) bool { return r.ticket == gone })
					scripts = append(scripts[:i], scripts[i+1:]...)
				}
				if len(holders) > 0 && rng.IntN(2) == 0 {
					h := holders[rng.IntN(len(holders))]
					l.releaseAll(h)
					forget(h)
				}
			}
			m.compare(t, &l, seed, step)
		}
		// Whoever has all it asked for ends: then everybody does, in turn.
		for len(l.active) > 0 {
			progress := false
			for tk := range l.active {
				if tk.holder == nil && (tk.granted() || slices.Contains(l.arriving, tk)) {
					for l.arrive(tk) {
					}
					if tk.granted() {
						l.release(tk)
					}
					progress = true
				} else if tk.holder != nil && tk.holder.pending == nil {
					l.releaseAll(tk.holder)
					progress = true
				}
			}
			if !progress {
				t.Fatalf("seed %d: deadlock among %d requests", seed, len(l.active))
			}
		}
		expectEmpty(t, &l)
	}
	if waited == 0 || wounded == 0 || passed == 0 || arrived == 0 || woken == 0 {
		t.Errorf("%d waited, %d wounded, %d asked for more, %d arrived, %d woken: this proved too little", waited, wounded, passed, arrived, woken)
	}
}

func (m *modelLocks) compare(t *testing.T, l *lockTable, seed uint64, step int) {
	t.Helper()
	for _, r := range m.requests {
		if isGranted(r.ticket) != r.granted {
			t.Fatalf("seed %d, step %d: %v %v all %v (rank %d) granted: %v, want %v",
				seed, step, r.set.Points, r.set.Ranges, r.set.All, r.rank, !r.granted, r.granted)
		}
		if !r.granted {
			continue
		}
		own := r.ticket
		if r.holder != nil {
			own = r.holder.base
		}
		for _, p := range r.set.Points {
			if !own.covers(p.Space, p.Key, p.Write) || l.lockedByOther(own, p.Space, p.Key, p.Write) {
				t.Fatalf("seed %d, step %d: the owner may not use %v", seed, step, p)
			}
		}
	}
	// What a script without locks must mind.
	for _, key := range []string{"d/a", "d/b", "d/a/x", "e"} {
		for _, write := range []bool{false, true} {
			one := &LockSet{Points: []Point{{kv.Persistent, key, write}}}
			want := slices.ContainsFunc(m.requests, func(r *modelRequest) bool { return conflict(one, r.set) })
			if got := l.lockedByOther(nil, kv.Persistent, key, write); got != want {
				t.Fatalf("seed %d, step %d: %s is locked (write %v): %v, want %v", seed, step, key, write, got, want)
			}
		}
	}
	for _, rng := range []Range{{Space: kv.Persistent, Prefix: false, Text: "d"}, {Space: kv.Persistent, Prefix: true, Text: "d"}, {Space: kv.Persistent, Prefix: false, Text: "d/a"}, {Space: kv.Ephemeral, Prefix: true, Text: "d"}} {
		one := &LockSet{Ranges: []Range{rng}}
		want := slices.ContainsFunc(m.requests, func(r *modelRequest) bool { return conflict(one, r.set) })
		if got := l.rangeLockedByOther(nil, rng); got != want {
			t.Fatalf("seed %d, step %d: %v is written in: %v, want %v", seed, step, rng, got, want)
		}
	}
}
