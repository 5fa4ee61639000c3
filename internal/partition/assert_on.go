//go:build invariants

package partition

// assert panics with the invariant's name when it is broken.
func assert(ok bool, invariant string) {
	if !ok {
		panic("invariant broken: " + invariant)
	}
}
