package partition

import (
	"context"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/kv"
	"kahuna/internal/store"
	"kahuna/script"
)

// benchPartition returns a leading partition with n rows in its cache, in both
// spaces, and their keys.
func benchPartition(b *testing.B, n int) (*bench, []string) {
	b.Helper()
	one := onStore(b, 1<<30)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "bench/" + strconv.Itoa(i)
		for _, space := range []script.Space{script.Persistent, script.Ephemeral} {
			one.run(benchSet{space, keys[i]})
		}
		if i%1000 == 0 || i == n-1 {
			one.commit(true)
		}
	}
	return one, keys
}

// onStore returns a leading partition without rows, whose row cache takes
// cacheBytes.
func onStore(b testing.TB, cacheBytes int64) *bench {
	b.Helper()
	return onFS(b, vfs.NewMem(), cacheBytes)
}

func onFS(b testing.TB, fs vfs.FS, cacheBytes int64) *bench {
	b.Helper()
	st, err := store.Open(store.Options{FS: fs, Dir: "rows", HistoryRevisions: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	p := New(st, Options{CacheBytes: cacheBytes, EphemeralBytes: 1 << 30, BatchBytes: 4 << 20, UnappliedBytes: 1 << 30,
		FastSteps: 4000, FastRows: 1000, FastMisses: 32, RetentionMs: 1000, ResultMs: 1000, ResultBytes: 1 << 30, WrittenKeys: 10_000, WrittenBytes: 64 << 20})
	p.Lead(1, 0)
	return &bench{Partition: p, b: b, st: st}
}

// bench is a partition with next to nothing below it.
type bench struct {
	*Partition
	b     testing.TB
	st    *store.Store
	index uint64
}

// run runs work in the executor.
func (p *bench) run(work Work) {
	if _, _, err := p.Fast(context.Background(), work, nil, 1, nil); err != nil {
		p.b.Fatal(err)
	}
}

// commit makes everything ordered durable, and has the store apply it, or
// pretends so.
func (p *bench) commit(apply bool) {
	for batch := p.Take(); batch != nil; batch = p.Next() {
		committed := p.Committed(batch.Term)
		if p.index++; apply {
			if err := p.st.Apply(1, p.index, committed.Entry()); err != nil {
				p.b.Fatal(err)
			}
		}
		p.Applied([]*Batch{committed})
	}
}

type benchGet struct {
	space script.Space
	key   string
}

func (w benchGet) Do(tx *Tx, _ int64) (*script.Result, error) {
	_, err := tx.Get(w.space, w.key)
	return nil, err
}

type benchSet struct {
	space script.Space
	key   string
}

func (w benchSet) Do(tx *Tx, _ int64) (*script.Result, error) {
	_, err := tx.Set(w.space, w.key, "1", &script.SetOptions{})
	return nil, err
}

type benchNothing struct{}

func (benchNothing) Do(*Tx, int64) (*script.Result, error) { return nil, nil }

// BenchmarkFast runs in the executor: nothing, a read, a write. Persistent
// writes are 64 to a batch, made durable at once, and not applied to the store.
func BenchmarkFast(b *testing.B) {
	const n = 10_000
	for _, c := range []struct {
		name string
		work func(keys []string, i int) Work
	}{
		{"nothing", func([]string, int) Work { return benchNothing{} }},
		{"get/ephemeral", func(keys []string, i int) Work { return &benchGet{script.Ephemeral, keys[i%n]} }},
		{"get/persistent", func(keys []string, i int) Work { return &benchGet{script.Persistent, keys[i%n]} }},
		{"set/ephemeral", func(keys []string, i int) Work { return &benchSet{script.Ephemeral, keys[i%n]} }},
		{"set/persistent", func(keys []string, i int) Work { return &benchSet{script.Persistent, keys[i%n]} }},
		{"set/hot", func(keys []string, _ int) Work { return &benchSet{script.Persistent, keys[0]} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, keys := benchPartition(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.run(c.work(keys, i))
				if i%64 == 0 {
					p.commit(false)
				}
			}
		})
	}
}

// BenchmarkSession is an interactive transaction of one read and one write,
// its locks included, made durable at once.
func BenchmarkSession(b *testing.B) {
	const n = 10_000
	for _, optimistic := range []bool{false, true} {
		name := "locking"
		if optimistic {
			name = "optimistic"
		}
		b.Run(name, func(b *testing.B) {
			p, keys := benchPartition(b, n)
			now := func() int64 { return 1 }
			granted := func(<-chan struct{}, <-chan struct{}) error { return nil }
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s, err := p.Begin(SessionOptions{Optimistic: optimistic, Now: now, Wait: granted})
				if err != nil {
					b.Fatal(err)
				}
				var locks LockSet
				locks.AddPoint(Point{kv.Persistent, keys[i%n], true})
				for _, work := range []Work{&benchGet{script.Persistent, keys[i%n]}, &benchSet{script.Persistent, keys[i%n]}} {
					if _, err := s.Do(work, &locks); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := s.Commit(); err != nil {
					b.Fatal(err)
				}
				p.commit(false)
			}
		})
	}
}

// BenchmarkLockTable locks two keys and gives them free: with nobody else
// there, with many others on other keys, and with others in the queue for the
// same.
func BenchmarkLockTable(b *testing.B) {
	mine := writing("a", "b")
	for _, c := range []struct {
		name   string
		others func(i int) *LockSet
		n      int
	}{
		{"alone", nil, 0},
		{"beside-1000", func(i int) *LockSet { return writing("other/" + strconv.Itoa(i)) }, 1000},
		{"behind-64", func(int) *LockSet { return writing("a") }, 64},
		{"behind-64-readers", func(int) *LockSet { return reading("a", "b") }, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLockTable()
			for i := range c.n {
				l.enqueue(c.others(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				l.release(l.enqueue(mine))
			}
		})
	}
}
