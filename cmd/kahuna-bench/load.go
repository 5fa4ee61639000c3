package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"kahuna"
)

// Bounds of the histograms, in nanoseconds.
const (
	latencyMin    = 1
	latencyMax    = int64(time.Minute)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
}

// caller is one client: its own random numbers, parameters and histogram.
type caller struct {
	rng    *rand.Rand
	params kahuna.Params
	hist   *hdrhistogram.Histogram
	failed int64
	first  error
	late   time.Duration // the longest a script was sent after it was due
}

func newCallers(n int, seed uint64) []*caller {
	callers := make([]*caller, n)
	for i := range callers {
		callers[i] = &caller{rng: rand.New(rand.NewPCG(seed, uint64(i))), params: kahuna.Params{}, hist: newHistogram()}
	}
	return callers
}

func (c *caller) reset() {
	c.hist.Reset()
	c.failed, c.first, c.late = 0, nil, 0
}

func (c *caller) note(d time.Duration, err error) {
	if err != nil {
		if c.failed++; c.first == nil {
			c.first = err
		}
		return
	}
	_ = c.hist.RecordValue(min(max(int64(d), latencyMin), latencyMax))
}

// closedLoop lets every caller make its calls one after the other until the
// time is over, and returns how long that took. What is called gets the number
// of the call.
func closedLoop(ctx context.Context, callers []*caller, d time.Duration, call func(c *caller, n int64) error) time.Duration {
	var wg sync.WaitGroup
	begin := time.Now()
	until := begin.Add(d)
	for i, c := range callers {
		wg.Go(func() {
			// One reading of the clock a call: the end of one is the start of
			// the next.
			start := time.Now()
			for n := int64(i); start.Before(until) && ctx.Err() == nil; n += int64(len(callers)) {
				err := call(c, n)
				end := time.Now()
				c.note(end.Sub(start), err)
				start = end
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// openLoop has rate calls a second due, whatever becomes of them, until the
// time is over. Each caller takes the next call that is due; when all of them
// are busy it starts late, and its latency counts from when it was due.
func openLoop(ctx context.Context, callers []*caller, d time.Duration, rate int, call func(c *caller, n int64) error) time.Duration {
	var wg sync.WaitGroup
	var next atomic.Int64
	begin := time.Now()
	total := int64(d.Seconds() * float64(rate))
	for _, c := range callers {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < total && ctx.Err() == nil; n = next.Add(1) - 1 {
				due := begin.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait)
				} else {
					c.late = max(c.late, -wait)
				}
				err := call(c, n)
				c.note(time.Since(due), err)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}
