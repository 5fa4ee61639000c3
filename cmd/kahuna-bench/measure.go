package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"kahuna"
)

const (
	latencyMin    = 1 // ns
	latencyMax    = int64(time.Minute)
	latencyDigits = 3
)

// result is what was measured.
type result struct {
	Workload    string  `json:"workload"`
	Concurrency int     `json:"concurrency"`
	Keys        int     `json:"keys"`
	Rate        int     `json:"rate,omitempty"`
	Seconds     float64 `json:"seconds"`
	Scripts     int64   `json:"scripts"`
	Failed      int64   `json:"failed"`
	PerSecond   float64 `json:"scriptsPerSecond"`
	// Latencies in microseconds.
	Mean  float64 `json:"meanUs"`
	P50   float64 `json:"p50Us"`
	P90   float64 `json:"p90Us"`
	P99   float64 `json:"p99Us"`
	P999  float64 `json:"p999Us"`
	Max   float64 `json:"maxUs"`
	Fsync uint64  `json:"fsyncs"`
	Batch float64 `json:"scriptsPerBatch"`

	firstError error
}

// caller is one client: its own random numbers and histogram.
type caller struct {
	rng    *rand.Rand
	params kahuna.Params
	hist   *hdrhistogram.Histogram
	failed int64
	first  error
}

// measure runs the workload and collects the latencies.
func measure(ctx context.Context, f *flags, db *kahuna.DB, w *workload) (*result, error) {
	begin := time.Now()
	from := begin.Add(f.Warmup)
	until := from.Add(f.Duration)
	ctx, cancel := context.WithDeadline(ctx, until.Add(30*time.Second))
	defer cancel()

	var sent, measured atomic.Int64
	var before kahuna.Stats
	var once sync.Once
	var wg sync.WaitGroup
	callers := make([]*caller, f.Concurrency)
	for i := range callers {
		c := &caller{rng: rand.New(rand.NewPCG(f.Seed, uint64(i))), params: kahuna.Params{},
			hist: hdrhistogram.New(latencyMin, latencyMax, latencyDigits)}
		callers[i] = c
		wg.Go(func() {
			for ctx.Err() == nil {
				n := sent.Add(1)
				start := time.Now()
				if f.Rate > 0 {
					due := begin.Add(time.Duration(float64(n-1) / float64(f.Rate) * float64(time.Second)))
					if wait := due.Sub(start); wait > 0 {
						time.Sleep(wait)
					}
					start = due
				}
				if !start.Before(until) || f.Rate == 0 && !time.Now().Before(until) {
					return
				}
				w.params(c.params, c.rng, n)
				_, err := w.program.Run(ctx, c.params)
				if start.Before(from) {
					continue
				}
				once.Do(func() { before = db.Stats() })
				c.note(time.Since(start), err)
				measured.Add(1)
			}
		})
	}
	progressDone := make(chan struct{})
	var progress sync.WaitGroup
	progress.Go(func() { showProgress(progressDone, &sent, until) })
	wg.Wait()
	close(progressDone)
	progress.Wait()
	return collect(f, callers, time.Since(from), before, db.Stats())
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

// showProgress writes a line a second to a terminal.
func showProgress(done <-chan struct{}, sent *atomic.Int64, until time.Time) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := int64(0)
	for {
		select {
		case <-done:
			fmt.Fprint(os.Stderr, "\r\x1b[K")
			return
		case <-tick.C:
			n := sent.Load()
			fmt.Fprintf(os.Stderr, "\r\x1b[K%d scripts/s, %v to go", n-last, time.Until(until).Round(time.Second))
			last = n
		}
	}
}

func collect(f *flags, callers []*caller, took time.Duration, before, after kahuna.Stats) (*result, error) {
	all := hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
	r := &result{Workload: f.Workload, Concurrency: f.Concurrency, Keys: f.Keys, Rate: f.Rate}
	for _, c := range callers {
		all.Merge(c.hist)
		r.Failed += c.failed
		if r.firstError == nil {
			r.firstError = c.first
		}
	}
	r.Scripts = all.TotalCount()
	if r.Scripts == 0 {
		return nil, errors.Join(errors.New("no script succeeded while measuring"), r.firstError)
	}
	us := func(ns int64) float64 { return float64(ns) / 1000 }
	r.Seconds = took.Seconds()
	r.PerSecond = float64(r.Scripts) / r.Seconds
	r.Mean = all.Mean() / 1000
	r.P50, r.P90 = us(all.ValueAtQuantile(50)), us(all.ValueAtQuantile(90))
	r.P99, r.P999 = us(all.ValueAtQuantile(99)), us(all.ValueAtQuantile(99.9))
	r.Max = us(all.Max())
	r.Fsync = after.Fsyncs - before.Fsyncs
	if batches := after.Batches - before.Batches; batches > 0 {
		r.Batch = float64(after.BatchedScripts-before.BatchedScripts) / float64(batches)
	}
	return r, nil
}

// print writes the result as text or JSON.
func (r *result) print(w io.Writer, f *flags) error {
	if f.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop at %d/s", r.Rate)
	}
	_, err := fmt.Fprintf(w, `%s: %d callers, %d keys, %s, %.1f s
  %.0f scripts/s (%d done, %d failed), %.1f to a batch, %d fsyncs
  latency µs: mean %.0f  p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f
`, r.Workload, r.Concurrency, r.Keys, loop, r.Seconds, r.PerSecond, r.Scripts, r.Failed, r.Batch, r.Fsync,
		r.Mean, r.P50, r.P90, r.P99, r.P999, r.Max)
	if err == nil && r.firstError != nil {
		_, err = fmt.Fprintf(w, "  first failure: %v\n", r.firstError)
	}
	return err
}
