package partition

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/internal/kv"
	_ "kahuna/internal/seed" // fixed seeds
	"kahuna/script"
)

// check compares the queue and the sums of r with the cells that are counted.
func (r *recency) check(counted []*cell) error {
	var all []*cell
	bytes, n := int64(0), 0
	var prev *cell
	for c := r.head; c != nil; prev, c = c, c.next {
		if c.prev != prev || !c.linked {
			return fmt.Errorf("the links of %s are broken", c.key)
		}
		if c.counted {
			bytes, n = bytes+int64(c.measure()), n+1
			all = append(all, c)
		}
	}
	if r.tail != prev {
		return fmt.Errorf("the tail is not the last cell")
	}
	if r.bytes != bytes || r.len != n {
		return fmt.Errorf("%d cells of %d bytes, want %d of %d", r.len, r.bytes, n, bytes)
	}
	byKey := func(a, b *cell) int { return strings.Compare(a.key, b.key) }
	if slices.SortFunc(all, byKey); !slices.Equal(all, counted) {
		return fmt.Errorf("other cells are counted")
	}
	return nil
}

// TestRecency does anything in any order: exactly the counted cells may be
// evicted, and their bytes are known.
func TestRecency(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r recency
		cells := make([]*cell, 40)
		for i := range cells {
			cells[i] = newCell(kv.Ephemeral, fmt.Sprintf("%02d", i))
		}
		one := rapid.SampledFrom(cells)
		keep := map[*cell]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := one.Draw(t, "cell")
				c.row.Value = rapid.StringN(0, 9, 9).Draw(t, "value")
				r.add(c)
			},
			"use":    func(t *rapid.T) { one.Draw(t, "cell").used = true },
			"hold":   func(t *rapid.T) { r.hold(one.Draw(t, "cell")) },
			"remove": func(t *rapid.T) { r.remove(one.Draw(t, "cell")) },
			"keep":   func(t *rapid.T) { c := one.Draw(t, "cell"); keep[c] = !keep[c] },
			"evict": func(t *rapid.T) {
				c := r.victim(func(c *cell) bool { return keep[c] })
				if c == nil {
					return
				}
				if !c.counted || keep[c] {
					t.Fatalf("%s must stay", c.key)
				}
				r.remove(c)
			},
			"": func(t *rapid.T) {
				var counted []*cell
				for _, c := range cells {
					if c.counted {
						counted = append(counted, c)
					}
				}
				if err := r.check(counted); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

// TestRecencyTurns: what was not used goes first, in the order in which it
// came; when all was used, an eviction does not look at all of it.
func TestRecencyTurns(t *testing.T) {
	t.Parallel()
	var r recency
	cells := make([]*cell, 1000)
	for i := range cells {
		cells[i] = newCell(kv.Ephemeral, fmt.Sprint(i))
		r.add(cells[i])
	}
	cells[0].used, cells[2].used = true, true
	for _, want := range []*cell{cells[1], cells[3], cells[4]} {
		got := r.victim(nil)
		if got != want {
			t.Fatalf("%s was evicted, want %s", got.key, want.key)
		}
		r.remove(got)
	}
	for _, c := range cells {
		c.used = true
	}
	if got, want := r.victim(nil), cells[4+turnsMax]; got != want {
		t.Errorf("%s was evicted, want %s", got.key, want.key)
	}
	all := func(*cell) bool { return true }
	if got := r.victim(all); got != nil {
		t.Errorf("%s was evicted though it is to be kept", got.key)
	}
}

// TestRecencyHits: few keys are read often, many now and then. A recency finds
// about as many of them as a list in the order of use does.
func TestRecencyHits(t *testing.T) {
	t.Parallel()
	const room, reads = 1000, 200_000
	hits := func(see func(c *cell, hit bool) (evicted *cell)) (n int) {
		random := rand.New(rand.NewPCG(1, 2))
		keys := rand.NewZipf(random, 1.1, 10, 20_000)
		in := map[uint64]*cell{}
		for range reads {
			k := keys.Uint64()
			c, hit := in[k]
			if hit {
				n++
			} else {
				c = newCell(kv.Ephemeral, "")
				c.row.Modified = script.Timestamp(k)
				in[k] = c
			}
			if e := see(c, hit); e != nil {
				delete(in, uint64(e.row.Modified))
			}
		}
		return n
	}
	var order []*cell
	exact := hits(func(c *cell, hit bool) (evicted *cell) {
		if hit {
			order = slices.DeleteFunc(order, func(o *cell) bool { return o == c })
		} else if len(order) == room {
			evicted, order = order[0], order[1:]
		}
		order = append(order, c)
		return evicted
	})
	var r recency
	got := hits(func(c *cell, hit bool) (evicted *cell) {
		if hit {
			c.used = true
			return nil
		}
		if r.add(c); r.len > room {
			evicted = r.victim(nil)
			r.remove(evicted)
		}
		return evicted
	})
	t.Logf("%d hits, by the order of use %d", got, exact)
	if got < exact*98/100 {
		t.Errorf("%d hits, by the order of use there are %d", got, exact)
	}
}

// TestOverlay: in any order of adding, removing and sorting it holds what was
// added and not removed.
func TestOverlay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOverlay()
		pinned := map[string]bool{}
		cells := make([]*cell, 10)
		for i := range cells {
			cells[i] = newCell(kv.Persistent, fmt.Sprintf("k/%d", i))
		}
		one := rapid.SampledFrom(cells)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := one.Draw(t, "cell")
				o.add(c)
				pinned[c.key] = true
			},
			"remove": func(t *rapid.T) {
				c := one.Draw(t, "cell")
				if got := o.remove(c); got != pinned[c.key] {
					t.Fatalf("%s: pinned is %v, want %v", c.key, got, pinned[c.key])
				}
				delete(pinned, c.key)
			},
			"sort": func(t *rapid.T) {
				n := 0
				for !o.sort(2) {
				}
				o.tree.Scan(func(c *cell) bool {
					if n++; !pinned[c.key] {
						t.Fatalf("%s is not pinned", c.key)
					}
					return true
				})
				if n != len(pinned) {
					t.Fatalf("%d are pinned, want %d", n, len(pinned))
				}
			},
		})
	})
}
