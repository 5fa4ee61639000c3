package resp

import "time"

// outputWatch bounds the answers that a connection does not read. At half the
// bound its requests are not run any more, until it has read; when it reads
// nothing for Options.Patience, or something takes it over the bound, it is cut
// off.
//
// gnet tells nobody when it has written what it keeps, so a connection that
// stopped is looked at again and again.
type outputWatch struct {
	counted int64         // of the server's output
	least   int64         // that waited since the connection was paused
	since   time.Duration // when it last read
	paused  bool
	timer   *time.Timer
}

// pausePoll is how often a paused connection is looked at.
const pausePoll = 5 * time.Millisecond

// full reports whether the next request has to wait for its reader.
func (o *outputWatch) full(c *conn) bool {
	o.paused = o.counted+int64(len(c.out))+c.held.Load() > c.server.o.OutputBytes/2
	return o.paused
}

// check notes how much c has not read. It reports false when c is to be cut off.
func (o *outputWatch) check(c *conn) bool {
	s := c.server
	n := int64(c.outbound())
	s.output.Add(n - o.counted)
	o.counted = n
	why := ""
	switch {
	case !o.paused || n < o.least:
		o.least, o.since = n, s.now
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
	if o.paused {
		if o.timer == nil {
			o.timer = time.AfterFunc(pausePoll, c.wake)
		} else {
			o.timer.Reset(pausePoll)
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
// they may. It counts what gnet has written since.
func (s *Server) outputOver() bool {
	if s.output.Load() <= s.o.AllOutputBytes {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		n := int64(c.outbound())
		s.output.Add(n - c.output.counted)
		c.output.counted = n
	}
	return s.output.Load() > s.o.AllOutputBytes
}

// share is the part of a bound of all connections that each of them has.
func (s *Server) share(all int64) int64 { return all / max(s.open.Load(), 1) }
