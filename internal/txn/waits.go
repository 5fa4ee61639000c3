package txn

import (
	"sync/atomic"
	"time"
)

// Waits say how long callers have waited, by what for. The zero value is
// ready. It is kept without locks, and reads the clock only for who waits.
type Waits struct {
	Locks    Wait // for locks of others
	Room     Wait // for writes ahead to be written and applied
	Requests Wait // for a script that runs with the same idempotency key
	Durable  Wait // for the answer to become durable
	// Admission is the wait to be let on the slow path, GaveWay that of those
	// who are on it: for a turn, or to make up for the garbage they made.
	Admission, GaveWay Wait
	// Executor is the time in the executor, waiting for it included, of one
	// run of a Job in executorSample.
	Executor Wait
	// Committed counts interactive transactions, Conflicts those that lost
	// against another one.
	Committed, Conflicts atomic.Uint64
}

const executorSample = 256 // a power of two

// Wait adds up waits of one kind.
type Wait struct {
	count      atomic.Uint64
	total, max atomic.Int64
}

// since notes a wait that began at start.
func (w *Wait) since(start time.Time) { w.add(time.Since(start)) }

// add notes a wait of that length; none when it is 0.
func (w *Wait) add(length time.Duration) {
	d := int64(length)
	if d == 0 {
		return
	}
	w.count.Add(1)
	w.total.Add(d)
	for {
		most := w.max.Load()
		if d <= most || w.max.CompareAndSwap(most, d) {
			return
		}
	}
}

// Sum returns the number of waits, and how long all of them and the longest
// were.
func (w *Wait) Sum() (count uint64, total, most time.Duration) {
	return w.count.Load(), time.Duration(w.total.Load()), time.Duration(w.max.Load())
}
