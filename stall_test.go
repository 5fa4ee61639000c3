package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// stallRows is how many rows a bucket of BenchmarkStall has.
const stallRows = 4000

// stallReads are the kinds of read that the store has, on the rows of openStall.
var stallReads = []struct {
	name string
	read func(ctx context.Context, db *DB, i int) error
}{
	{"get/cold", stallScript("for i in 1..30 do let v = get (concat('rows/', @n * 30 % 4000 + i)) end")},
	{"get/cold-slow", stallScript("for i in 1..1300 do let v = get (concat('rows/', i)) end")},
	{"at/cold", stallScript("for i in 1..1300 do let v = get (concat('rows/', i)) at 0 end")},
	{"at/long-history", stallScript("return get counter at 3")},
	{"as-of/cold", stallScript("for i in 1..1300 do let v = get (concat('rows/', i)) as of @before end")},
	{"bucket/100", stallScript("return count(get by bucket small)")},
	{"bucket/1000", stallScript("return count(get by bucket kilo)")},
	{"bucket/4000", stallScript("return count(get by bucket rows)")},
	{"bucket/ended", stallScript("return count(get by bucket ended)")},
	{"bucket/large-values", stallScript("return count(get by bucket large)")},
	{"bucket/as-of-1000", stallScript("return count(get by bucket kilo as of @before)")},
	{"bucket/as-of-4000", stallScript("return count(get by bucket rows as of @before)")},
	{"prefix/4000", stallScript("return count(scan by prefix `rows/`)")},
	{"prefix/as-of-4000", stallScript("return count(scan by prefix `rows/` as of @before)")},
	{"page/first", stallPage("rows/", "", 4096, false)},
	{"page/late", stallPage("rows/", "rows/39", 4096, false)},
	{"ephemeral/bucket-4000", stallScript("return count(eget by bucket rows)")},
	{"ephemeral/as-of-4000", stallScript("return count(eget by bucket rows as of @now)")},
	{"ephemeral/page-first", stallPage("many/", "", 4096, true)},
	{"ephemeral/page-late", stallPage("many/", "many/399", 100, true)},
	{"tx/get", stallTx(nil, func(ctx context.Context, tx Tx) error {
		for i := range 1300 {
			if _, _, err := tx.Get(ctx, fmt.Sprint("rows/", i)); err != nil {
				return err
			}
		}
		return nil
	})},
	{"tx/bucket", stallTx(nil, func(ctx context.Context, tx Tx) error {
		_, err := Collect(tx.Bucket(ctx, "rows", nil))
		return err
	})},
	{"tx/optimistic-get", stallTx(&TxOptions{Optimistic: true}, func(ctx context.Context, tx Tx) error {
		for i := range 1300 {
			if _, _, err := tx.Get(ctx, fmt.Sprint("rows/", i)); err != nil {
				return err
			}
		}
		return nil
	})},
	{"tx/optimistic-bucket", stallTx(&TxOptions{Optimistic: true}, func(ctx context.Context, tx Tx) error {
		_, err := Collect(tx.Ephemeral().Prefix(ctx, "many/1", nil))
		return err
	})},
}

func stallScript(source string) func(context.Context, *DB, int) error {
	return func(ctx context.Context, db *DB, i int) error {
		_, err := db.Run(ctx, source, Params{"n": i, "before": stallBefore.UnixMilli(), "now": time.Now().UnixMilli()}, nil)
		return err
	}
}

func stallPage(prefix, after string, limit int, ephemeral bool) func(context.Context, *DB, int) error {
	return func(ctx context.Context, db *DB, _ int) error {
		s := Space(db)
		if ephemeral {
			s = db.Ephemeral()
		}
		_, err := Collect(s.Prefix(ctx, prefix, &RangeOptions{After: after, Limit: limit}))
		return err
	}
}

