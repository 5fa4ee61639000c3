package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// together runs n goroutines and waits for all of them.
func together(n int, body func(g int)) {
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { body(g) })
	}
	wg.Wait()
}

// until waits for a condition, and fails the test when what would make it true
// has ended.
func until(t *testing.T, what string, condition func() bool, ended <-chan error) {
	t.Helper()
	for !condition() {
		select {
		case err := <-ended:
			t.Fatalf("ended before %s: %v", what, err)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestCountersOnAllPaths counts in one key by fast scripts, by scripts that
// sleep, by scripts that find their key while running, and by one beyond the
// executor's budget: no count is lost.
func TestCountersOnAllPaths(t *testing.T) {
	t.Parallel()
	db := openTest(t, t.TempDir(), nil)
	ctx := context.Background()
	if _, err := db.Run(ctx, "set ptr 'n'", nil, nil); err != nil {
		t.Fatal(err)
	}
	scripts := []string{
		"set n to_int(get n) + 1",
		"let v = to_int(get n); sleep 1; set n v + 1",
		"let k = get ptr; let v = to_int(get (k)); sleep 1; set (k) v + 1",
		"let k = get ptr; set (k) to_int(get (k)) + 1",
		"let v = to_int(get n); for i in 1..5000 do let w = i end set n v + 1",
		"let v = to_int(get n) + 1; eset n v; set n v",
	}
	const rounds = 25
	var done atomic.Int64
	together(2*len(scripts), func(g int) {
		for range rounds {
			if _, err := db.Run(ctx, scripts[g%len(scripts)], nil, &RunOptions{Timeout: time.Minute}); err != nil {
				t.Error(err)
				return
			}
			done.Add(1)
		}
	})
	e, _, err := db.Get(ctx, "n")
	if err != nil || e.Value != fmt.Sprint(done.Load()) || e.Revision != done.Load()-1 {
		t.Errorf("n = %q r%d, %v; want %d", e.Value, e.Revision, err, done.Load())
	}
	if got := db.Stats(); got.SlowPath == 0 || got.FastPath == 0 {
		t.Errorf("only one path was used: %+v", got)
	}
}

// TestTransfersKeepTheirSum moves amounts between accounts, asleep and awake,
// in both directions, while others add up all of them: the sum never changes,
// and nobody deadlocks.
func TestTransfersKeepTheirSum(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	const accounts, each = 6, 100
	for i := range accounts {
		if _, err := db.Set(ctx, fmt.Sprint("acct/", i), fmt.Sprint(each), nil); err != nil {
			t.Fatal(err)
		}
	}
	transfer := `let a = to_int(get @from); if @pause > 0 then sleep @pause end
		let b = to_int(get @to)
		if a < @n then throw 'too little' end
		set @from a - @n; set @to b + @n`
	sums := []string{
		"let s = 0; for v in (%s) do let s = s + v end return s",
		"let s = 0; for i in 0..5 do let s = s + get (concat('acct/', i)) end return s",
		"let s = 0; for i in 0..5 do let s = s + get (concat('acct/', i)); sleep 1 end return s",
	}
	var moved, refused atomic.Int64
	together(10, func(g int) {
		rng := rand.New(rand.NewPCG(uint64(g), 7))
		for i := range 40 {
			if g < 3 {
				src := sums[g]
				if g == 0 {
					src = fmt.Sprintf(src, []string{"get by bucket acct", "scan by prefix 'acct/'"}[i%2])
				}
				res, err := db.Run(ctx, src, nil, &RunOptions{Timeout: time.Minute})
				if err != nil || res.Text() != fmt.Sprint(accounts*each) {
					t.Errorf("%s: %v, %v", src, res, err)
					return
				}
				continue
			}
			from := rng.IntN(accounts)
			to := (from + 1 + rng.IntN(accounts-1)) % accounts
			_, err := db.Run(ctx, transfer, Params{"from": fmt.Sprint("acct/", from), "to": fmt.Sprint("acct/", to),
				"n": rng.IntN(80), "pause": rng.IntN(2)}, &RunOptions{Timeout: time.Minute})
			switch {
			case err == nil:
				moved.Add(1)
			case errors.Is(err, ErrThrow):
				refused.Add(1)
			default:
				t.Error(err)
				return
			}
		}
	})
	if moved.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d moved, %d refused: this proved too little", moved.Load(), refused.Load())
	}
}

// TestRunawayIsBounded: a script that never ends is stopped by its steps or
// its caller, and keeps nobody but users of its keys waiting.
func TestRunawayIsBounded(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	if _, err := db.Run(ctx, "set mine 1 while true do end", nil, nil); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
	limits := &Options{Limits: Limits{Steps: 1 << 60, Timeout: 5 * time.Minute}}
	db = openTest(t, "", limits)
	cancelable, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := db.Run(cancelable, "set mine 1 while true do end", nil, nil)
		ended <- err
	}()
	// It holds its key once it is on the slow path.
	until(t, "it held its key", func() bool { return db.Stats().Locks > 0 }, ended)
	if _, err := db.Set(ctx, "other", "1", nil); err != nil {
		t.Error(err)
	}
	if _, err := db.Run(ctx, "set mine 2", nil, &RunOptions{Timeout: 20 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
		t.Errorf("a script on the locked key: %v, want ErrTimeout", err)
	}
	start := time.Now()
	cancel()
	err := <-ended
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	t.Logf("cancelled in %v", time.Since(start))
	if _, ok, err := db.Get(ctx, "mine"); ok || err != nil {
		t.Errorf("the cancelled script left its write: %v %v", ok, err)
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestIdempotencyKey: sent many times at once, and again after a restart, a
// request takes effect once and gets one answer.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := context.Background()
	scripts := []string{"set n to_int(get n) + 1", "let v = to_int(get n); sleep 3; set n v + 1; return get n"}
	for i, src := range scripts {
		db := openTest(t, fmt.Sprint(dir, i), nil)
		answers := make([]string, 12)
		together(len(answers), func(g int) {
			res, err := db.Run(ctx, src, nil, &RunOptions{IdempotencyKey: "order-17"})
			if err != nil {
				t.Error(err)
				return
			}
			answers[g] = fmt.Sprint(res.Type, res.Entries)
		})
		for _, a := range answers {
			if a != answers[0] {
				t.Errorf("two answers: %s and %s", answers[0], a)
			}
		}
		if _, err := db.Run(ctx, "set n 5", nil, &RunOptions{IdempotencyKey: "order-17"}); err == nil {
			t.Error("the key was taken for another script")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openTest(t, fmt.Sprint(dir, i), nil)
		res, err := db.Run(ctx, src, nil, &RunOptions{IdempotencyKey: "order-17"})
		if err != nil || fmt.Sprint(res.Type, res.Entries) != answers[0] {
			t.Errorf("after a restart: %v %v, want %s", res, err, answers[0])
		}
		if e, _, _ := db.Get(ctx, "n"); e.Value != "1" || e.Revision != 0 {
			t.Errorf("n = %s r%d, want 1 r0", e.Value, e.Revision)
		}
	}
}

// TestPruneGoesOn: old versions are found behind more keys with young ones than
// one step looks at.
func TestPruneGoesOn(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(1_700_000_000_000)
	db := openTest(t, "", &Options{HistoryAge: time.Minute, sweep: 5 * time.Millisecond, now: now.Load})
	run := func(src string) *Result {
		res, err := db.Run(context.Background(), src, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for range 20 { // the newest eight are not in the history
		run("set z 1")
	}
	now.Add(50_000)
	for range 20 {
		run("for i in 1..1000 do set (concat('a/', i)) 1 end")
	}
	now.Add(20_000)
	deadline := time.Now().Add(20 * time.Second)
	for run("get z at 1").Entries[0].Kind != KindNull {
		if time.Now().After(deadline) {
			t.Fatalf("not pruned: %+v", db.Stats())
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(10) // passes through the histories begin by this clock
	}
	if run("get 'a/1' at 1").Entries[0].Kind == KindNull {
		t.Error("a young version was pruned")
	}
}

// TestSweep: what has ended is collected after the retention, in both spaces,
// and then counts from 0 again; what lives stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(1_700_000_000_000)
	db := openTest(t, "", &Options{HistoryAge: time.Minute, sweep: 5 * time.Millisecond, now: now.Load})
	ctx := context.Background()
	src := `for s in 1..20 do
		set (concat('gone/', s)) s ex 1000; eset (concat('gone/', s)) s ex 1000
		set (concat('kept/', s)) s; set (concat('kept/', s)) s + 1
	end set deleted 1`
	if _, err := db.Run(ctx, src, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Run(ctx, "for s in 1..20 do set (concat('kept/', s)) s + 2 end delete deleted", nil, nil); err != nil {
		t.Fatal(err)
	}
	now.Add(2000)
	if res, err := db.Run(ctx, "return [(exists 'gone/1'), (get 'kept/1' at 1), (eexists 'gone/1')]", nil, nil); err != nil ||
		fmt.Sprint(res.Entries[0].Value, res.Entries[1].Value, res.Entries[2].Value) != "false2false" {
		t.Errorf("before the retention: %v %v", res, err)
	}
	now.Add(70_000)
	deadline := time.Now().Add(20 * time.Second)
	for {
		s := db.Stats()
		res, err := db.Run(ctx, "return [(get 'kept/1' at 1), (get 'kept/1')]", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Purged >= 21 && s.EphemeralExpired >= 20 && res.Entries[0].Kind == KindNull && res.Entries[1].Value == "3" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not collected: %+v, %v", s, res.Entries)
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(500) // passes through the histories begin by this clock
	}
	res, err := db.Run(ctx, "set deleted 1; eset 'gone/1' 1; return [rev(get deleted), rev(eget 'gone/1'), rev(get 'kept/1')]", nil, nil)
	if err != nil || fmt.Sprint(res.Entries[0].Value, res.Entries[1].Value, res.Entries[2].Value) != "002" {
		t.Errorf("after: %v %v", res, err)
	}
	if _, err := db.Run(ctx, "get 'gone/1' as of 1700000000500", nil, nil); err == nil {
		t.Error("history of a collected key was answered")
	}
}

// TestKeysOfTheClock: scripts end though they write a key that is another one
// in every run, in a bucket that they all read.
func TestKeysOfTheClock(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	mustRun(t, db, `for i in 1..64 do set (concat("due/1-", i)) i end`, nil, nil)
	p, err := db.Compile(`let r = first(get by bucket due limit 1)
		delete (key(r))
		set (concat("due/2-", now(), "-", r)) r
		return r`)
	if err != nil {
		t.Fatal(err)
	}
	var taken [65]atomic.Bool
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			res, err := p.Run(context.Background(), nil, &RunOptions{Timeout: 20 * time.Second})
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := res.Int(); err != nil || taken[n].Swap(true) {
				t.Errorf("row %d was taken twice, %v", n, err)
			}
		})
	}
	wg.Wait()
}

// TestEphemeralIsBounded: the space stays below its bound, what was used stays
// longest, and no write fails.
func TestEphemeralIsBounded(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{EphemeralBytes: 200_000})
	ctx := context.Background()
	value := string(make([]byte, 1000))
	for i := range 2000 {
		if _, err := db.Ephemeral().Set(ctx, fmt.Sprint("k", i), value, nil); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := db.Ephemeral().Get(ctx, "k0"); !ok || err != nil {
			t.Fatalf("the row used all the time was evicted after %d writes (%v)", i, err)
		}
	}
	s := db.Stats()
	if s.EphemeralBytes > 200_000 || s.EphemeralEvicted < 1500 {
		t.Errorf("%d bytes, %d evictions", s.EphemeralBytes, s.EphemeralEvicted)
	}
}

// TestClose: calls that wait end with ErrClosed or are durable, later ones are
// refused.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openTest(t, dir, nil)
	ctx := context.Background()
	asleep := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, "set k 1; sleep 60000", nil, &RunOptions{Timeout: 2 * time.Minute})
		asleep <- err
	}()
	until(t, "it was asleep", func() bool { return db.Stats().Locks > 0 }, asleep)
	var acked atomic.Int64
	ended := make(chan error, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				res, err := db.Run(ctx, "set n to_int(get n) + 1; return get n", nil, nil)
				if err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Errorf("got %v, want ErrClosed", err)
					}
					ended <- err
					return
				}
				_ = res
				acked.Add(1)
			}
		})
	}
	until(t, "50 scripts were acknowledged", func() bool { return acked.Load() >= 50 }, ended)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := <-asleep; !errors.Is(err, ErrClosed) {
		t.Errorf("the sleeping script: %v, want ErrClosed", err)
	}
	if _, err := db.Run(ctx, "get n", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	again := openTest(t, dir, nil)
	if e, _, err := again.Get(ctx, "n"); err != nil || e.Value != fmt.Sprint(acked.Load()) {
		t.Errorf("n = %s (%v), %d were acknowledged", e.Value, err, acked.Load())
	}
}
