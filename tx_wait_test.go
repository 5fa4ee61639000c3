package kahuna

import (
	"context"
	"errors"
	"testing"
	"time"
)

// txReads are calls of a transaction that tell what the key k is.
var txReads = map[string]func(ctx context.Context, tx Tx) error{
	"get": func(ctx context.Context, tx Tx) error { _, _, err := tx.Get(ctx, "k"); return err },
	"set": func(ctx context.Context, tx Tx) error {
		_, err := tx.Set(ctx, "k", "2", &SetOptions{NX: true})
		return err
	},
	"delete": func(ctx context.Context, tx Tx) error { _, err := tx.Delete(ctx, "k"); return err },
	"extend": func(ctx context.Context, tx Tx) error { _, err := tx.Extend(ctx, "k", time.Hour); return err },
	"bucket": func(ctx context.Context, tx Tx) error { _, err := Collect(tx.Bucket(ctx, "b", nil)); return err },
	"prefix": func(ctx context.Context, tx Tx) error { _, err := Collect(tx.Prefix(ctx, "b/", nil)); return err },
	"script": func(ctx context.Context, tx Tx) error { _, err := tx.Run(ctx, "get k", nil, nil); return err },
	"history": func(ctx context.Context, tx Tx) error {
		_, err := tx.Run(ctx, "get k at 0", nil, nil)
		return err
	},
	"failing script": func(ctx context.Context, tx Tx) error {
		_, err := tx.Run(ctx, "if (get k) == 1 then throw 'it is one' end", nil, nil)
		var e *Error
		if errors.As(err, &e) && e.Code == CodeThrow {
			return nil
		}
		return err
	},
	"ephemeral": func(ctx context.Context, tx Tx) error { _, _, err := tx.Ephemeral().Get(ctx, "e"); return err },
}

// TestInvariantPART4 holds every call of an interactive transaction to PART-4:
// none tells what it read before that is durable, nor does one that fails.
func TestInvariantPART4(t *testing.T) {
	background := context.Background()
	for name, read := range txReads {
		for _, o := range []*TxOptions{nil, {Optimistic: true}} {
			for _, lost := range []bool{false, true} {
				db, shut, free, reached := gatedStore(t)
				shut()
				wrote := make(chan error, 1)
				go func() {
					_, err := db.Run(background, "set k 1; set `b/1` 1; eset e 1", nil, nil)
					wrote <- err
				}()
				receive(t, reached)
				tx, err := db.Begin(background, o)
				if err != nil {
					t.Fatal(err)
				}
				answer := make(chan error, 1)
				go func() { answer <- read(background, tx) }()
				select {
				case err := <-answer:
					t.Fatalf("%s: answered before the row was durable: %v", name, err)
				case <-time.After(10 * time.Millisecond):
				}
				if lost {
					free(errors.New("the disk has failed"))
				} else {
					free(nil)
				}
				if err := receive(t, answer); (err != nil) != lost {
					t.Errorf("%s, and the row is lost: %v: %v", name, lost, err)
				}
				if err := receive(t, wrote); (err != nil) != lost {
					t.Errorf("the write: %v", err)
				}
				tx.Rollback()
				if err := db.Close(); (err != nil) != lost {
					t.Error(err)
				}
			}
		}
	}
}

// receive returns what comes from c, and fails when nothing does.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has come in 20 s")
		panic("unreachable")
	}
}

// TestTxReadCanceled: a call that waits until what it read is durable ends with
// its context, and the transaction with it; nothing was applied.
func TestTxReadCanceled(t *testing.T) {
	db, shut, free, reached := gatedStore(t)
	shut()
	go db.Run(context.Background(), "set k 1", nil, nil)
	receive(t, reached)
	tx, err := db.Begin(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error, 1)
	go func() {
		_, err := tx.Run(ctx, "eset e (get k)", nil, nil)
		answer <- err
	}()
	for db.Stats().Locks == 0 {
		time.Sleep(time.Millisecond) // until the call has begun
	}
	cancel()
	var e *Error
	if err := receive(t, answer); !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Outcome != NotApplied {
		t.Errorf("%v", err)
	}
	if err := tx.Commit(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	free(nil)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestTxTurnCanceled: a call that waits for another one of its transaction to
// end ends with its context, and the transaction goes on.
func TestTxTurnCanceled(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	tx, err := db.Begin(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	sleeping, wake := context.WithCancel(context.Background())
	slept := make(chan error, 1)
	go func() {
		_, err := tx.Run(sleeping, "let v = get k; sleep 100000", nil, nil)
		slept <- err
	}()
	for db.Stats().Locks == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error, 2)
	go func() { _, _, err := tx.Get(ctx, "other"); answer <- err }()
	go func() { answer <- tx.Commit(ctx) }()
	cancel()
	for range 2 {
		if err := receive(t, answer); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	select {
	case err := <-slept:
		t.Errorf("the other call has ended: %v", err)
	default:
	}
	wake()
	receive(t, slept)
}
