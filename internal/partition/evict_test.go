package partition

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/kv"
	"kahuna/script"
)

// TestEvictForLargeRow: a large row takes the place of thousands of small
// ones; when its writer returns the bounds hold again, but others were let in
// meanwhile.
func TestEvictForLargeRow(t *testing.T) {
	t.Parallel()
	const bound = 2 << 20
	p := onFS(t, vfs.NewMem(), bound)
	p.eph.maxBytes = bound
	set := func(space script.Space, key string, size int) workFunc {
		return func(tx *Tx) error {
			_, err := tx.Set(space, key, strings.Repeat("x", size), &script.SetOptions{})
			return err
		}
	}
	for i := range 10_000 {
		p.run(set(kv.Ephemeral, "k/"+strconv.Itoa(i), 8))
		p.run(set(kv.Persistent, "k/"+strconv.Itoa(i), 8))
		if i%1000 == 999 {
			p.commit(true)
		}
	}
	within := func(when string) {
		t.Helper()
		if s := p.Stats(); s.EphemeralBytes > bound || s.CacheBytes > bound || s.EphemeralRows < 100 || s.CacheRows < 100 {
			t.Errorf("%s: %d ephemeral rows of %d bytes, %d in the cache of %d; the bound is %d", when,
				s.EphemeralRows, s.EphemeralBytes, s.CacheRows, s.CacheBytes, bound)
		}
	}
	within("small rows")
	small := p.Stats()

	// What the run itself evicts is bounded.
	if _, _, _, err := p.fast(set(kv.Ephemeral, "large/1", bound*3/4), nil, 1, nil, nil, false); err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Evictions - small.Evictions; n != evictMax || !p.untidy.Load() {
		t.Errorf("%d rows evicted in the run, and more to come: %v", n, p.untidy.Load())
	}
	p.tidy()
	within("large ephemeral row")

	p.run(set(kv.Ephemeral, "large/2", bound/8))
	within("another one")
	p.run(set(kv.Persistent, "large/1", bound*3/4))
	p.commit(true)
	within("large row")
	p.evictAll()
	for i := range 4000 {
		p.run(benchGet{kv.Persistent, "k/" + strconv.Itoa(i)})
	}
	within("small rows are back")
	p.run(benchGet{kv.Persistent, "large/1"})
	within("large row is read")
}

// TestEvictedTouch: when a key was touched last is not forgotten with its row,
// in either space (Invariant PART-6).
func TestEvictedTouch(t *testing.T) {
	t.Parallel()
	p := onStore(t, 1<<20)
	for _, space := range []script.Space{kv.Persistent, kv.Ephemeral} {
		p.run(benchSet{space, "k"})
	}
	p.commit(true)
	for _, space := range []script.Space{kv.Persistent, kv.Ephemeral} {
		k := lockKey{space, "k"}
		p.run(benchGet{space, "k"})
		at := p.clock.Last()
		if space == kv.Persistent {
			p.evictAll()
		} else {
			p.eph.drop(p.eph.cells["k"], 0)
		}
		if p.cellOf(k) != nil {
			t.Fatalf("%v: it is not evicted", space)
		}
		if got := p.touchedAt(k); got < at {
			t.Errorf("%v: touched at %d, want %d or later", space, got, at)
		}
	}
}
