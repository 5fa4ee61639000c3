package script

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSortRows: rows of any number and order are sorted, in pieces, and the
// sorting can be stopped.
func TestSortRows(t *testing.T) {
	limits := DefaultLimits()
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		rows := make([]Row, rng.IntN(9000))
		for i := range rows {
			rows[i].Key = fmt.Sprintf("%06d", rng.IntN(5000))
			if seed%3 == 0 { // nearly sorted: two sorted halves
				rows[i].Key = fmt.Sprintf("%06d", i%(len(rows)/2+1))
			}
		}
		want := slices.Clone(rows)
		byKey := func(a, b Row) int { return strings.Compare(a.Key, b.Key) }
		slices.SortFunc(want, byKey)
		if err := sortRows(rows, newMeter(&limits)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(rows, want) {
			t.Fatalf("seed %d: %d rows are not sorted", seed, len(rows))
		}
		if len(rows) == 0 {
			continue
		}
		m := newMeter(&limits)
		m.in = &Interrupt{}
		m.in.Stop(errors.New("stopped"))
		if err := sortRows(rows, m); err != stopFault {
			t.Errorf("seed %d: stopped, it is %v", seed, err)
		}
	}
}
