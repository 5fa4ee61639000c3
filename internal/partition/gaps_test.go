package partition

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
	"kahuna/script"
)

// visits counts what a read of the first row of a part looks at.
func (p *bench) visits(t *testing.T, k Part, slow bool) (rows int, got string) {
	t.Helper()
	k.Limit = 1
	read := workFunc(func(tx *Tx) error {
		return tx.Read(k, 0, func(row script.Row) error { got = row.Key; return nil })
	})
	err := error(script.ErrSlowPath)
	if !slow {
		_, _, err = p.Fast(context.Background(), read, nil, 1000, nil)
	}
	if err == script.ErrSlowPath {
		ticket := p.Acquire(&LockSet{Ranges: []Range{k.Range}})
		_, _, err = p.Slow(read, ticket, SlowOptions{Now: func() int64 { return 1000 }, Poll: func(int64) error { return nil }}, nil)
		p.Release(ticket)
	}
	if err != nil {
		t.Fatal(err)
	}
	// What a reader looks at now.
	c := newCursor(p.Partition, &k, 1000)
	for !c.end {
		if err := c.next(pieceRows); err != nil {
			t.Fatal(err)
		}
		for i := range c.rows {
			if rows++; c.rows[i].live(1000) {
				return rows, got
			}
		}
	}
	return rows, got
}

// TestGaps: after one read that has passed many ended rows by, the next ones do
// not, from either end, in both spaces, and on both paths.
//
// Invariant PART-9.
func TestGaps(t *testing.T) {
	t.Parallel()
	const n = 3000
	for _, space := range []kv.Space{kv.Ephemeral, kv.Persistent} {
		for _, desc := range []bool{false, true} {
			for _, prefix := range []bool{false, true} {
				p := onStore(t, 1<<30)
				write := func(key string, ttl int64) {
					p.run(workFunc(func(tx *Tx) error {
						_, err := tx.Set(space, key, "1", &script.SetOptions{TTL: ttl})
						return err
					}))
				}
				remove := func(key string) {
					p.run(workFunc(func(tx *Tx) error { _, err := tx.Delete(space, key); return err }))
				}
				for i := range n {
					key := fmt.Sprintf("k/%05d", i)
					write(key, int64(i%2)) // half of them expire, half are deleted
					if i%2 == 0 {
						remove(key)
					}
					if i%500 == 0 {
						p.commit(true)
					}
				}
				write("k/!", 0)
				write("k/x", 0)
				p.commit(true)
				k := Part{Range: Range{Space: space, Text: "k"}, Desc: desc}
				if prefix {
					k.Range = Range{Space: space, Prefix: true, Text: "k/"}
				}
				first, other := "k/x", "k/!"
				if desc {
					first, other = other, first
				}
				remove(other)
				p.commit(true)
				name := fmt.Sprintf("space %d, desc %v, prefix %v", space, desc, prefix)
				if rows, got := p.visits(t, k, prefix); got != first || rows > 2*gapMin {
					t.Fatalf("%s: %q, %d rows are read", name, got, rows)
				}
				// A write into the gap is seen, and the rest of it still passed by.
				write("k/01500", 0)
				if rows, got := p.visits(t, k, prefix); got != "k/01500" || rows > 2*gapMin {
					t.Errorf("%s: after a write %q, %d rows are read", name, got, rows)
				}
				remove("k/01500")
				if rows, got := p.visits(t, k, prefix); got != first || rows > 2*gapMin {
					t.Errorf("%s: after another %q, %d rows are read", name, got, rows)
				}
				// What Stop takes back was no end.
				remove(first)
				if _, got := p.visits(t, k, prefix); got != "" {
					t.Errorf("%s: %q is read, want nothing", name, got)
				}
				if space == kv.Persistent {
					p.Stop(ErrNotLeading)
					p.Lead(2, 0)
					if _, got := p.visits(t, k, false); got != first {
						t.Errorf("%s: after Stop %q", name, got)
					}
				}
			}
		}
	}
}

// TestGapsModel: gaps skip only keys that were added and not written since.
func TestGapsModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 10))
		key := func() string { return fmt.Sprintf("k/%02d", rng.IntN(60)) }
		var g gaps
		dead := map[string]bool{}
		k := Part{Range: Range{Space: kv.Ephemeral, Text: "k"}}
		bounds := k.bounds()
		for range 200 {
			switch rng.IntN(3) {
			case 0:
				o := gap{Range: keyorder.Range{Start: key(), End: key()}, now: 1, dep: 7}
				if o.Start >= o.End {
					continue
				}
				for i := range 60 {
					if name := fmt.Sprintf("k/%02d", i); name >= o.Start && name < o.End {
						dead[name] = true
					}
				}
				g.add(k.Range, o)
			case 1:
				name := key()
				delete(dead, name)
				g.note(kv.Ephemeral, name)
			case 2:
				k.Desc = rng.IntN(2) == 0
				from := key()
				b := keyorder.Range{Start: from, End: bounds.End}
				if k.Desc {
					b = keyorder.Range{Start: bounds.Start, End: from}
				}
				left, dep := g.skip(&k, b, 1)
				for i := range 60 {
					name := fmt.Sprintf("k/%02d", i)
					was := name >= b.Start && name < b.End
					is := name >= left.Start && name < left.End
					if is && !was || was && !is && !dead[name] || left != b && dep != 7 {
						t.Fatalf("seed %d: %q is left of %q (desc %v, dep %d): %s is dead: %v", seed, left, b, k.Desc, dep, name, dead[name])
					}
				}
				if before, _ := g.skip(&k, b, 0); before != b {
					t.Fatalf("seed %d: the past skips %q", seed, b)
				}
			}
			if list := g.of[k.whole()]; len(list) > gapsOfRange || slices.ContainsFunc(list, func(o gap) bool { return o.Start >= o.End }) {
				t.Fatalf("seed %d: %+v", seed, list)
			}
		}
	}
}
