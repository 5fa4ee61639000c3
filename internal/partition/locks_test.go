package partition

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

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

// TestWoundedAsksAgain (Invariant LOCK-3): a holder that has lost its locks may not know yet and
// ask for more. It is wounded like any other then; asking around it ends.
func TestWoundedAsksAgain(t *testing.T) {
	l := newLockTable()
	older := &holder{age: 1, wounded: make(chan struct{})}
	younger := &holder{age: 2, wounded: make(chan struct{})}
	l.enqueueFor(younger, writing("a"), "a")
	l.enqueueFor(older, writing("a"), "a")
	if !younger.lost() {
		t.Fatal("the younger one was not wounded")
	}
	l.enqueueFor(younger, writing("b"), "b")
	done := make(chan *Ticket, 1)
	go func() { done <- l.enqueueFor(older, writing("b"), "b") }()
	select {
	case tk := <-done:
		if !isGranted(tk) {
			t.Error("the older one must have its lock")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("wounding goes on for ever")
	}
	l.releaseAll(younger)
	l.releaseAll(older)
	if len(l.active) != 0 {
		t.Errorf("%d requests are left", len(l.active))
	}
}

// TestLockTable walks through who waits for whom (Invariant LOCK-2).
func TestLockTable(t *testing.T) {
	l := newLockTable()
	expect := func(what string, tk *Ticket, want bool) {
		t.Helper()
		if isGranted(tk) != want {
			t.Errorf("%s: granted %v, want %v", what, !want, want)
		}
	}
	r1, r2 := l.enqueue(reading("a")), l.enqueue(reading("a", "b"))
	w1 := l.enqueue(writing("a"))
	r3 := l.enqueue(reading("a"))
	bucket := l.enqueue(&LockSet{Ranges: []Range{{kv.Persistent, false, "dir"}}})
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
	if len(l.active)+len(l.queues)+len(l.ranges) != 0 {
		t.Errorf("left over: %d active, %d queues, %d ranges", len(l.active), len(l.queues), len(l.ranges))
	}
}

// TestLocksRandom runs random requests of scripts and interactive transactions
// and checks after each step that no two granted ones conflict and that
// somebody can always go on (Invariants LOCK-1 and LOCK-3).
func TestLocksRandom(t *testing.T) {
	waited, wounded := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 5))
		l := newLockTable()
		var scripts []*Ticket
		var holders []*holder
		set := func() *LockSet {
			var s LockSet
			for range 1 + rng.IntN(2) {
				s.AddPoint(Point{kv.Persistent, fmt.Sprintf("d/%c", 'a'+rng.IntN(4)), rng.IntN(2) == 0})
			}
			if rng.IntN(6) == 0 {
				s.AddRange(Range{kv.Persistent, rng.IntN(2) == 0, "d"})
			}
			return &s
		}
		busy := func(h *holder) bool {
			n := len(h.tickets)
			return n > 0 && !isGranted(h.tickets[n-1])
		}
		for step := range 200 {
			switch rng.IntN(5) {
			case 0:
				tk := l.enqueue(set())
				if !isGranted(tk) {
					waited++
				}
				scripts = append(scripts, tk)
			case 1:
				holders = append(holders, &holder{age: uint64(seed)*1000 + uint64(step), wounded: make(chan struct{})})
			case 2, 3:
				if len(holders) > 0 {
					if h := holders[rng.IntN(len(holders))]; !h.lost() && !busy(h) {
						l.enqueueFor(h, set(), "k")
					}
				}
			case 4:
				if len(scripts) > 0 {
					i := rng.IntN(len(scripts))
					l.release(scripts[i])
					scripts = append(scripts[:i], scripts[i+1:]...)
				}
				if len(holders) > 0 && rng.IntN(2) == 0 {
					i := rng.IntN(len(holders))
					l.releaseAll(holders[i])
					holders = append(holders[:i], holders[i+1:]...)
				}
			}
			checkLocks(t, &l, seed, step)
			kept := holders[:0]
			for _, h := range holders {
				if h.lost() {
					wounded++
					continue
				}
				kept = append(kept, h)
			}
			holders = kept
		}
		// Whoever has all it asked for ends: then everybody does, in turn.
		for len(l.active) > 0 {
			progress := false
			for tk := range l.active {
				if tk.holder == nil && isGranted(tk) {
					l.release(tk)
					progress = true
				} else if tk.holder != nil && !busy(tk.holder) {
					l.releaseAll(tk.holder)
					progress = true
				}
			}
			if !progress {
				t.Fatalf("seed %d: deadlock among %d requests", seed, len(l.active))
			}
		}
	}
	if waited == 0 || wounded == 0 {
		t.Errorf("%d waited, %d wounded: this proved too little", waited, wounded)
	}
}

func checkLocks(t *testing.T, l *lockTable, seed uint64, step int) {
	t.Helper()
	for a := range l.active {
		if a.granted() != isGranted(a) {
			t.Fatalf("seed %d, step %d: granted and its channel differ", seed, step)
		}
		for b := range l.active {
			if a != b && !same(a, b) && a.granted() && b.granted() && conflict(a, b) {
				t.Fatalf("seed %d, step %d: two conflicting requests are granted: %v %v, %v %v", seed, step, a.points, a.ranges, b.points, b.ranges)
			}
		}
	}
}
