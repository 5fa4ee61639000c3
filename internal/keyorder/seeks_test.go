package keyorder_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/internal/keyorder"
)

// numbered returns format for each number below n.
func numbered(n int, format string) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf(format, i))
	}
	return keys
}

// flatIDs returns n keys without a slash, with many bytes that are below one.
func flatIDs(n int) (keys []string) {
	for i := range n {
		x := uint64(i+1) * 0x9e3779b97f4a7c15
		keys = append(keys, fmt.Sprintf("%08x-%04x-%04x", x>>32, x>>16&0xffff, x&0xffff))
	}
	return keys
}

// The cost of a walk. A bound of seeks is for both directions.
func TestSeeks(t *testing.T) {
	const n = 1000
	all := keyorder.Range{}
	deep := strings.Repeat("d/", 20)
	for _, c := range []struct {
		name  string
		keys  []string
		r     keyorder.Range
		limit int
		// The most seeks and steps, ascending and descending.
		seeks, seeksDesc int
		steps, stepsDesc int
	}{
		{"one bucket", numbered(n, "a/%04d"), keyorder.Prefix("a/"), 0, 3, 3, n, n},
		{"one bucket among others", append(numbered(n, "a/%04d"), append(numbered(n, "0/%d"), numbered(n, "b/%d")...)...),
			keyorder.Prefix("a/"), 0, 3, 3, n, n},
		{"part of a bucket", numbered(n, "a/%04d"), keyorder.Prefix("a/00"), 0, 3, 3, 100, 100},
		{"flat", numbered(n, "k%04d"), all, 0, 2, 2, n, n},
		{"flat, of a prefix", numbered(n, "k%04d"), keyorder.Prefix("k00"), 0, 2, 2, 100, 100},
		{"flat, bytes below a slash", flatIDs(n), all, 0, 2, 2, n, 2 * n},
		{"flat, groups with ancestors", append(numbered(n, "%04d-b-c-x"), numbered(n, "%04d-b-c-y")...), all, 0, 2, n + 2, 2 * n, 3 * n},
		{"buckets of one key", numbered(n, "a/%04d/x"), keyorder.Prefix("a/"), 0, n + 2, 4, n, n},
		{"buckets of one key, dates", numbered(n, "d/2024-%03d-x/x"), keyorder.Prefix("d/"), 0, n + 2, n + 3, n, n},
		{"buckets between the keys of one", append(numbered(n, "a/%04d"), numbered(n, "a/%04d/x")...),
			keyorder.Prefix("a/"), 0, 3*n + 2, 2*n + 3, 2 * n, 2 * n},

		{"first of a bucket", numbered(n, "a/%04d"), keyorder.Prefix("a/"), 1, 3, 3, 0, 0},
		{"first of the buckets", numbered(n, "a/%04d/x"), keyorder.Prefix("a/"), 1, 3, 4, 0, 0},
		{"first of flat ones", flatIDs(n), all, 1, 2, 2, 0, 1},
		{"first below a deep prefix", append(numbered(n, deep+"%04d"), numbered(n, deep+"%04d/x")...),
			keyorder.Prefix(deep), 1, 3, 4, 0, 0},
		{"first above deep buckets", deepKeys(20, n), all, 1, 22, 22, 0, 0},
		{"first of an empty prefix", numbered(n, "a/%04d"), keyorder.Prefix("a-b.c-d/e-f/"), 1, 1, 1, 0, 0},
		{"page behind a key", numbered(n, "a-b/%04d/x"), keyorder.Prefix("a-b/").After("a-b/0500/x", false), 10, 13, 4, 9, 9},
	} {
		for _, desc := range []bool{false, true} {
			src := newSource(t, c.keys)
			got := walk(t, src, c.r, desc, c.limit)
			w := want(c.keys, c.r, desc)
			if c.limit > 0 {
				w = w[:min(len(w), c.limit)]
			}
			if !slices.Equal(got, w) {
				t.Errorf("%s, desc %v: %d keys, want %d", c.name, desc, len(got), len(w))
			}
			seeks, steps := c.seeks, c.steps
			if desc {
				seeks, steps = c.seeksDesc, c.stepsDesc
			}
			t.Logf("%s, desc %v: %d keys, %d seeks, %d steps", c.name, desc, len(got), src.seeks, src.steps)
			if src.seeks > seeks || src.steps > steps {
				t.Errorf("%s, desc %v: %d seeks and %d steps, want at most %d and %d", c.name, desc, src.seeks, src.steps, seeks, steps)
			}
		}
	}
}

// deepKeys returns buckets inside of each other, with n keys each, the least of
// all in the deepest and the greatest in the first.
func deepKeys(depth, n int) (keys []string) {
	prefix := ""
	for range depth {
		prefix += "m/"
		keys = append(keys, numbered(n, prefix+"n%04d")...)
	}
	return keys
}

// Whatever the keys are, the seeks are bounded by the buckets visited, and the
// steps by the keys delivered.
func TestSeeksProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := keySet.Draw(rt, "keys")
		r, desc := drawRange(rt, keys), rapid.Bool().Draw(rt, "desc")
		src := newSource(t, keys)
		got := walk(rt, src, r, desc, rapid.IntRange(0, 5).Draw(rt, "limit"))
		low, high := r.Buckets()
		buckets := map[string]bool{}
		for _, k := range keys {
			if b, _, _ := split(k); b >= low && (high == "" || b < high) {
				buckets[b] = true
			}
		}
		depth := strings.Count(r.Start, "") // every byte may end an ancestor
		if most := 4*len(buckets) + depth + 3; src.seeks > most {
			rt.Fatalf("%d seeks for %d buckets, depth %d", src.seeks, len(buckets), depth)
		}
		if most := 2*len(got) + len(buckets); src.steps > most {
			rt.Fatalf("%d steps for %d keys in %d buckets", src.steps, len(got), len(buckets))
		}
	})
}
