package resp

import "time"

// outputWatch bounds the answers that a connection does not read. At half the
// bound its requests are not run any more, until it has read. It is cut off when
// something takes it over the bound, and when it reads nothing for
// Options.Patience while its requests, or its end, wait for it.
type outputWatch struct {
	counted int64 // of the server's output
	paused  bool  // requests wait
	waiting bool  // requests or the end wait
	least   int64 // that was unsent since then
	since   time.Duration
	timer   *time.Timer
}

// full reports whether the next request has to wait for its reader.
func (o *outputWatch) full(c *conn) bool {
	o.paused = c.unsent()+c.held.Load() > c.server.o.OutputBytes/2
	return o.paused
}

// check notes how much c has not read. It reports false when c is to be cut off.
func (o *outputWatch) check(c *conn) bool {
	s := c.server
	n := c.unsent()
	if n != o.counted {
		s.output.Add(n - o.counted)
		o.counted = n
	}
	why := ""
	waits := n > 0 && (o.paused || c.half || c.ends())
	switch {
	case !waits:
		o.waiting = false
	case !o.waiting || n < o.least:
		o.waiting, o.least, o.since = true, n, s.now
	case s.now-o.since > s.o.Patience:
		why = "it does not read its answers"
	}
	if n > s.o.OutputBytes || c.flooded.Load() || n > s.share(s.o.AllOutputBytes) && s.outputOver() {
		why = "it does not read its answers fast enough"
	}
	if why != "" {
		s.o.Logger.Warn("redis: connection cut off: "+why, "remote", c.remote, "waiting", n+c.held.Load())
		return false
	}
	if o.paused && n+c.held.Load() <= s.o.OutputBytes/2 {
		c.wake() // the requests that wait can be run
	}
	if waits { // the sender tells when c reads, but not when it does not
		if o.timer == nil {
			o.timer = time.AfterFunc(s.o.Patience/4, c.wake)
		} else {
			o.timer.Reset(s.o.Patience / 4)
		}
	}
	return true
}

// end forgets what is counted for c.
func (o *outputWatch) end(c *conn) {
	c.server.output.Add(-o.counted)
	o.counted = 0
	if o.timer != nil {
		o.timer.Stop()
	}
}

// outputOver reports whether all connections together have not read more than
// they may. It counts what the senders have written since.
func (s *Server) outputOver() bool {
	if s.output.Load() <= s.o.AllOutputBytes {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		n := c.unsent()
		s.output.Add(n - c.output.counted)
		c.output.counted = n
	}
	return s.output.Load() > s.o.AllOutputBytes
}

// share is the part of a bound of all connections that each of them has.
func (s *Server) share(all int64) int64 { return all / max(s.open.Load(), 1) }
