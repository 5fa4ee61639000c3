package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// side is one of several things that are measured in turns, so that what else
// happens on the machine hits all of them alike.
type side struct {
	name string
	// turn measures for about d.
	turn func(ctx context.Context, d time.Duration) (sample, error)
	// settle waits until work left behind by a turn is done; nil is none.
	settle func(ctx context.Context) error

	samples []sample
}

// sample is what one turn gave.
type sample struct {
	Ops     int64   `json:"ops"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50Us"`
	P99     float64 `json:"p99Us"`
	// CPU is the processor time of the whole process: what the operations
	// took even when others have the machine.
	CPU   float64 `json:"cpuSeconds"`
	Batch float64 `json:"scriptsPerBatch,omitempty"`
}

func (s sample) perSecond() float64 { return float64(s.Ops) / s.Seconds }

// processor returns the processor time of one operation in microseconds.
func (s sample) processor() float64 { return s.CPU / float64(s.Ops) * 1e6 }

// processorTime returns how much of the processors this process has had.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// newSample reads the latencies of a turn.
func newSample(hist *hdrhistogram.Histogram, took time.Duration) sample {
	return sample{Ops: hist.TotalCount(), Seconds: took.Seconds(),
		P50: float64(hist.ValueAtQuantile(50)) / 1000, P99: float64(hist.ValueAtQuantile(99)) / 1000}
}

// takeTurns gives each side n turns of d, and one before that does not count.
// Every other round goes backwards: none is always behind the same one.
func takeTurns(ctx context.Context, sides []*side, n int, d time.Duration, say func(string)) error {
	order := slices.Clone(sides)
	for round := 0; round <= n; round++ {
		for _, s := range order {
			say(fmt.Sprintf("round %d of %d: %s", round, n, s.name))
			before := processorTime()
			got, err := s.turn(ctx, d)
			got.CPU = (processorTime() - before).Seconds()
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && s.settle != nil {
				err = s.settle(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if got.Ops == 0 {
				return fmt.Errorf("%s: nothing was done in a turn", s.name)
			}
			if round > 0 {
				s.samples = append(s.samples, got)
			}
		}
		slices.Reverse(order)
	}
	return nil
}

// values returns one number of each turn.
func (s *side) values(number func(sample) float64) []float64 {
	all := make([]float64, len(s.samples))
	for i, one := range s.samples {
		all[i] = number(one)
	}
	return all
}

// spread is a median with the lowest and highest of its kind.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func newSpread(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Low: sorted[0], High: sorted[n-1]}
}

// ratio compares two sides round by round.
func ratio(a, b *side, number func(sample) float64) spread {
	over, under := a.values(number), b.values(number)
	for i := range over {
		over[i] /= under[i]
	}
	return newSpread(over)
}
