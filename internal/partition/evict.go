package partition

import "runtime"

// A large row may take the place of a hundred thousand small ones. Who exceeds
// a bound evicts only a few rows while it keeps others waiting; the rest it
// evicts before it returns, some at a time.

// evict brings the row cache below its bound, or leaves that to tidy. What
// pinned cells leave in the way, later calls clear.
func (p *Partition) evict() {
	for n := 0; p.recent.bytes > p.opts.CacheBytes; n++ {
		if n == evictMax {
			p.untidy.Store(true)
			return
		}
		c := p.recent.victim(nil)
		if c == nil {
			return
		}
		p.dropCell(c)
	}
}

// dropCell forgets a cell that is not pinned.
func (p *Partition) dropCell(c *cell) {
	p.recent.remove(c)
	p.touchElsewhere(c.touched)
	delete(p.rows, c.key)
	c.gone = true
}

// evictEphemeral brings the ephemeral space below its bound, or leaves that to
// tidy.
func (p *Partition) evictEphemeral() {
	if !p.eph.shrink(p.clock.Last(), evictMax, p.isLocked) {
		p.untidy.Store(true)
	}
}

// tidy evicts what evict and evictEphemeral have left. Held: nothing.
func (p *Partition) tidy() {
	for p.untidy.Load() && p.untidy.Swap(false) {
		p.lock()
		p.evict()
		p.evictEphemeral()
		p.mu.Unlock()
		runtime.Gosched()
	}
}
