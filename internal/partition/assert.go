//go:build !invariants

package partition

// The bounds of what is done in pieces. With assertions they are so small that
// nearly everything in the tests is.
const (
	largeSet = 1024 // keys of a request from which on it is large
	pieceMax = 64   // its keys at a time
	evictMax = 256  // rows evicted without letting go of the mutex
)

func assert(bool, string) {}

func (l *lockTable) assertAlone(*Ticket) {}
