package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"kahuna"
)

// result is what was measured of a workload.
type result struct {
	Workload    string  `json:"workload"`
	Ephemeral   bool    `json:"ephemeral,omitempty"`
	Memory      bool    `json:"memory,omitempty"` // the store has no files
	Server      string  `json:"server,omitempty"` // its address, when it is no store in this process
	Concurrency int     `json:"concurrency"`
	Keys        int     `json:"keys"`
	Rate        int     `json:"rate,omitempty"`
	Seconds     float64 `json:"seconds"`
	Scripts     int64   `json:"scripts"`
	Failed      int64   `json:"failed"`
	PerSecond   float64 `json:"scriptsPerSecond"`
	latencies
	// Open loop: how long after they were due scripts were sent, which is part
	// of the latencies, and how many were due and not sent before the end.
	Lag     *latencies `json:"lag,omitempty"`
	Unsent  int64      `json:"unsent,omitempty"`
	Fsyncs  uint64     `json:"fsyncs"`
	Batch   float64    `json:"scriptsPerBatch"`
	Evicted uint64     `json:"evicted,omitempty"`
	// HarnessNs is what a call costs without a store.
	HarnessNs float64 `json:"harnessNs"`

	firstError error
}

// latencies are in microseconds.
type latencies struct {
	Mean float64 `json:"meanUs"`
	P50  float64 `json:"p50Us"`
	P90  float64 `json:"p90Us"`
	P99  float64 `json:"p99Us"`
	P999 float64 `json:"p999Us"`
	Max  float64 `json:"maxUs"`
}

// measure runs the workload and collects the latencies.
func measure(ctx context.Context, f *flags, db subject, w *workload, stderr io.Writer) (*result, error) {
	r := &result{Workload: w.name, Ephemeral: f.Ephemeral, Memory: f.Embedded == "" && f.Connect == "", Server: f.Connect, Concurrency: f.callers(), Keys: w.keys, Rate: f.Rate,
		HarnessNs: harnessCost(ctx, w, f.Seed)}
	callers := newCallers(r.Concurrency, f.Seed)
	call := w.call(ctx)
	loop := func(d time.Duration) (unsent int64) {
		if f.Rate > 0 {
			return openLoop(ctx, callers, d, f.Rate, call)
		}
		closedLoop(ctx, callers, d, call)
		return 0
	}
	p := showProgress(stderr, "warming up", f.Warmup, db)
	if f.Warmup > 0 {
		loop(f.Warmup)
	}
	p.stop()
	for _, c := range callers {
		c.reset()
	}
	profile, err := startProfile(f.CPUProfile)
	if err != nil {
		return nil, err
	}
	before, begin := statsOf(db), time.Now()
	p = showProgress(stderr, w.name, f.Duration, db)
	r.Unsent = loop(f.Duration)
	p.stop()
	r.Seconds = time.Since(begin).Seconds()
	r.count(before, statsOf(db))
	r.collect(total(callers))
	if err := errors.Join(profile.stop(), writeAllocations(f.MemProfile), ctx.Err()); err != nil {
		return nil, err
	}
	if r.Scripts == 0 {
		return nil, errors.Join(errors.New("no script succeeded while measuring"), r.firstError)
	}
	return r, nil
}

// call returns what a caller of the workload does.
func (w *workload) call(ctx context.Context) func(c *caller, n int64) error {
	return func(c *caller, n int64) error {
		w.params(c.params, c.rng, n)
		_, err := w.program.Run(ctx, c.params, nil)
		return err
	}
}

// harnessCost measures what a call costs without a store, in nanoseconds: the
// parameters, the clock, and the histogram.
func harnessCost(ctx context.Context, w *workload, seed uint64) float64 {
	c := newCallers(1, seed)
	closedLoop(ctx, c, 50*time.Millisecond, func(c *caller, n int64) error {
		w.params(c.params, c.rng, n)
		return nil
	})
	return float64(c[0].hist.ValueAtQuantile(50))
}

// count takes over what the store has counted.
func (r *result) count(before, after kahuna.Stats) {
	if !r.Memory {
		r.Fsyncs = after.Fsyncs - before.Fsyncs
	}
	r.Evicted = after.EphemeralEvicted - before.EphemeralEvicted
	if batches := after.Batches - before.Batches; batches > 0 {
		r.Batch = float64(after.BatchedScripts-before.BatchedScripts) / float64(batches)
	}
}

func (r *result) collect(all *record) {
	r.Scripts, r.Failed, r.firstError = all.hist.TotalCount(), all.failed, all.first
	r.PerSecond = float64(r.Scripts) / r.Seconds
	r.latencies = newLatencies(all.hist)
	if r.Rate > 0 {
		lag := newLatencies(all.lag)
		r.Lag = &lag
	}
}

func newLatencies(h *hdrhistogram.Histogram) latencies {
	us := func(quantile float64) float64 { return float64(h.ValueAtQuantile(quantile)) / 1000 }
	return latencies{h.Mean() / 1000, us(50), us(90), us(99), us(99.9), float64(h.Max()) / 1000}
}

func (l latencies) String() string {
	return fmt.Sprintf("mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f", l.Mean, l.P50, l.P90, l.P99, l.P999, l.Max)
}

// print writes the result as text or JSON.
func (r *result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop at %d/s", r.Rate)
	}
	space := "persistent"
	switch {
	case r.Ephemeral:
		space = "ephemeral"
	case r.Memory:
		space = "persistent space in memory"
	}
	counted := fmt.Sprintf(", %.1f to a batch, %d fsyncs", r.Batch, r.Fsyncs)
	if r.Server != "" {
		space, counted = space+" space of "+r.Server, ""
	}
	text := fmt.Sprintf(`%s: %s, %d callers, %d keys, %s, %.1f s
  %.0f scripts/s (%d done, %d failed)%s
  latency µs: %v
  of which the harness %.2f
`, r.Workload, space, r.Concurrency, r.Keys, loop, r.Seconds, r.PerSecond, r.Scripts, r.Failed, counted,
		r.latencies, r.HarnessNs/1000)
	if r.Lag != nil {
		text += fmt.Sprintf("  of which sent late: %v\n", r.Lag)
	}
	if r.Unsent > 0 {
		text += fmt.Sprintf("  fell behind: of the scripts that were due %d were not sent, and are in no figure\n", r.Unsent)
	}
	if r.Evicted > 0 {
		text += fmt.Sprintf("  %d rows were evicted for lack of memory\n", r.Evicted)
	}
	if r.firstError != nil {
		text += fmt.Sprintf("  first failure: %v\n", r.firstError)
	}
	_, err := io.WriteString(w, text)
	return err
}
