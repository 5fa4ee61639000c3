package kahuna

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	flagKeyedRounds = flag.Int("keyed.rounds", 0, "seconds of TestKeyedLoad in files; 0: a short one in memory")
	flagKeyedRate   = flag.Int("keyed.rate", 30_000, "scripts with an idempotency key in each of these seconds")
)

// keyedLoad sends scripts with new idempotency keys round by round, a round a
// second. The store's clock moves with the scripts sent, so that two rounds are
// the ten minutes for which a result is remembered.
type keyedLoad struct {
	db   *DB
	rate int
	sent atomic.Int64

	late             int // rounds that took longer than a second
	keys, disk, heap []float64
}

const keyedAgeRounds = 2

func (k *keyedLoad) now() int64 {
	return 1_700_000_000_000 + k.sent.Load()*(10*time.Minute).Milliseconds()/int64(keyedAgeRounds*k.rate)
}

// round sends the scripts of a round, and then some of them again.
func (k *keyedLoad) round(t *testing.T, program Program, round int) {
	t.Helper()
	ctx := context.Background()
	start := time.Now()
	const callers = 64
	send := func(n int) bool {
		_, err := program.Run(ctx, nil, &RunOptions{IdempotencyKey: fmt.Sprint("request ", round, " ", n)})
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	together(callers, func(caller int) {
		for n := caller; n < k.rate; n += callers {
			if !send(n) {
				return
			}
			k.sent.Add(1)
		}
	})
	together(callers, func(caller int) {
		for n := caller; n < k.rate; n += 16 * callers {
			if !send(n) {
				return
			}
		}
	})
	took := time.Since(start)
	if took > time.Second {
		k.late++
	}
	time.Sleep(time.Second - took)
}

// run sends so many rounds. It fails when a request is refused, or has taken
// effect twice.
func (k *keyedLoad) run(t *testing.T, rounds int, sample func()) {
	t.Helper()
	program, err := k.db.Compile("set n to_int(get n) + 1; return get n")
	if err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		if k.round(t, program, round); t.Failed() {
			return
		}
		k.keys = append(k.keys, float64(k.db.Stats().IdempotencyKeys))
		sample()
	}
	wantValue(t, k.db, "n", fmt.Sprint(rounds*k.rate))
}

// TestKeyedLoad: what requests with idempotency keys leave is forgotten as fast
// as it comes, and not before its time; memory and disk stay as they are.
func TestKeyedLoad(t *testing.T) {
	if *flagKeyedRounds > 0 {
		keyedLoadInFiles(t)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		k := keyedLoad{rate: 3000}
		k.db = openFiles(t, vfs.NewMem(), Options{now: k.now, IdempotencyAge: 10 * time.Minute})
		k.run(t, 9, func() {})
		// Those of two rounds are young, those of another one may wait for a sweep.
		for i, n := range k.keys {
			if n > 4*float64(k.rate) {
				t.Errorf("%.0f keys after %d rounds of %d: %.0f", n, i+1, k.rate, k.keys)
				break
			}
		}
		closeStore(t, k.db)
	})
}

func keyedLoadInFiles(t *testing.T) {
	k := keyedLoad{rate: *flagKeyedRate}
	dir := t.TempDir()
	var err error
	if k.db, err = open(dir, &Options{now: k.now, IdempotencyAge: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	k.run(t, *flagKeyedRounds, func() {
		k.disk = append(k.disk, float64(diskBytes(vfs.Default, dir)))
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		k.heap = append(k.heap, float64(m.HeapAlloc))
	})
	for what, samples := range map[string][]float64{"keys": k.keys, "disk": k.disk, "heap": k.heap} {
		if v := plateau(samples, 64<<20); v != steady {
			t.Errorf("%s: %s", what, v)
		}
		t.Logf("%s: %.0f", what, samples)
	}
	t.Logf("%d of %d rounds of %d scripts took longer than a second; %+v", k.late, *flagKeyedRounds, k.rate, k.db.Stats())
	closeStore(t, k.db)
}
