package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"kahuna/internal/kv"
	"kahuna/script"
)

// onDisk returns a partition with the rows k/0 to k/3, of which at most two are
// in memory, and not k/0.
func onDisk(t *testing.T, fs vfs.FS) *bench {
	t.Helper()
	p := onFS(t, fs, 2*(cellOverhead+40))
	for i := range 4 {
		p.run(benchSet{script.Persistent, fmt.Sprintf("k/%d", i)})
	}
	p.commit(true)
	if err := p.st.Flush(); err != nil {
		t.Fatal(err)
	}
	p.run(benchGet{script.Persistent, "k/3"})
	if p.rows["k/0"] != nil {
		t.Fatal("k/0 is in memory")
	}
	return p
}

func shows(key, want string) workFunc {
	return func(tx *Tx) error {
		row, err := tx.Get(kv.Persistent, key)
		if err == nil && row.Value != want {
			err = fmt.Errorf("%s is %q, want %q", key, row.Value, want)
		}
		return err
	}
}

func put(key, value string) workFunc {
	return func(tx *Tx) error {
		_, err := tx.Set(kv.Persistent, key, value, &script.SetOptions{})
		return err
	}
}

// TestReadDisk: while a run waits for the disk, others run.
func TestReadDisk(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	reached, release := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && armed.CompareAndSwap(true, false) {
			close(reached)
			<-release
		}
		return nil
	}))
	p := onDisk(t, fs)
	armed.Store(true)
	done := make(chan error)
	go func() {
		_, _, err := p.Fast(context.Background(), shows("k/0", "1"), nil, 1, nil)
		done <- err
	}()
	<-reached
	p.run(benchSet{script.Ephemeral, "e"})
	p.run(shows("k/3", "1"))
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestFetchOutdated: what was read of a row does not come into the cache when
// the row may have changed since, even if nothing in memory shows it.
func TestFetchOutdated(t *testing.T) {
	t.Parallel()
	prune := func(p *bench) {
		if _, err := p.Prune([]OldHistory{{Key: "k/0", Revision: 0}}, 1); err != nil {
			p.b.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		meanwhile func(p *bench)
		used      bool
		want      string
	}{
		"nothing happens":       {func(*bench) {}, true, "1"},
		"another is written":    {func(p *bench) { p.run(put("k/1", "2")) }, true, "1"},
		"written":               {func(p *bench) { p.run(put("k/0", "2")) }, false, "2"},
		"written and read anew": {func(p *bench) { p.run(put("k/0", "2")); p.commit(true); p.evictAll() }, false, "2"},
		"read by another run":   {func(p *bench) { p.run(shows("k/0", "1")) }, false, "1"},
		"written while another fetch runs": {func(p *bench) {
			p.run(put("k/0", "2"))
			p.commit(true)
			p.evictAll()
			p.beginFetch("k/0")
		}, false, "2"},
		"pruned":                            {func(p *bench) { prune(p); p.commit(true) }, false, "1"},
		"a prune ordered before is applied": {func(p *bench) { p.commit(true) }, false, "1"},
		"another term":                      {func(p *bench) { p.Stop(ErrNotLeading); p.Lead(2, 0) }, false, "1"},
	} {
		p := onDisk(t, vfs.NewMem())
		if strings.HasPrefix(name, "a prune ordered before") {
			prune(p)
		}
		id := p.beginFetch("k/0")
		c := newCell(kv.Persistent, "k/0")
		var err error
		if c.row, c.exists, err = p.st.Load("k/0", &c.tail); err != nil {
			t.Fatal(err)
		}
		test.meanwhile(p)
		p.endFetch(c, id, nil)
		if used := p.rows["k/0"] == c; used != test.used {
			t.Errorf("%s: what was read is used: %v", name, used)
		}
		if _, _, err := p.Fast(context.Background(), shows("k/0", test.want), nil, 1, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFetchLate: a row that got a cell before its fetch began is not fetched:
// the store may not have its newest version yet.
func TestFetchLate(t *testing.T) {
	t.Parallel()
	p := onDisk(t, vfs.NewMem())
	p.run(put("k/0", "2"))
	p.mu.Lock()
	p.fetch("k/0")
	p.mu.Unlock()
	p.run(shows("k/0", "2"))
	p.run(put("k/0", "3"))
	p.commit(true)
	p.evictAll()
	p.run(shows("k/0", "3"))
}

// TestPurgeUncached: a row that does not fit in the cache is purged like any
// other: who writes the key next begins anew.
func TestPurgeUncached(t *testing.T) {
	t.Parallel()
	p := onFS(t, vfs.NewMem(), 1)
	p.run(workFunc(func(tx *Tx) error {
		_, err := tx.Set(kv.Persistent, "k", "1", &script.SetOptions{TTL: 1})
		return err
	}))
	p.commit(true)
	if _, err := p.Purge([]string{"k"}, 1_000_000); err != nil {
		t.Fatal(err)
	}
	p.run(put("k", "2"))
	batch := p.Take()
	logged, err := kv.Decode(batch.Entry().Encode())
	if err != nil {
		t.Fatal(err)
	}
	last := logged.Ops[len(logged.Ops)-1]
	if len(logged.Ops) != 2 || last.Row.Revision != 0 || last.Row.Prev != -1 {
		t.Fatalf("%+v", logged.Ops)
	}
	p.index++
	if err := p.st.Apply(1, p.index, logged); err != nil {
		t.Fatal(err)
	}
	p.Committed(batch.Term)
	p.Applied([]*Batch{batch})
	if n := len(p.overlay.fresh); n != 0 {
		t.Errorf("%d cells are pinned", n)
	}
	p.run(shows("k", "2"))
}

// evictAll empties the cache.
func (p *bench) evictAll() {
	for p.recent.len > 0 {
		p.dropCell(p.recent.victim(nil))
	}
}

// TestFastMisses: a script that needs many rows that are not in memory does not
// keep the executor waiting for all of them.
func TestFastMisses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{fetchesMax + 32, fetchesMax + 33} {
		p := onStore(t, 1<<20)
		for i := range n {
			p.run(benchSet{script.Persistent, longKey(i)})
		}
		p.commit(true)
		p.evictAll()
		before := p.Stats().CacheMisses
		_, _, err := p.Fast(context.Background(), workFunc(func(tx *Tx) error {
			for i := range n {
				if _, err := tx.Get(kv.Persistent, longKey(i)); err != nil {
					return err
				}
			}
			return nil
		}), nil, 1, nil)
		if slow := n > fetchesMax+int(p.opts.FastMisses); errors.Is(err, script.ErrSlowPath) != slow || !slow && err != nil {
			t.Errorf("%d rows: %v, slow path: %v", n, err, slow)
		}
		if misses := p.Stats().CacheMisses - before; misses != uint64(n) {
			t.Errorf("%d rows: %d misses", n, misses)
		}
	}
}
