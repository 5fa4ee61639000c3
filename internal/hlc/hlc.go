// Package hlc is the hybrid logical clock of Kulkarni, Demirbas et al.,
// "Logical Physical Clocks" (2014), packed into 64 bits: 44 bits of Unix
// milliseconds, 20 bits of counter. The physical time is the caller's: the
// clock itself never reads one. A counter that overflows carries into the
// milliseconds, which keeps the order.
package hlc

import "kahuna/script"

// Timestamp is a reading. It is ordered by <; zero means "none".
type Timestamp = script.Timestamp

// CounterBits is the width of the logical part.
const CounterBits = 20

// At returns the first timestamp of a millisecond.
func At(ms int64) Timestamp { return Timestamp(ms) << CounterBits }

// Last returns the last timestamp of a millisecond: a version committed at or
// before it was committed at or before ms.
func Last(ms int64) Timestamp { return At(ms+1) - 1 }

// Clock gives strictly increasing readings. The zero Clock is ready. It is
// not safe for concurrent use.
type Clock struct{ last Timestamp }

// Next returns a reading above every earlier one and not before physicalMs.
func (c *Clock) Next(physicalMs int64) Timestamp {
	c.last = max(c.last+1, At(physicalMs))
	return c.last
}

// Observe makes later readings exceed t.
func (c *Clock) Observe(t Timestamp) { c.last = max(c.last, t) }

// Last returns the newest reading given or observed.
func (c *Clock) Last() Timestamp { return c.last }
