package kahuna

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var flagHotWrites = flag.Int("hot.writes", 30_000, "writes to one key by TestHotKey; from 1,000,000 on in files, with the default options")

// TestHotKey: a key that is written again and again, of which no history is
// kept, fills the log and next to nothing else. All the same the log is cut, and
// the memory for its index stays, by the bytes of the log and by its entries.
func TestHotKey(t *testing.T) {
	type variant struct {
		name    string
		callers int
		options Options
	}
	variants := []variant{
		{"bytes", 64, Options{LogBytes: 256 << 10, logEntries: 1 << 40, fs: vfs.NewMem(), segment: 1 << 20}},
		{"entries", 1, Options{LogBytes: 1 << 40, logEntries: 1000, fs: vfs.NewMem(), segment: 1 << 20}},
		{"files", 64, Options{LogBytes: 1 << 40, logEntries: 1 << 40, fs: vfs.NewMem(), segment: 16 << 10}},
	}
	if *flagHotWrites >= 1_000_000 {
		variants = []variant{{"as it is", 64, Options{}}}
	}
	for _, test := range variants {
		t.Run(test.name, func(t *testing.T) {
			test.options.HistoryRevisions = 1
			db, err := open(t.TempDir(), &test.options)
			if err != nil {
				t.Fatal(err)
			}
			h := hotKey{db: db}
			h.run(t, test.callers, *flagHotWrites/test.callers)
			h.settle(t)
			if h.log > 512<<20 {
				t.Errorf("the log had %d bytes", h.log)
			}
			if heap := plateau(h.heap, 64<<20); heap != steady {
				t.Errorf("the heap is %s: %.0f", heap, h.heap)
			}
			s := db.Stats()
			t.Logf("%d writes in %v; log at most %d bytes, now %d; %d flushes; heap %.0f", s.BatchedScripts, h.took, h.log, s.LogBytes, s.Flushes, h.heap)
			closeStore(t, db)
		})
	}
}

type hotKey struct {
	db   *DB
	took time.Duration
	log  int64     // the most
	heap []float64 // 24 samples
}

// run writes, and takes samples as it goes.
func (h *hotKey) run(t *testing.T, callers, writes int) {
	t.Helper()
	ctx := context.Background()
	start := time.Now()
	var n atomic.Int64
	const rounds = 24
	for range rounds {
		together(callers, func(caller int) {
			for range writes / rounds {
				value := fmt.Sprint(n.Add(1))
				if _, err := h.db.Set(ctx, "n", value, &SetOptions{NoHistory: true}); err != nil {
					t.Error(err)
					return
				}
				if caller == 0 {
					h.log = max(h.log, h.db.Stats().LogBytes)
				}
			}
		})
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.heap = append(h.heap, float64(m.HeapAlloc))
	}
	h.took = time.Since(start)
}

// settle waits until the rows were flushed and the log was cut.
func (h *hotKey) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		s := h.db.Stats()
		if s.Flushes > 0 && s.LogBytes <= max(h.log, 1<<20) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log is not cut: %+v", s)
		}
		time.Sleep(time.Millisecond)
	}
}
