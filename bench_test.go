package kahuna

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const benchBucket = `let interval = to_int(@refill_interval_param)
let capacity = to_int(@capacity)
let now = current_time()

let stored = get @rate_limit_param
let since = get @last_refill_param

if is_null(stored) || is_null(since) then
  set @rate_limit_param capacity - 1
  set @last_refill_param now
  return 1
end

let refill = max(0, (now - to_int(since)) / interval)
let tokens = min(to_int(stored) + refill, capacity)

if tokens <= 0 then
  return 0
end

set @rate_limit_param tokens - 1
set @last_refill_param to_int(since) + refill * interval
return 1`

func benchParallel(b *testing.B, callers int, body func(i int64) error) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism((callers + 1) / 2) // of GOMAXPROCS 2
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := body(n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkDurable(b *testing.B) {
	ctx := context.Background()
	for _, callers := range []int{1, 64} {
		for _, keys := range []int64{1, 100_000} {
			b.Run(fmt.Sprintf("leaky-bucket/callers=%d/keys=%d", callers, keys), func(b *testing.B) {
				db := openTest(b, b.TempDir(), nil)
				p, err := db.Compile(benchBucket)
				if err != nil {
					b.Fatal(err)
				}
				run := func(i int64) error {
					k := fmt.Sprint("rl/", i*2654435761%keys)
					_, err := p.Run(ctx, Params{"rate_limit_param": k + "/tokens", "last_refill_param": k + "/refill",
						"refill_interval_param": 1, "capacity": 1000000})
					return err
				}
				if callers == 1 {
					b.ReportAllocs()
					for i := 0; i < b.N; i++ {
						if err := run(int64(i)); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				benchParallel(b, callers, run)
			})
		}
	}
}

func BenchmarkEphemeralCAS(b *testing.B) {
	ctx := context.Background()
	db := openTest(b, "", nil)
	p, err := db.Compile(`let v = eget k if v == @old then eset k @new cmp v end`)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Run(ctx, "eset k 1", nil); err != nil {
		b.Fatal(err)
	}
	params := Params{"old": "1", "new": "1"}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if _, err := p.Run(ctx, params); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	db := openTest(b, "", nil)
	if _, err := db.Set(ctx, "k", "v", nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if _, _, err := db.Get(ctx, "k"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTxWrites writes many keys in one interactive transaction, one call
// each: the time of a call must not grow with what was written before.
func BenchmarkTxWrites(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{100, 10_000} {
		for _, optimistic := range []bool{false, true} {
			b.Run(fmt.Sprintf("n=%d/optimistic=%v", n, optimistic), func(b *testing.B) {
				db := openTest(b, "", nil)
				for range b.N {
					tx, err := db.Begin(ctx, &TxOptions{Optimistic: optimistic})
					if err != nil {
						b.Fatal(err)
					}
					for i := range n {
						if _, err := tx.Set(ctx, fmt.Sprint("bucket/", i), "value", nil); err != nil {
							b.Fatal(err)
						}
					}
					if err := tx.Commit(ctx); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/write")
			})
		}
	}
}

// BenchmarkCounterAllDay writes one counter, with the default options, and
// reads it now and then, also as of an hour's first revision. The second half
// of the run must cost what the first did: the time of a read, and the disk.
// Run it long: -benchtime 3000000x.
func BenchmarkCounterAllDay(b *testing.B) {
	ctx := context.Background()
	dir := b.TempDir()
	db, err := Open(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	type half struct {
		disk  int64
		reads []time.Duration
	}
	var halves [2]half
	var mu sync.Mutex
	every := max(b.N/2000, 1)
	benchParallel(b, 64, func(i int64) error {
		if _, err := db.Run(ctx, "set counter to_int(get counter) + 1", nil); err != nil {
			return err
		}
		if i%int64(every) != 0 {
			return nil
		}
		start := time.Now()
		_, err := db.Run(ctx, "let c = get counter; return [c, (get counter at rev(c) - 100), (get counter at 0)]", nil)
		took := time.Since(start)
		mu.Lock()
		defer mu.Unlock()
		h := &halves[min(i*2/int64(b.N), 1)]
		h.disk = max(h.disk, diskBytes(vfs.Default, dir))
		h.reads = append(h.reads, took)
		return err
	})
	for i, name := range []string{"first", "second"} {
		h := &halves[i]
		if len(h.reads) == 0 {
			continue
		}
		slices.Sort(h.reads)
		b.ReportMetric(float64(h.disk)/(1<<20), name+"-disk-MiB")
		b.ReportMetric(float64(h.reads[len(h.reads)/2].Microseconds()), name+"-read-p50-µs")
		b.ReportMetric(float64(h.reads[len(h.reads)*99/100].Microseconds()), name+"-read-p99-µs")
	}
	b.StopTimer()
	s := db.Stats()
	b.Logf("%d writes: rows %d MiB, log %d MiB, %d flushes, %d compactions", b.N, s.RowsBytes>>20, s.LogBytes>>20, s.Flushes, s.Compactions)
	if err := db.Close(); err != nil {
		b.Error(err)
	}
}
