package store_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// benchStore has n keys, flushed and compacted into tables.
func benchStore(b *testing.B, n int) *store.Store {
	b.Helper()
	s, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: 100})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	batch := &kv.Batch{Time: hlc.At(1)}
	for i := range n {
		batch.Ops = append(batch.Ops, kv.Op{Kind: kv.Put, Key: benchKey(i), Row: kv.Row{
			Value: "the value of this key, as long as many are", Prev: -1, Modified: hlc.At(1),
		}})
	}
	if err := s.Apply(1, 1, batch); err != nil {
		b.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

func benchKey(i int) string { return fmt.Sprintf("users/%07d", i*7919%1000003) }

func BenchmarkGet(b *testing.B) {
	const n = 100_000
	s := benchStore(b, n)
	keys := make([]string, 4096)
	for i := range keys {
		keys[i] = benchKey(i * 23 % n)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok, err := s.Get(keys[i%len(keys)]); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	})
	for i := range keys {
		keys[i] += "x"
	}
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok, err := s.Get(keys[i%len(keys)]); err != nil || ok {
				b.Fatal(ok, err)
			}
		}
	})
}

// BenchmarkApply64 applies batches of 64 operations; ns/op is per batch.
func BenchmarkApply64(b *testing.B) {
	const value = "12345"
	keys := make([]string, 64)
	fresh := func(n int) int64 {
		for i := range keys {
			keys[i] = "new/" + strconv.Itoa(n*64+i)
		}
		return 0
	}
	counters := func(n int) int64 {
		if n == 1 {
			for i := range keys {
				keys[i] = benchKey(i)
			}
		}
		return int64(n)
	}
	for _, c := range []struct {
		name string
		hint bool
		next func(n int) (revision int64) // fills keys
	}{
		{"new", false, fresh},
		{"new-hint", true, fresh},
		{"counters", false, counters},
		{"counters-hint", true, counters},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := benchStore(b, 100_000)
			batch := &kv.Batch{Ops: make([]kv.Op, 64)}
			old := kv.Row{Value: value}
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				revision := c.next(n)
				old.Revision, old.Prev, old.Modified = revision-1, revision-2, batch.Time
				batch.Time = hlc.At(int64(n + 1))
				for i := range batch.Ops {
					op := &batch.Ops[i]
					*op = kv.Op{Kind: kv.Put, Key: keys[i], Row: kv.Row{
						Value: value, Revision: revision, Prev: revision - 1, Modified: batch.Time,
					}}
					if c.hint {
						op.Old = &old
					}
				}
				if err := s.Apply(1, uint64(n+1), batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScan reads a bucket of 100 rows out of a thousand buckets; ns/op is
// per bucket.
func BenchmarkScan(b *testing.B) {
	const buckets, rows = 1000, 100
	s, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: 100})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	batch := &kv.Batch{Time: hlc.At(1)}
	for i := range buckets * rows {
		batch.Ops = append(batch.Ops, kv.Op{Kind: kv.Put, Key: fmt.Sprintf("bucket-%d/row-%d", i%buckets, i/buckets),
			Row: kv.Row{Value: "the value of this key, as long as many are", Prev: -1, Modified: hlc.At(1)}})
	}
	if err := s.Apply(1, 1, batch); err != nil {
		b.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := 0
		err := s.Scan(false, fmt.Sprintf("bucket-%d", i*7919%buckets), func(string, kv.Row) error { n++; return nil })
		if err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
}
