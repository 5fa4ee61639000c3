package node

import (
	"sync/atomic"
	"time"
)

// clock tells the physical time at a moment of the monotonic clock. Every run
// reads the latter twice, to say how long it took; time.Now would read the wall
// clock as well, which takes as long again. So what the two are apart is noted,
// and read anew when that is older than apartAge: when the clock is set, or
// slewed, this one follows so much later.
type clock struct {
	origin time.Time    // the moment 0
	apart  atomic.Int64 // Unix time in nanoseconds at the moment 0
	until  atomic.Int64 // moment up to which apart is good
}

const (
	apartAge = 10 * time.Millisecond
	// apartReading is how long reading both clocks may take. When it takes
	// longer something came between the two, and they are read again.
	apartReading = 2 * time.Microsecond
	apartTries   = 3
)

// newClock returns the clock of the machine.
func newClock() *clock { return &clock{origin: time.Now()} }

// moment reads the monotonic clock.
func (c *clock) moment() time.Duration { return time.Since(c.origin) }

// unixMilli returns the physical time at a moment that has just been read.
func (c *clock) unixMilli(at time.Duration) int64 {
	if int64(at) >= c.until.Load() {
		c.read(at)
	}
	return (c.apart.Load() + int64(at)) / int64(time.Millisecond)
}

// read notes what the clocks are apart. It is not before since.
func (c *clock) read(since time.Duration) {
	for range apartTries {
		now := time.Now()
		at := now.Sub(c.origin)
		c.set(now.UnixNano(), at)
		if at-since < apartReading {
			return
		}
		since = at
	}
}

// set notes that it is wall, in Unix nanoseconds, at a moment.
func (c *clock) set(wall int64, at time.Duration) {
	c.apart.Store(wall - int64(at))
	c.until.Store(int64(at + apartAge))
}
