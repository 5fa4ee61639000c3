package store

import "sync/atomic"

// lifetime lets any number of calls run until the end and makes the end wait
// for them. Unlike a read lock it can be taken again by a call that holds it,
// also while somebody waits to end it: a visit function may call the store.
type lifetime struct {
	calls   atomic.Int64 // running calls, less endBias after the end began
	drained chan struct{}
}

const endBias = 1 << 62

func newLifetime() lifetime { return lifetime{drained: make(chan struct{}, 1)} }

// begin reports whether a call may run; if so it has to call done.
func (l *lifetime) begin() bool {
	if l.calls.Add(1) > 0 {
		return true
	}
	l.done()
	return false
}

func (l *lifetime) done() {
	if l.calls.Add(-1) == -endBias {
		select {
		case l.drained <- struct{}{}:
		default:
		}
	}
}

// end refuses new calls, calls tell so that those waiting for something give
// up, and waits for the running ones. It reports false when it was called
// before.
func (l *lifetime) end(tell func()) bool {
	for {
		n := l.calls.Load()
		if n < 0 {
			return false
		}
		if !l.calls.CompareAndSwap(n, n-endBias) {
			continue
		}
		tell()
		if n > 0 {
			<-l.drained
		}
		return true
	}
}
