package main

import (
	"context"
	"fmt"
	"slices"
)

// contender is a side with the order it is measured by. Several may share a
// child.
type contender struct {
	name    string
	child   *child
	order   order
	samples []sample
}

// takeTurns gives each contender n turns, and one before that does not count.
// Every other round goes backwards: none is always behind the same one.
func takeTurns(ctx context.Context, all []*contender, n int, say func(string)) error {
	turns := slices.Clone(all)
	for round := 0; round <= n; round++ {
		for _, c := range turns {
			say(fmt.Sprintf("round %d of %d: %s", round, n, c.name))
			got, err := c.child.turn(ctx, c.order)
			if err != nil {
				return err
			}
			if round > 0 {
				c.samples = append(c.samples, got)
			}
		}
		slices.Reverse(turns)
	}
	return nil
}

// values returns one number of each turn.
func (c *contender) values(number func(sample) float64) []float64 {
	all := make([]float64, len(c.samples))
	for i, one := range c.samples {
		all[i] = number(one)
	}
	return all
}

func (c *contender) spread(number func(sample) float64) spread { return newSpread(c.values(number)) }

// The numbers of a sample that targets are about.
func p50(s sample) float64    { return s.P50 }
func p99(s sample) float64    { return s.P99 }
func batch(s sample) float64  { return s.Batch }
func allocs(s sample) float64 { return s.Allocs }
func nanoseconds(s sample) float64 {
	return 1e9 / s.perCore()
}

// spread is a median with the lowest and highest of its kind.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func newSpread(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Low: sorted[0], High: sorted[n-1]}
}

// ratio compares two contenders round by round.
func ratio(a, b *contender, number func(sample) float64) spread {
	over, under := a.values(number), b.values(number)
	for i := range over {
		over[i] /= under[i]
	}
	return newSpread(over)
}
