package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

func TestTx(t *testing.T) {
	t.Parallel()
	db := openTest(t, t.TempDir(), nil)
	ctx := context.Background()
	if _, err := db.Set(ctx, "a", "1", nil); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok, err := tx.Get(ctx, "a"); !ok || err != nil || e.Value != "1" {
		t.Fatal(e, ok, err)
	}
	if w, err := tx.Set(ctx, "b/x", "2", nil); err != nil || !w.Done || w.Revision != 0 {
		t.Fatal(w, err)
	}
	if _, err := tx.Ephemeral().Set(ctx, "b/x", "3", nil); err != nil {
		t.Fatal(err)
	}
	// A script sees what was written; one that fails leaves no trace.
	if _, err := tx.Run(ctx, "set 'b/y' 9; delete 'b/x'; throw 'no'", nil, nil); !errors.Is(err, ErrThrow) {
		t.Fatal(err)
	}
	// Of what it wrote the time is not known, and the expiry only about.
	from := time.Now().UnixMilli()
	lease, err := tx.Run(ctx, "set 'lease' 1 ex 60000", nil, nil)
	if e := lease.First(); err != nil || !e.Modified.IsZero() || unixMs(e.Expires) < from+60_000 || unixMs(e.Expires) > time.Now().UnixMilli()+60_000 {
		t.Fatal(lease, err)
	}
	res, err := tx.Run(ctx, "set a to_int(get a) + to_int(get 'b/x') + to_int(eget 'b/x'); return get a", nil, nil)
	if err != nil || res.Text() != "6" {
		t.Fatal(res, err)
	}
	if rows, err := Collect(tx.Bucket(ctx, "b", nil)); err != nil || len(rows) != 1 || rows[0].Key != "b/x" {
		t.Fatal(rows, err)
	}
	// Nobody else sees any of it, and users of its keys wait.
	if _, ok, err := db.Get(ctx, "b/z"); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := db.Run(ctx, "return get a", nil, &RunOptions{Timeout: 20 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
		t.Errorf("a reader of a locked key: %v", err)
	}
	// Neither can a phantom come into the bucket it has read.
	if _, err := db.Run(ctx, "set 'b/new' 1", nil, &RunOptions{Timeout: 20 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
		t.Errorf("a new key in a bucket that was read: %v", err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); !errors.Is(err, ErrTxDone) {
		t.Errorf("second commit: %v", err)
	}
	tx.Rollback()
	if e, _, err := db.Get(ctx, "a"); err != nil || e.Value != "6" || e.Revision != 1 || e.Modified.IsZero() {
		t.Error(e, err)
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func TestTxRollback(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	boom := errors.New("boom")
	err := db.Update(ctx, func(tx Tx) error {
		if _, err := tx.Set(ctx, "k", "1", nil); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Errorf("got %v", err)
	}
	if _, ok, _ := db.Get(ctx, "k"); ok {
		t.Error("a rolled back write is there")
	}
	err = db.View(ctx, func(tx Tx) error {
		_, err := tx.Set(ctx, "k", "1", nil)
		return err
	})
	var e *Error
	if !errors.As(err, &e) || e.Code != "read_only" {
		t.Errorf("a write in View: %v", err)
	}
}

func TestTxExpires(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	tx, err := db.Begin(ctx, &TxOptions{Idle: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	// The lock is given up by itself: this waits for it, and gets it.
	if _, err := db.Set(ctx, "k", "2", nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); !errors.Is(err, ErrTimeout) {
		t.Errorf("commit of an expired transaction: %v", err)
	}
	tx, err = db.Begin(ctx, &TxOptions{Timeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Run(ctx, "while true do set j 1 end", nil, nil); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrLimit) {
		t.Errorf("a script beyond the transaction's time: %v", err)
	}
	tx.Rollback()
}

func TestTxOptimistic(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	for _, read := range []string{"get 'a/x'", "get by bucket a", "scan by prefix 'a'", "exists 'a/none'"} {
		tx, err := db.Begin(ctx, &TxOptions{Optimistic: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Run(ctx, read, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Set(ctx, "out", "1", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Run(ctx, "set 'other' 1", nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Run(ctx, "set 'a/x' 1; set 'a/none' 1 ", nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: commit after a change: %v, want ErrConflict", read, err)
		}
		if _, ok, _ := db.Get(ctx, "out"); ok {
			t.Errorf("%s: the write of a conflicting transaction is there", read)
		}
		if _, err := db.Run(ctx, "delete 'a/x'; delete 'a/none'", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Begin(ctx, &TxOptions{Optimistic: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Run(ctx, "get by bucket a; set out 2", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Errorf("without a change: %v", err)
	}
}

// TestUpdatesNeverDeadlock moves amounts by interactive transactions that take
// their locks in any order, beside scripts on both paths and readers: the sum
// stays, all end.
func TestUpdatesNeverDeadlock(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	const accounts, each = 4, 1000
	key := func(i int) string { return fmt.Sprint("acct/", i) }
	for i := range accounts {
		if _, err := db.Set(ctx, key(i), strconv.Itoa(each), nil); err != nil {
			t.Fatal(err)
		}
	}
	var moved, conflicts atomic.Int64
	work := func(g int) {
		rng := rand.New(rand.NewPCG(uint64(g), 3))
		for range 30 {
			a := rng.IntN(accounts)
			b := (a + 1 + rng.IntN(accounts-1)) % accounts
			var err error
			switch g % 4 {
			case 0, 1:
				tries := 0
				err = db.retry(ctx, &TxOptions{Optimistic: g%8 == 0}, func(tx Tx) error {
					if tries++; tries > 1 {
						conflicts.Add(1)
					}
					x, _, err := tx.Get(ctx, key(a))
					if err != nil {
						return err
					}
					y, _, err := tx.Get(ctx, key(b))
					if err != nil {
						return err
					}
					m, _ := strconv.Atoi(x.Value)
					n, _ := strconv.Atoi(y.Value)
					if _, err := tx.Set(ctx, key(a), strconv.Itoa(m-1), nil); err != nil {
						return err
					}
					_, err = tx.Set(ctx, key(b), strconv.Itoa(n+1), nil)
					return err
				})
				if errors.Is(err, ErrConflict) {
					err = nil // given up after 20 tries: allowed, and not applied
				}
			case 2:
				_, err = db.Run(ctx, "let x = get @a; sleep @ms; set @a x - 1; set @b (get @b) + 1",
					Params{"a": key(a), "b": key(b), "ms": rng.IntN(2)}, &RunOptions{Timeout: time.Minute})
			case 3:
				err = db.View(ctx, func(tx Tx) error {
					rows, err := Collect(tx.Bucket(ctx, "acct", nil))
					sum := 0
					for _, r := range rows {
						n, _ := strconv.Atoi(r.Value)
						sum += n
					}
					if err == nil && sum != accounts*each {
						t.Errorf("the sum is %d", sum)
					}
					return err
				})
				if errors.Is(err, ErrConflict) {
					err = nil
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
			moved.Add(1)
		}
	}
	// Whether they meet is up to the scheduler: until they did.
	for conflicts.Load() == 0 && !t.Failed() && ctx.Err() == nil {
		together(12, work)
	}
	t.Logf("%d ended, %d conflicts", moved.Load(), conflicts.Load())
	if conflicts.Load() == 0 {
		t.Error("there was no conflict: this proved too little")
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func TestTxIsBounded(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", &Options{Limits: Limits{WrittenKeys: 3, WrittenBytes: 100}})
	ctx := context.Background()
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"a", "b", "c"} {
		if _, err := tx.Set(ctx, k, "1", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Set(ctx, "d", "1", nil); !errors.Is(err, ErrLimit) {
		t.Errorf("a fourth key: %v, want ErrLimit", err)
	}
	if _, err := tx.Set(ctx, "a", string(make([]byte, 200)), nil); !errors.Is(err, ErrLimit) {
		t.Errorf("200 bytes: %v, want ErrLimit", err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := db.Get(ctx, "a"); !ok || e.Value != "1" || err != nil {
		t.Error(e, ok, err)
	}
	if _, err := OpenMemory(&Options{Limits: Limits{KeyBytes: 1 << 20}}); err == nil {
		t.Error("a limit beyond what the store can keep was accepted")
	}
}
