package kahuna

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kahuna/internal/admission"
	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// long is a script that is too long for the executor, and then appends @name to
// the key order.
const long = "for i in 1..5000 do let x = i end; set order concat(coalesce(get order, ''), @name)"

// occupy takes the place of one script under way, until the pass it returns
// leaves.
func occupy(db *DB) *admission.Pass {
	p := db.node.Runner.Admission.NewPass()
	p.Enter()
	return p
}

// awaitWaiting returns when n scripts wait to be admitted.
func awaitWaiting(t *testing.T, db *DB, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); db.Stats().SlowWaiting != n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", db.Stats().SlowWaiting, n)
		}
	}
}

// wantNoSlow fails if anything of the slow path is still taken.
func wantNoSlow(t *testing.T, db *DB) {
	t.Helper()
	s := db.node.Runner.Admission.Stats()
	if s.UnderWay != 0 || s.Waiting != 0 || s.Computing != 0 {
		t.Errorf("of the slow path is left: %+v", s)
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestAdmissionOrder: scripts that wait are admitted by priority, what the
// script says before what the request says, and else in the order they came.
func TestAdmissionOrder(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{SlowScripts: 1})
	first := occupy(db)
	in := func(priority string) string {
		return fmt.Sprintf("begin (priority=%s) %s commit end", priority, long)
	}
	var wg sync.WaitGroup
	for i, w := range []struct {
		name, source string
		o            *RunOptions
	}{
		{"g", in("background"), nil},
		{"d", long, nil},
		{"f", long, &RunOptions{Priority: PriorityLow}},
		{"a", in("critical"), &RunOptions{Priority: PriorityLow}},
		{"b", long, &RunOptions{Priority: PriorityHigh}},
		{"e", in("normal"), &RunOptions{Priority: PriorityCritical}},
		{"c", in("@p"), nil},
	} {
		wg.Go(func() {
			if _, err := db.Run(context.Background(), w.source, Params{"name": w.name, "p": "high"}, w.o); err != nil {
				t.Errorf("%s: %v", w.name, err)
			}
		})
		awaitWaiting(t, db, i+1)
	}
	// What is short passes them all.
	if _, err := db.Run(context.Background(), "set short 1", nil, nil); err != nil {
		t.Error(err)
	}
	first.Leave()
	wg.Wait()
	if e, _, err := db.Get(context.Background(), "order"); e.Value != "abcdefg" || err != nil {
		t.Errorf("admitted in the order %q (%v)", e.Value, err)
	}
	if w := db.Stats().AdmissionWait; w.Count != 7 || w.Total <= 0 {
		t.Errorf("AdmissionWait: %+v", w)
	}
	wantNoSlow(t, db)
}

// TestAdmissionRefused: who is not admitted has changed nothing, and is told
// why.
func TestAdmissionRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openTest(t, "", &Options{SlowScripts: 1, SlowWaiting: 1, AdmissionWait: time.Millisecond, Limits: Limits{AdmissionWait: time.Minute}})
	first := occupy(db)
	refused := func(source, message string, o *RunOptions) {
		t.Helper()
		_, err := db.Run(ctx, source, Params{"name": "x"}, o)
		wantCode(t, source, err, CodeAdmission, NotApplied)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, message) || e.Hint == "" {
			t.Errorf("%v, want %q and a hint", err, message)
		}
		if e != nil && e.Type() != TypeAdmissionRefused {
			t.Errorf("type %v", e.Type())
		}
	}
	refused("begin (admissionWait=0) "+long+" commit end", "admissionWait is 0", &RunOptions{AdmissionWait: time.Hour})
	refused(long, "admissionWait is 0", &RunOptions{AdmissionWait: -1})
	refused(long, "timed out waiting for admission", nil)
	refused("begin (admissionWait=2) "+long+" commit end", "timed out waiting for admission", nil)

	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := db.Run(ctx, long, Params{"name": "a"}, &RunOptions{AdmissionWait: time.Hour}); err != nil {
			t.Error(err)
		}
	})
	awaitWaiting(t, db, 1)
	refused("begin (priority=critical) "+long+" commit end", "1 scripts wait for admission already", &RunOptions{AdmissionWait: time.Hour})
	if n := db.Stats().AdmissionRefused; n != 5 {
		t.Errorf("%d were refused, want 5", n)
	}
	first.Leave()
	wg.Wait()
	if e, _, err := db.Get(ctx, "order"); e.Value != "a" || err != nil {
		t.Errorf("ran: %q (%v)", e.Value, err)
	}
	wantNoSlow(t, db)
}

// TestAdmissionStopped: a caller that gives up while its script waits to be
// admitted, or a store that closes, leaves nothing behind.
func TestAdmissionStopped(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{SlowScripts: 1, AdmissionWait: time.Hour, Limits: Limits{AdmissionWait: 1 << 40 * time.Microsecond}})
	first := occupy(db)
	run := func(ctx context.Context, o *RunOptions) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := db.Run(ctx, long, Params{"name": "x"}, o)
			ended <- err
		}()
		awaitWaiting(t, db, 1)
		return ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := run(ctx, nil)
	cancel()
	err := <-ended
	wantCode(t, "canceled", err, CodeCanceled, NotApplied)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	ended = run(ctx, &RunOptions{IdempotencyKey: "k"})
	cancel()
	wantCode(t, "canceled, with a key", <-ended, CodeCanceled, NotApplied)
	first.Leave()
	wantNoSlow(t, db)
	if _, ok, err := db.Get(context.Background(), "order"); ok || err != nil {
		t.Errorf("something was written (%v)", err)
	}
	first.Enter()
	ended = run(context.Background(), nil)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wantCode(t, "closed", <-ended, CodeClosed, NotApplied)
}

