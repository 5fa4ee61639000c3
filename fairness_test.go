package kahuna

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFairness: a stream of one kind on a key starves none of another kind.
func TestFairness(t *testing.T) {
	t.Parallel()
	const (
		fast     = "set hot to_int(get hot) + 1"
		slow     = "let v = to_int(get hot); sleep 1; set hot v + 1"
		computed = "let k = get ptr; let v = to_int(get (k)); sleep 1; set (k) v + 1"
	)
	run := func(source string) func(context.Context, *DB, int) error {
		return func(ctx context.Context, db *DB, _ int) error {
			_, err := db.Run(ctx, source, nil, &RunOptions{Timeout: time.Minute})
			return err
		}
	}
	// It holds a key of its own when it comes to the hot one.
	update := func(ctx context.Context, db *DB, g int) error {
		err := db.Update(ctx, func(tx Tx) error {
			if _, err := tx.Set(ctx, fmt.Sprint("own/", g), "1", nil); err != nil {
				return err
			}
			_, err := tx.Run(ctx, fast, nil, nil)
			return err
		})
		if errors.Is(err, ErrConflict) {
			return nil // given up after 20 tries
		}
		return err
	}
	for _, test := range []struct {
		name          string
		stream, probe func(context.Context, *DB, int) error
	}{
		{"slow among fast", run(fast), run(slow)},
		{"slow with a computed key among fast", run(fast), run(computed)},
		{"fast among slow", run(slow), run(fast)},
		{"fast among transactions", update, run(fast)},
		{"slow among transactions", update, run(slow)},
		{"transaction among fast", run(fast), update},
		{"transaction among slow", run(slow), update},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := openTest(t, "", nil)
			ctx := context.Background()
			if _, err := db.Run(ctx, "set ptr 'hot'", nil, nil); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var over atomic.Bool
			var streamed atomic.Int64
			for g := range 4 {
				wg.Go(func() {
					for !over.Load() {
						if err := test.stream(ctx, db, g); err != nil {
							t.Error(err)
							return
						}
						streamed.Add(1)
					}
				})
			}
			for streamed.Load() < 4 && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
			for range 5 {
				if err := test.probe(ctx, db, 99); err != nil {
					t.Error(err)
				}
			}
			over.Store(true)
			wg.Wait()
			t.Logf("%d of the stream beside it", streamed.Load())
			if n := db.Stats().Locks; n != 0 {
				t.Errorf("%d locks are left", n)
			}
		})
	}
}

// TestOptimisticScript: a slow script with locking=optimistic keeps nobody
// waiting, and is run again when what it read was changed.
func TestOptimisticScript(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	asleep, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := db.Run(asleep, "begin (locking=optimistic, autoCommit=true, timeout=300000) let v = to_int(get n); sleep 200000; set n v + 10 end", nil, nil)
		done <- err
	}()
	for db.Stats().Locks == 0 {
		time.Sleep(time.Millisecond)
	}
	// Its key is free while it sleeps.
	if _, err := db.Run(ctx, "set n to_int(get n) + 1", nil, nil); err != nil {
		t.Error(err)
	}
	if n := db.Stats().LockWaits; n != 0 {
		t.Errorf("the key of an optimistic script was waited for %d times", n)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	var ended atomic.Int64
	together(6, func(g int) {
		for range 10 {
			source := "begin (locking=optimistic, autoCommit=true, timeout=60000) let v = to_int(get n); sleep 1; set n v + 1 end"
			if g%2 == 0 {
				source = "set n to_int(get n) + 1"
			}
			if _, err := db.Run(ctx, source, nil, nil); err != nil {
				t.Error(err)
				return
			}
			ended.Add(1)
		}
	})
	if e, _, err := db.Get(ctx, "n"); err != nil || e.Value != fmt.Sprint(1+ended.Load()) {
		t.Errorf("n = %q, %v; want %d", e.Value, err, 1+ended.Load())
	}
}
