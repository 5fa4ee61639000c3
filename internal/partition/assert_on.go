//go:build invariants

package partition

// assertAlone panics when t, which has just got its locks, has them together
// with somebody else.
func (l *lockTable) assertAlone(t *Ticket) {
	for o := range l.active {
		assert(same(o, t) || !o.granted() || !conflict(o, t), "LOCK-2: two have one lock")
	}
}

// assert panics with the invariant's name when it is broken.
func assert(ok bool, invariant string) {
	if !ok {
		panic("invariant broken: " + invariant)
	}
}
