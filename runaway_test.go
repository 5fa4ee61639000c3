package kahuna

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kahuna/internal/txn"
	"kahuna/script"
)

// runaways are scripts that take all they can get. They use keys of their own.
var runaways = []struct{ name, source string }{
	{"loop", "set 'mine/a' 1; while true do let x = 1 end"},
	{"range", "set 'mine/a' 1; for i in 1..9000000000 do let x = i * 2 end"},
	{"arrays", "set 'mine/a' 1; while true do let a = (1..50000) end"},
	{"growing-text", "set 'mine/a' 1; let s = 'x'; while true do let s = concat(s, repeat('y', 10000)) end"},
	{"long-text", "set 'mine/a' 1; let s = repeat('ab', 8000000); while true do let t = replace(s, 'a', 'c') end"},
	{"json", "set 'mine/a' 1; let s = repeat('\"', 7000000); while true do let t = to_json(s) end"},
	{"bucket", "set 'mine/a' 1; while true do let b = get by bucket big end"},
	{"keys", "set 'mine/a' 1; let i = 0; while true do let i = i + 1; let x = get (concat('none/', i)) end"},
	{"ephemeral-bucket", "set 'mine/a' 1; while true do let b = eget by bucket big end"},
}

func openRunaway(t testing.TB, limits Limits) *DB {
	t.Helper()
	db := openTest(t, t.TempDir(), &Options{Limits: limits})
	ctx := context.Background()
	for at := 0; at < 20_000; at += 2000 {
		if _, err := db.Run(ctx, "for i in @from..(@from + 1999) do set (concat('big/', i)) i; eset (concat('big/', i)) i end",
			Params{"from": at}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// TestCancelRunaway: canceled wherever it is, a script returns, nothing of it
// stays, and its locks are free. How long it takes is for
// BenchmarkCancelRunaway to say.
func TestCancelRunaway(t *testing.T) {
	t.Parallel()
	db := openRunaway(t, Limits{Steps: 1 << 50, Rows: 1 << 30, MemoryBytes: 1 << 50})
	for _, r := range runaways {
		if _, err := cancelAfter(db, r.source, 10*time.Millisecond); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", r.name, err)
		}
		if _, ok, err := db.Get(context.Background(), "mine/a"); ok || err != nil {
			t.Errorf("%s left its write (%v)", r.name, err)
		}
		if n := db.Stats().Locks; n != 0 {
			t.Errorf("%s: %d locks are left", r.name, n)
		}
	}
}

// cancelAfter runs a script, cancels it, and returns how long it then took.
func cancelAfter(db *DB, source string, d time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, source, nil, &RunOptions{Timeout: time.Minute})
		ended <- err
	}()
	time.Sleep(d)
	start := time.Now()
	cancel()
	err := <-ended
	return time.Since(start), err
}

