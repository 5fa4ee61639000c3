package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// TestBlockCacheBesideMemTables: the memory of memtables is not taken from that
// of cached blocks.
func TestBlockCacheBesideMemTables(t *testing.T) {
	const size = 1 << 20
	s, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: 1, CacheBytes: size, MemTableBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const batches, rows = 64, 64
	for i := range batches { // memtables have their full size in the end
		batch := &kv.Batch{Time: hlc.At(1)}
		for j := range rows {
			batch.Ops = append(batch.Ops, kv.Op{Kind: kv.Put, Key: fmt.Sprint("k/", i, "/", j),
				Row: kv.Row{Value: strings.Repeat(fmt.Sprint(i, j, " "), 200), Prev: -1, Modified: hlc.At(1)}})
		}
		if err := s.Apply(uint64(i+1), 1, batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 16 {
			if _, _, err := s.Get(fmt.Sprint("k/", i, "/", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if m := s.Metrics(); m.CacheBytes == 0 || m.CacheHits == 0 {
		t.Errorf("%d bytes are cached, after %d hits and %d misses", m.CacheBytes, m.CacheHits, m.CacheMisses)
	}
}
