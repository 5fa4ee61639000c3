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

// caller is one client: its own random numbers and parameters.
type caller struct {
	rng    *rand.Rand
	params kahuna.Params
	next   int64 // number of its next call
	step   int64
	*record
}

// record is what was measured. With many callers several share one.
type record struct {
	mu     sync.Mutex
	hist   *hdrhistogram.Histogram // of calls that succeeded
	lag    *hdrhistogram.Histogram // open loop: between due and sent
	failed int64
	first  error
}

// recordsMost bounds the memory of histograms: each has some 200 kB.
const recordsMost = 64

func newCallers(n int, seed uint64) []*caller {
	records := make([]*record, min(n, recordsMost))
	for i := range records {
		records[i] = &record{hist: newHistogram(), lag: newHistogram()}
	}
	callers := make([]*caller, n)
	for i := range callers {
		callers[i] = &caller{rng: rand.New(rand.NewPCG(seed, uint64(i))), params: kahuna.Params{},
			next: int64(i), step: int64(n), record: records[i%len(records)]}
	}
	return callers
}

func (r *record) reset() {
	r.hist.Reset()
	r.lag.Reset()
	r.failed, r.first = 0, nil
}

// note records a call that was sent lag after it was due and took d since.
func (r *record) note(d, lag time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lag > 0 {
		recordDuration(r.lag, lag)
	}
	if err != nil {
		if r.failed++; r.first == nil {
			r.first = err
		}
		return
	}
	recordDuration(r.hist, lag+d)
}

func recordDuration(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), latencyMin), latencyMax))
}

// total adds up the records of the callers.
func total(callers []*caller) *record {
	all := &record{hist: newHistogram(), lag: newHistogram()}
	for i, c := range callers {
		if i >= recordsMost {
			break // these share the records of the first ones
		}
		all.hist.Merge(c.hist)
		all.lag.Merge(c.lag)
		all.failed += c.failed
		if all.first == nil {
			all.first = c.first
		}
	}
	return all
}

// closedLoop lets every caller make its calls one after the other until the
// time is over, and one call at least, and returns how long that took. What is
// called gets the number of the call.
func closedLoop(ctx context.Context, callers []*caller, d time.Duration, call func(c *caller, n int64) error) time.Duration {
	var wg sync.WaitGroup
	begin := time.Now()
	until := begin.Add(d)
	for _, c := range callers {
		wg.Go(func() {
			// One reading of the clock a call: the end of one is the start of
			// the next.
			for start := time.Now(); ctx.Err() == nil; {
				err := call(c, c.next)
				c.next += c.step
				end := time.Now()
				c.note(end.Sub(start), 0, err)
				if start = end; !start.Before(until) {
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// openGrace is how long after its end an open loop still sends what was due
// before.
const openGrace = time.Second

// openLoop has rate calls a second due, whatever becomes of them, until the
// time is over, and returns how many of them it could not send. Each caller
// takes the next call that is due; when all of them are busy it is sent late,
// and its latency counts from when it was due.
func openLoop(ctx context.Context, callers []*caller, d time.Duration, rate int, call func(c *caller, n int64) error) (unsent int64) {
	var wg sync.WaitGroup
	var next, sent atomic.Int64
	begin := time.Now()
	until := begin.Add(d + openGrace)
	total := int64(d.Seconds() * float64(rate))
	base := callers[0].next
	for _, c := range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				due := begin.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
				if n >= total || !sleepUntil(ctx, due) {
					return
				}
				start := time.Now()
				if !start.Before(until) {
					return
				}
				sent.Add(1)
				err := call(c, base+n)
				c.note(time.Since(start), start.Sub(due), err)
			}
		})
	}
	wg.Wait()
	callers[0].next = base + total
	return total - sent.Load()
}

// sleepUntil waits until due and reports whether ctx has not ended.
func sleepUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
