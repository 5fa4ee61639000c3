package partition

import (
	"math/rand/v2"
	"slices"
	"testing"

	"kahuna/internal/kv"
)

// TestVisitCells: the cells of a tree are visited in the order of the keys'
// bytes, from any key on, whatever the range.
func TestVisitCells(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 8))
		text := func(n int) (s string) {
			for range n {
				s += []string{"a", "b", "/", "-", "\x01", "ä"}[rng.IntN(6)]
			}
			return s
		}
		tree := newOrdered()
		var keys []string
		for range rng.IntN(80) {
			key := text(1 + rng.IntN(6))
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
				tree.Set(newCell(kv.Ephemeral, key))
			}
		}
		for range 50 {
			k := Part{Desc: rng.IntN(2) == 0}
			switch rng.IntN(4) {
			case 0:
				k.Range = Range{Space: kv.Ephemeral, Text: text(rng.IntN(3))}
			case 1:
				k.Range = Range{Space: kv.Ephemeral, Prefix: true, Text: text(rng.IntN(3))}
			default:
				k.Range = Keys(kv.Ephemeral, text(rng.IntN(4)), text(rng.IntN(4)))
			}
			if rng.IntN(2) == 0 {
				k = k.After(text(rng.IntN(5)))
			}
			var want, got []string
			for _, key := range keys {
				if k.Covers(kv.Ephemeral, key) {
					want = append(want, key)
				}
			}
			slices.SortFunc(want, k.compare)
			visitCells(tree, &k, k.bounds(), func(c *cell) bool {
				got = append(got, c.key)
				return true
			})
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %+v of %q:\n%q, want\n%q", seed, k, keys, got, want)
			}
		}
	}
}