// BenchmarkCancelRunaway measures how long a canceled script takes to return.
func BenchmarkCancelRunaway(b *testing.B) {
	db := openRunaway(b, Limits{Steps: 1 << 50, Rows: 1 << 30, MemoryBytes: 1 << 50})
	for _, r := range runaways {
		b.Run(r.name, func(b *testing.B) {
			var took []time.Duration
			for i := range b.N {
				d, err := cancelAfter(db, r.source, time.Duration(5+i*7%20)*time.Millisecond)
				if !errors.Is(err, context.Canceled) {
					b.Fatal(err)
				}
				took = append(took, d)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "p95-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		})
	}
}

// BenchmarkRunaway measures what runaway scripts cost scripts on other keys.
// Times with and without them alternate, so that both see the same machine.
func BenchmarkRunaway(b *testing.B) {
	for _, durable := range []bool{false, true} {
		for _, at := range []int{1, 4} {
			for _, r := range runaways {
				b.Run(fmt.Sprintf("durable=%v/%s/at-once=%d", durable, r.name, at), func(b *testing.B) {
					benchRunaway(b, r.source, at, durable)
				})
			}
		}
	}
}

func benchRunaway(b *testing.B, source string, at int, durable bool) {
	db := openRunaway(b, Limits{Rows: 1 << 30})
	fast := "eset @key to_int(eget @key) + 1"
	if durable {
		fast = "set @key to_int(get @key) + 1"
	}
	p, err := db.Compile(fast)
	if err != nil {
		b.Fatal(err)
	}
	var latency [2][]time.Duration
	window := func(which int) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		var mu sync.Mutex
		var ran atomic.Int64
		if which == 1 {
			for i := range at {
				wg.Go(func() {
					for ctx.Err() == nil {
						_, _ = db.Run(ctx, strings.ReplaceAll(source, "mine/a", fmt.Sprint("mine/", i)), nil, nil)
						ran.Add(1)
					}
				})
			}
			time.Sleep(20 * time.Millisecond)
		}
		end := time.Now().Add(300 * time.Millisecond)
		for g := range 4 {
			wg.Go(func() {
				var took []time.Duration
				for i := 0; time.Now().Before(end); i++ {
					start := time.Now()
					if _, err := p.Run(context.Background(), Params{"key": fmt.Sprint("other/", g, "/", i%100)}, nil); err != nil {
						b.Error(err)
						return
					}
					took = append(took, time.Since(start))
					// Not a load that takes all there is: then everything waits.
					time.Sleep(200 * time.Microsecond)
				}
				mu.Lock()
				latency[which] = append(latency[which], took...)
				mu.Unlock()
			})
		}
		time.Sleep(time.Until(end))
		cancel()
		wg.Wait()
	}
	for range b.N {
		window(0)
		window(1)
	}
	at99 := func(which, percent int) float64 {
		l := latency[which]
		slices.Sort(l)
		return float64(l[len(l)*percent/100].Nanoseconds()) / 1000
	}
	b.ReportMetric(at99(0, 50), "p50-µs")
	b.ReportMetric(at99(0, 99), "p99-µs")
	b.ReportMetric(at99(1, 50), "beside-p50-µs")
	b.ReportMetric(at99(1, 99), "beside-p99-µs")
	b.ReportMetric(at99(1, 99)/at99(0, 99), "p99-ratio")
}

// BenchmarkFastBudget measures how long a script that is too long for the
// executor keeps it, before it goes on the slow path.
func BenchmarkFastBudget(b *testing.B) {
	db := openRunaway(b, Limits{Rows: 1 << 30})
	more := []struct{ name, source string }{
		{"writes", "set 'mine/a' 1; for i in 1..100000 do eset 'mine/x' i end"},
		{"writes-of-keys", "set 'mine/a' 1; for i in 1..100000 do set (concat('mine/', i)) i end"},
		{"reads-of-keys", "set 'mine/a' 1; for i in 1..100000 do let x = get (concat('big/', i % 20000)) end"},
		{"reads-of-nothing", "set 'mine/a' 1; for i in 1..100000 do let x = eget (concat('none/', i)) end"},
		{"texts", "set 'mine/a' 1; let s = repeat('ab', 100000); while true do let n = index_of(s, 'x') end"},
		{"prefix", "set 'mine/a' 1; while true do let b = escan by prefix 'big/1' end"},
	}
	for _, r := range append(more, runaways...) {
		b.Run(r.name, func(b *testing.B) {
			p, err := script.Compile(r.source, &db.limits)
			if err != nil {
				b.Fatal(err)
			}
			call, err := p.Bind(nil)
			if err != nil {
				b.Fatal(err)
			}
			defer call.Release()
			work := &txn.Script{Call: call}
			var took []time.Duration
			for range b.N {
				start := time.Now()
				if _, _, err := db.node.Runner.Partition.Fast(context.Background(), work, nil, start.UnixMilli(), nil); err != script.ErrSlowPath {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
