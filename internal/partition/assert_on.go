//go:build invariants

package partition

const (
	largeSet = 2
	pieceMax = 1
	evictMax = 2
)

// assertAlone panics when t, which has just got its locks, has them together
// with somebody else.
func (l *lockTable) assertAlone(t *Ticket) {
	for _, e := range t.entries {
		for o := e.queue.head; o != nil; o = o.next {
			own := o.ticket == t || t.holder != nil && o.ticket.holder == t.holder
			assert(own || !o.ticket.granted() || agree(o.mode, e.mode), "LOCK-2: two have one lock")
		}
	}
}

// assert panics with the invariant's name when it is broken.
func assert(ok bool, invariant string) {
	if !ok {
		panic("invariant broken: " + invariant)
	}
}
