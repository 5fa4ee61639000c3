package kahuna

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// benchBucket is the rate limiter of examples/leaky-bucket.kh, written shorter.
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

// openBench opens a store with the default options, on disk or in memory.
func openBench(b *testing.B, disk bool) *DB {
	b.Helper()
	var db *DB
	var err error
	if disk {
		db, err = Open(b.TempDir(), nil)
	} else {
		db, err = OpenMemory(nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

// benchKeys is how many keys the benchmarks of scripts use.
const benchKeys = 5000 // filled by one script

// benchParams are the parameters of all scripts below, for each of n keys.
func benchParams(n int) []Params {
	all := make([]Params, n)
	for i := range all {
		k := "rl/client-" + strconv.Itoa(i)
		all[i] = Params{"key": k, "value": "1", "rate_limit_param": k + "/tokens", "last_refill_param": k + "/refill",
			"refill_interval_param": 1, "capacity": 1_000_000_000}
	}
	return all
}

// inParallel has body called by that many goroutines, whatever GOMAXPROCS is;
// ns/op is the time of one call divided by the calls at once.
func inParallel(b *testing.B, callers int, body func(i int64) error) {
	b.Helper()
	b.ReportAllocs()
	procs := runtime.GOMAXPROCS(0)
	b.SetParallelism(max((callers+procs-1)/procs, 1))
	if callers == 1 {
		for i := int64(0); b.Loop(); i++ {
			if err := body(i); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := body(n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRun runs typical scripts: in the ephemeral space, in the persistent
// one of a store in memory, and durably.
func BenchmarkRun(b *testing.B) {
	scripts := []struct{ name, source string }{
		{"return-1", "return 1"},
		{"get", "get @key"},
		{"set", "set @key @value"},
		{"compare-and-set", "let v = get @key if v == @value then set @key @value end"},
		{"leaky-bucket", benchBucket},
	}
	for _, space := range []string{"ephemeral", "memory", "durable"} {
		for _, s := range scripts {
			for _, keys := range []int{1, benchKeys} {
				callers := []int{1}
				if space == "durable" {
					callers = []int{1, 64}
				}
				source, fill := s.source, "for i in 0..@last do set (concat('rl/client-', i)) 1 end"
				if space == "ephemeral" {
					source, fill = toEphemeral(source), toEphemeral(fill)
				}
				for _, n := range callers {
					b.Run(fmt.Sprintf("%s/%s/callers=%d/keys=%d", space, s.name, n, keys), func(b *testing.B) {
						db := openBench(b, space == "durable")
						if _, err := db.Run(context.Background(), fill, Params{"last": keys - 1}, nil); err != nil {
							b.Fatal(err)
						}
						benchScript(b, db, source, n, keys)
					})
				}
			}
		}
	}
}

// toEphemeral turns the commands of the scripts here into those of the other
// space.
func toEphemeral(source string) string {
	return strings.NewReplacer("get @", "eget @", "set @", "eset @", "set (", "eset (").Replace(source)
}

func benchScript(b *testing.B, db *DB, source string, callers, keys int) {
	ctx := context.Background()
	p, err := db.Compile(source)
	if err != nil {
		b.Fatal(err)
	}
	params := benchParams(keys)
	inParallel(b, callers, func(i int64) error {
		_, err := p.Run(ctx, params[i*7919%int64(keys)], nil)
		return err
	})
}

// BenchmarkPoint makes the calls that need no script.
func BenchmarkPoint(b *testing.B) {
	ctx := context.Background()
	for _, ephemeral := range []bool{true, false} {
		name := "memory"
		if ephemeral {
			name = "ephemeral"
		}
		open := func(b *testing.B) Space {
			db := openBench(b, false)
			s := Space(db)
			if ephemeral {
				s = db.Ephemeral()
			}
			if _, err := s.Set(ctx, "k", "v", nil); err != nil {
				b.Fatal(err)
			}
			return s
		}
		b.Run(name+"/get", func(b *testing.B) {
			s := open(b)
			inParallel(b, 1, func(int64) error { _, _, err := s.Get(ctx, "k"); return err })
		})
		b.Run(name+"/set", func(b *testing.B) {
			s := open(b)
			inParallel(b, 1, func(int64) error { _, err := s.Set(ctx, "k", "v", nil); return err })
		})
	}
}

// BenchmarkTx reads and writes one key in an interactive transaction, from
// Begin to Commit.
func BenchmarkTx(b *testing.B) {
	ctx := context.Background()
	for _, space := range []string{"memory", "durable"} {
		for _, optimistic := range []bool{false, true} {
			kind := "locking"
			if optimistic {
				kind = "optimistic"
			}
			for _, callers := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/%s/callers=%d", space, kind, callers), func(b *testing.B) {
					db := openBench(b, space == "durable")
					params := benchParams(benchKeys)
					inParallel(b, callers, func(i int64) error {
						return benchTx(ctx, db, &TxOptions{Optimistic: optimistic}, params[i*7919%benchKeys]["key"].(string))
					})
				})
			}
		}
	}
}

func benchTx(ctx context.Context, db *DB, o *TxOptions, key string) error {
	tx, err := db.Begin(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, _, err := tx.Get(ctx, key); err != nil {
		return err
	}
	if _, err := tx.Set(ctx, key, "1", nil); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// BenchmarkSource runs a script by its text: what finding it in the cache of
// compiled ones adds.
func BenchmarkSource(b *testing.B) {
	ctx := context.Background()
	db := openBench(b, false)
	inParallel(b, 1, func(int64) error { _, err := db.Run(ctx, "return 1", nil, nil); return err })
}

func BenchmarkReturn1(b *testing.B) {
	ctx := context.Background()
	db := openTest(b, "", nil)
	p, err := db.Compile(`return 1`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if _, err := p.Run(ctx, nil, nil); err != nil {
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
	inParallel(b, 64, func(i int64) error {
		if _, err := db.Run(ctx, "set counter to_int(get counter) + 1", nil, nil); err != nil {
			return err
		}
		if i%int64(every) != 0 {
			return nil
		}
		start := time.Now()
		_, err := db.Run(ctx, "let c = get counter; return [c, (get counter at rev(c) - 100), (get counter at 0)]", nil, nil)
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
