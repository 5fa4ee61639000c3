package node

import (
	"testing"
	"time"
)

// TestClock: the time goes on from what was noted last, also when the machine's
// clock was set back, and is read anew when that is old.
func TestClock(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	c := newClock()
	at := 7 * time.Second
	for _, noted := range []int64{1_000_000 * second, 999_000 * second, 1_000_500*second + int64(time.Millisecond) - 1} {
		c.set(noted, at)
		for _, later := range []time.Duration{0, 1, 3 * time.Millisecond, apartAge - 1} {
			if got, want := c.unixMilli(at+later), (noted+int64(later))/int64(time.Millisecond); got != want {
				t.Errorf("%v after %d: %d, want %d", later, noted, got, want)
			}
		}
		at += apartAge
	}
	at = c.moment()
	c.set(second, at-apartAge)
	if got, most := c.unixMilli(at), time.Now().UnixMilli(); got < most-int64(time.Hour/time.Millisecond) || got > most {
		t.Errorf("it is %d, want about %d", got, most)
	}
}
