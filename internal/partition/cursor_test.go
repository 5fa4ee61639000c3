package partition

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kahuna/internal/kv"
)

// TestInRangeAfter: a range read in chunks of any size is what it is read at
// once.
func TestInRangeAfter(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		tree := newOrdered()
		for range 300 {
			key := ""
			for range 1 + rng.IntN(5) {
				key += []string{"a", "b", "/", "ab"}[rng.IntN(4)]
			}
			tree.Set(newCell(kv.Ephemeral, key))
		}
		for _, text := range []string{"a", "ab", "a/", "a/b", "b", "a/b/", "/", "ab/a"} {
			for _, prefix := range []bool{false, true} {
				var whole []string
				inRange(tree, Range{kv.Ephemeral, prefix, text}, "", func(c *cell) bool {
					whole = append(whole, c.key)
					return true
				})
				for _, size := range []int{1, 2, 7} {
					var got []string
					last := ""
					for {
						n := 0
						inRange(tree, Range{kv.Ephemeral, prefix, text}, last, func(c *cell) bool {
							got = append(got, c.key)
							last = c.key
							n++
							return n < size
						})
						if n < size || len(got) > 1000 {
							break
						}
					}
					if !slices.Equal(got, whole) {
						t.Fatalf("seed %d: %q (prefix %v) by %d:\n%q\nat once:\n%q", seed, text, prefix, size, got, whole)
					}
				}
				if prefix && len(whole) == 0 && text == "a" {
					t.Error(fmt.Sprint("nothing with the prefix ", text))
				}
			}
		}
	}
}