func stallTx(o *TxOptions, f func(context.Context, Tx) error) func(context.Context, *DB, int) error {
	return func(ctx context.Context, db *DB, _ int) error {
		tx, err := db.Begin(ctx, o)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(ctx, tx); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
}

// openStall returns a store with the rows of stallReads, whose row cache takes
// few of them.
func openStall(b *testing.B) *DB {
	b.Helper()
	db, err := Open(b.TempDir(), &Options{RowCacheBytes: 1 << 16, EphemeralBytes: 1 << 30,
		Limits: Limits{Rows: 1 << 20, WrittenKeys: 500_000, WrittenBytes: 128 << 20, Steps: 1 << 40}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	fill := func(source string, n int) {
		b.Helper()
		for at := 0; at < n; at += 4000 {
			if _, err := db.Run(context.Background(), "for i in @from..@to do "+source+" end",
				Params{"from": at, "to": min(at+4000, n) - 1}, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	fill("set (concat('small/', i)) i", 100)
	fill("set (concat('kilo/', i)) i", 1000)
	fill("set (concat('rows/', i)) i", stallRows)
	fill("set (concat('large/', i)) repeat('x', 4000)", 900)
	fill("set (concat('ended/', i)) i; delete (concat('ended/', i))", 20*stallRows)
	fill("eset (concat('rows/', i)) i", stallRows)
	fill("eset (concat('many/', i)) i", 100*stallRows)
	for range 900 {
		if _, err := db.Run(context.Background(), "set counter 1", nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(10 * time.Millisecond) // so that what comes is later
	stallBefore = time.Now()
	time.Sleep(10 * time.Millisecond)
	fill("set (concat('kilo/', i)) i", 1000)
	fill("set (concat('rows/', i)) i", stallRows)
	return db
}

// stallBefore is when the rows of openStall were there and had not been written
// a second time.
var stallBefore time.Time

// BenchmarkStall measures how long a script that takes one key waits beside
// each kind of read: the longest wait, and that of 999 in 1000.
func BenchmarkStall(b *testing.B) {
	db := openStall(b)
	probe, err := db.Compile("eset probe to_int(eget probe) + 1")
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range stallReads {
		b.Run(r.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			var waits []time.Duration
			wg.Go(func() {
				for ctx.Err() == nil {
					start := time.Now()
					if _, err := probe.Run(context.Background(), nil, nil); err != nil {
						b.Error(err)
						return
					}
					waits = append(waits, time.Since(start))
					time.Sleep(50 * time.Microsecond)
				}
			})
			for i := 0; b.Loop(); i++ {
				if err := r.read(ctx, db, i); err != nil {
					b.Error(err)
					break
				}
			}
			cancel()
			wg.Wait()
			slices.Sort(waits)
			if n := len(waits); n > 0 {
				b.ReportMetric(float64(waits[n-1].Microseconds()), "max-µs")
				b.ReportMetric(float64(waits[n*999/1000].Microseconds()), "p99.9-µs")
			}
		})
	}
}

// BenchmarkCancelReads measures how long each kind of read goes on after its
// context was canceled, somewhere in its course: the longest, and the median.
func BenchmarkCancelReads(b *testing.B) {
	db := openStall(b)
	for _, r := range stallReads {
		b.Run(r.name, func(b *testing.B) {
			start := time.Now()
			if err := r.read(context.Background(), db, 0); err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			rng := rand.New(rand.NewPCG(1, 1))
			var waits []time.Duration
			for i := 1; b.Loop(); i++ {
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error)
				go func() { done <- r.read(ctx, db, i) }()
				select {
				case <-time.After(time.Duration(rng.Int64N(int64(took)))):
					canceled := time.Now()
					cancel()
					if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
						b.Fatal(err)
					}
					waits = append(waits, time.Since(canceled))
				case err := <-done:
					if cancel(); err != nil {
						b.Fatal(err)
					}
				}
			}
			slices.Sort(waits)
			if n := len(waits); n > 0 {
				b.ReportMetric(float64(waits[n-1].Microseconds()), "max-µs")
				b.ReportMetric(float64(waits[n/2].Microseconds()), "median-µs")
			}
		})
	}
}
