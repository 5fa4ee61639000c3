package partition

// Faults are ways to do wrong on purpose. Tests of whole histories set them to
// show that they would notice; nothing else does. They are options and no build
// tag, so that the tests of every build have them; a usual script pays for that
// with two looks at a word that is at hand.
type Faults uint32

// The faults.
const (
	// FaultNoValidation: what was read without a lock is not validated.
	FaultNoValidation Faults = 1 << iota
	// FaultNoLocks: interactive transactions take no locks, and yet trust what
	// they have read.
	FaultNoLocks
	// FaultEarlyAnswer: answers do not wait until they are durable.
	FaultEarlyAnswer
	// FaultLostUpdate: keys that a transaction read without a lock and then
	// wrote are not validated.
	FaultLostUpdate
	// FaultTime: time may overtake what runs outside the executor.
	FaultTime
	// FaultTwoClocks: every other script judges expiry by a slow clock.
	FaultTwoClocks
	// FaultStaleRead: rows are read as the store shows them, without what is
	// ordered and not yet applied.
	FaultStaleRead
	// FaultPhantoms: ranges are neither locked nor validated.
	FaultPhantoms
	// FaultFailedWrites: what a script wrote stays when it fails.
	FaultFailedWrites
	// FaultForgetful: results of idempotency keys are forgotten at once.
	FaultForgetful
)

// slowClockMs is how far FaultTwoClocks sets the clock back.
const slowClockMs = 8

// faulty reports whether f is on.
func (p *Partition) faulty(f Faults) bool { return p.opts.Faults&f != 0 }