// TestAdmissionTime: the wait for admission does not count against the time-out,
// and is cut to the limit.
func TestAdmissionTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := OpenMemory(&Options{SlowScripts: 1, Limits: Limits{AdmissionWait: 20 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ctx := context.Background()
		first := occupy(db)
		for _, test := range []struct {
			source string
			o      *RunOptions
			want   time.Duration
		}{
			{long, nil, 5 * time.Second}, // Options.AdmissionWait
			{"begin (admissionWait=7s) " + long + " commit end", nil, 7 * time.Second},
			{long, &RunOptions{AdmissionWait: time.Hour}, 20 * time.Second},
		} {
			start := time.Now()
			_, err := db.Run(ctx, test.source, Params{"name": "x"}, test.o)
			wantCode(t, test.source, err, CodeAdmission, NotApplied)
			if took := time.Since(start).Round(10 * time.Millisecond); took != test.want {
				t.Errorf("%s was refused after %v, want %v", test.source, took, test.want)
			}
		}
		time.AfterFunc(10*time.Second, func() { first.Leave() })
		start := time.Now()
		_, err = db.Run(ctx, "begin (timeout=1s, admissionWait=15s) "+long+" sleep 900 commit end", Params{"name": "a"}, nil)
		if took := time.Since(start).Round(10 * time.Millisecond); err != nil || took != 10_900*time.Millisecond {
			t.Errorf("after %v: %v", took, err)
		}
		first.Enter()
		time.AfterFunc(10*time.Second, func() { first.Leave() })
		start = time.Now()
		_, err = db.Run(ctx, "begin (timeout=1s, admissionWait=15s) "+long+" sleep 2000 commit end", Params{"name": "b"}, nil)
		wantCode(t, "too long", err, CodeTimeout, NotApplied)
		if took := time.Since(start).Round(10 * time.Millisecond); took != 11*time.Second {
			t.Errorf("timed out after %v, want 11s", took)
		}
		wantNoSlow(t, db)
	})
}

// TestInvariantADM1: scripts that sleep, wait for locks of each other and of
// transactions, and come back, never wait for each other's admission.
func TestInvariantADM1(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{SlowScripts: 1, SlowProcessors: 1, AdmissionWait: time.Minute, Limits: Limits{AdmissionWait: time.Minute}})
	ctx := context.Background()
	var wg sync.WaitGroup
	for g := range 12 {
		wg.Go(func() {
			for i := range 5 {
				var err error
				switch a, b := fmt.Sprint("k", g%3), fmt.Sprint("k", (g+1)%3); {
				case g == 0: // holds locks while its script wants a turn
					err = db.Update(ctx, func(tx Tx) error {
						if _, err := tx.Set(ctx, a, "1", nil); err != nil {
							return err
						}
						_, err := tx.Run(ctx, "for i in 1..5000 do let x = i end; sleep 1; set (@b) 1", Params{"b": b}, nil)
						return err
					})
					if errors.Is(err, ErrConflict) {
						err = nil
					}
				case g%2 == 0: // goes back to what it has locked
					_, err = db.Run(ctx, "set @a 1; sleep 2; for i in 1..5000 do let x = i end; set @b 2", Params{"a": a, "b": b}, nil)
				default: // meets a lock on its way
					_, err = db.Run(ctx, "for i in 1..5000 do let x = i end; let k = @b; set (k) 1; sleep 1; set @a 2", Params{"a": a, "b": b}, nil)
				}
				if err != nil {
					t.Errorf("%d, round %d: %v", g, i, err)
				}
			}
		})
	}
	wg.Wait()
	wantNoSlow(t, db)
}

// panicking is Work that panics in the middle of a slow run.
type panicking struct{}

func (panicking) Do(*partition.Tx, int64) (*script.Result, error) { panic("on purpose") }

// TestAdmissionGivenBack: however a script on the slow path ends, nothing of it
// stays taken.
func TestAdmissionGivenBack(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{SlowScripts: 2, Limits: Limits{Steps: 50_000, Rows: 5}})
	ctx := context.Background()
	for i := range 10 {
		if err := setKey(ctx, db, fmt.Sprint("b/", i)); err != nil {
			t.Fatal(err)
		}
	}
	const work = "for i in 1..5000 do let x = i end; "
	for _, test := range []struct {
		source string
		code   Code
	}{
		{work + "throw 'x'", CodeThrow},
		{work + "return 1 / 0", CodeDivisionByZero},
		{"while true do let x = 1 end", CodeLimit},
		{"sleep 1; get by bucket b", CodeLimit},
		{"begin (timeout=1) sleep 1m commit end", CodeTimeout},
		{"begin " + work + " rollback end", CodeRollback},
		{"begin (locking=optimistic) sleep 1; " + work + " commit end", ""},
	} {
		_, err := db.Run(ctx, test.source, nil, nil)
		var e *Error
		if errors.As(err, &e) && e.Code != test.code || (err == nil) != (test.code == "") {
			t.Errorf("%s: %v, want %s", test.source, err, test.code)
		}
		wantNoSlow(t, db)
	}
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Run(ctx, work+"throw 'x'", nil, nil); err == nil {
		t.Error("it did not throw")
	}
	tx.Rollback()
	wantNoSlow(t, db)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		_, _ = db.node.Runner.Run(ctx, &txn.Job{Work: panicking{}, Path: txn.Slow, TimeoutMs: 60_000, AdmissionMs: 1})
	}()
	wantNoSlow(t, db)
}

func setKey(ctx context.Context, db *DB, key string) error {
	_, err := db.Set(ctx, key, "1", nil)
	return err
}
