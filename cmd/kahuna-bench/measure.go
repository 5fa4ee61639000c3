package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"kahuna"
)

// result is what was measured of a workload.
type result struct {
	Workload    string  `json:"workload"`
	Ephemeral   bool    `json:"ephemeral,omitempty"`
	Concurrency int     `json:"concurrency"`
	Keys        int     `json:"keys"`
	Rate        int     `json:"rate,omitempty"`
	Seconds     float64 `json:"seconds"`
	Scripts     int64   `json:"scripts"`
	Failed      int64   `json:"failed"`
	PerSecond   float64 `json:"scriptsPerSecond"`
	// Open loop: scripts that were due and not sent in time to measure them,
	// and how long after it was due one was sent at the most.
	Unsent int64   `json:"unsent,omitempty"`
	LateMs float64 `json:"lateMs,omitempty"`
	latencies
	Fsyncs  uint64  `json:"fsyncs"`
	Batch   float64 `json:"scriptsPerBatch"`
	Evicted uint64  `json:"evicted,omitempty"`
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
func measure(ctx context.Context, f *flags, db *kahuna.DB, w *workload, stderr io.Writer) (*result, error) {
	callers := newCallers(f.Concurrency, f.Seed)
	loop := func(d time.Duration, call func(*caller, int64) error) time.Duration {
		if f.Rate > 0 {
			return openLoop(ctx, callers, d, f.Rate, call)
		}
		return closedLoop(ctx, callers, d, call)
	}
	harness := harnessCost(ctx, w, f.Seed)
	p := showProgress(stderr, "warming up", f.Warmup, db)
	call := w.call(ctx)
	loop(f.Warmup, call)
	p.stop()
	for _, c := range callers {
		c.reset()
	}
	profile, err := startProfile(f.CPUProfile)
	if err != nil {
		return nil, err
	}
	before := db.Stats()
	p = showProgress(stderr, w.name, f.Duration, db)
	took := loop(f.Duration, call)
	p.stop()
	after := db.Stats()
	if err := errors.Join(profile.stop(), writeAllocations(f.MemProfile), ctx.Err()); err != nil {
		return nil, err
	}
	r := &result{Workload: w.name, Ephemeral: f.Ephemeral, Concurrency: f.Concurrency, Keys: w.keys, Rate: f.Rate,
		Seconds: took.Seconds(), HarnessNs: harness, Fsyncs: after.Fsyncs - before.Fsyncs,
		Evicted: after.EphemeralEvicted - before.EphemeralEvicted}
	if batches := after.Batches - before.Batches; batches > 0 {
		r.Batch = float64(after.BatchedScripts-before.BatchedScripts) / float64(batches)
	}
	r.collect(callers)
	if r.Scripts == 0 {
		return nil, errors.Join(errors.New("no script succeeded while measuring"), r.firstError)
	}
	if f.Rate > 0 {
		r.Unsent = int64(f.Duration.Seconds()*float64(f.Rate)) - r.Scripts - r.Failed
	}
	return r, nil
}

// call returns what a caller of the workload does.
func (w *workload) call(ctx context.Context) func(c *caller, n int64) error {
	return func(c *caller, n int64) error {
		w.params(c.params, c.rng, n)
		_, err := w.program.Run(ctx, c.params)
		return err
	}
}

// harnessCost measures what a call costs without a store, in nanoseconds: the
// parameters, the clock, and the histogram.
func harnessCost(ctx context.Context, w *workload, seed uint64) float64 {
	c := newCallers(1, seed)
	took := closedLoop(ctx, c, 50*time.Millisecond, func(c *caller, n int64) error {
		w.params(c.params, c.rng, n)
		return nil
	})
	return float64(took) / float64(max(c[0].hist.TotalCount(), 1))
}

func (r *result) collect(callers []*caller) {
	all := newHistogram()
	late := time.Duration(0)
	for _, c := range callers {
		all.Merge(c.hist)
		r.Failed += c.failed
		late = max(late, c.late)
		if r.firstError == nil {
			r.firstError = c.first
		}
	}
	us := func(quantile float64) float64 { return float64(all.ValueAtQuantile(quantile)) / 1000 }
	r.latencies = latencies{all.Mean() / 1000, us(50), us(90), us(99), us(99.9), float64(all.Max()) / 1000}
	r.Scripts = all.TotalCount()
	r.PerSecond = float64(r.Scripts) / r.Seconds
	r.LateMs = float64(late.Microseconds()) / 1000
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
	if r.Ephemeral {
		space = "ephemeral"
	}
	text := fmt.Sprintf(`%s: %s, %d callers, %d keys, %s, %.1f s
  %.0f scripts/s (%d done, %d failed), %.1f to a batch, %d fsyncs
  latency µs: mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f
  of which the harness %.2f
`, r.Workload, space, r.Concurrency, r.Keys, loop, r.Seconds, r.PerSecond, r.Scripts, r.Failed, r.Batch, r.Fsyncs,
		r.Mean, r.P50, r.P90, r.P99, r.P999, r.Max, r.HarnessNs/1000)
	if r.Unsent > 0 {
		text += fmt.Sprintf("  fell behind: %d scripts that were due were not sent; use a lower --rate, or more --concurrency\n", r.Unsent)
	} else if r.Rate > 0 && r.LateMs >= 1 {
		text += fmt.Sprintf("  all callers were busy at times: scripts were sent up to %.0f ms after they were due\n", r.LateMs)
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
