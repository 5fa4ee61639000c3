package kahuna

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// spoil overwrites all that hangs on a result.
func spoil(res *Result) {
	for i := range res.Entries {
		res.Entries[i] = Entry{Key: "spoiled", Value: "spoiled"}
	}
	for i := range res.Warnings {
		res.Warnings[i].Text = "spoiled"
	}
	res.Type, res.Op = 0, OpCount
}

// TestResultsAreOwned: what a caller does to a result is nothing to those who
// get the same one, because they send the same request or run the same program.
func TestResultsAreOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := openFiles(t, vfs.NewMem(), Options{})
		defer closeStore(t, db)
		program, err := db.Compile("set n 5 return [get n, 'b']; set m 1")
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		// The result is in memory until the store shows it, then on disk.
		for _, pause := range []time.Duration{0, 0, time.Second, 0} {
			time.Sleep(pause)
			res, err := program.Run(ctx, nil, &RunOptions{IdempotencyKey: "k"})
			if err != nil {
				t.Fatal(err)
			}
			res.Elapsed = 0
			got := fmt.Sprint(res.Type, res.Op, res.Outcome, res.Entries, res.Warnings)
			if want == "" {
				want = got
			}
			if got != want || len(res.Warnings) != 1 || len(res.Entries) != 2 {
				t.Errorf("got %s, the first got %s", got, want)
			}
			spoil(res)
		}
		program.Warnings()[0].Text = "spoiled"
		program.Parameters()
		if text := program.Warnings()[0].Text; text == "spoiled" {
			t.Error("the warnings of a program are shared")
		}
		// Without a key, the warnings are those of the program.
		for range 2 {
			res, err := program.Run(ctx, nil, nil)
			if err != nil || fmt.Sprint(res.Warnings) == "" || res.Warnings[0].Text == "spoiled" {
				t.Errorf("%+v, %v", res, err)
			}
			spoil(res)
		}
	})
}

// TestErrorsAreOwned: an error belongs to the caller that gets it. The store
// gives many callers the same answer, and says so in the same words, whatever
// one of them does to his.
func TestErrorsAreOwned(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name string
		call func(db *DB, tx Tx) error
	}{
		{"run", func(db *DB, _ Tx) error { _, err := db.Run(ctx, "set a 1", nil, nil); return err }},
		{"run with a warning", func(db *DB, _ Tx) error { _, err := db.Run(ctx, "set a 1 return 1; set b 1", nil, nil); return err }},
		{"get", func(db *DB, _ Tx) error { _, _, err := db.Get(ctx, "a"); return err }},
		{"begin", func(db *DB, _ Tx) error { _, err := db.Begin(ctx, nil); return err }},
		{"backup", func(db *DB, _ Tx) error { _, err := db.Backup(ctx, io.Discard); return err }},
		{"tx run", func(_ *DB, tx Tx) error { _, err := tx.Run(ctx, "set a 1", nil, nil); return err }},
		{"tx get", func(_ *DB, tx Tx) error { _, _, err := tx.Get(ctx, "a"); return err }},
		{"tx commit", func(_ *DB, tx Tx) error { return tx.Commit(ctx) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := openTest(t, "", nil)
			tx, err := db.Begin(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			tx.Rollback()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			closed := ErrClosed.Error()
			var said string
			for range 2 {
				var e *Error
				if err := test.call(db, tx); !errors.As(err, &e) {
					t.Fatalf("%v, want an *Error", err)
				}
				if text := e.Error() + fmt.Sprint(e.Warnings); said != "" && text != said {
					t.Errorf("said %q, then %q", said, text)
				} else {
					said = text
				}
				for i := range e.Warnings {
					e.Warnings[i].Text = "spoiled"
				}
				e.Message, e.Code, e.Hint = "spoiled", "spoiled", "spoiled"
			}
			if ErrClosed.Error() != closed {
				t.Errorf("ErrClosed says %q", ErrClosed)
			}
		})
	}
}

// TestErrorsOfABatchAreOwned: those who wait for one batch that is lost get an
// error each.
func TestErrorsOfABatchAreOwned(t *testing.T) {
	ctx := context.Background()
	var broken atomic.Bool
	sync1 := make(chan struct{})
	db := openFiles(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			<-sync1
			return errIO
		}
		return nil
	})), Options{})
	broken.Store(true)
	const callers = 8
	found := make([]*Error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			_, err := db.Run(ctx, "set @k 1", Params{"k": fmt.Sprint("k", i)}, &RunOptions{IdempotencyKey: fmt.Sprint(i)})
			if !errors.As(err, &found[i]) {
				t.Errorf("%v, want an *Error", err)
			}
		})
	}
	for db.Stats().BatchedScripts < callers { // one batch on its way, the others in the next
		time.Sleep(time.Millisecond)
	}
	close(sync1)
	wg.Wait()
	seen := map[*Error]bool{}
	for i, e := range found {
		if seen[e] {
			t.Errorf("caller %d shares its error", i)
		}
		seen[e] = true
	}
	// And who repeats a request with an unknown outcome, another one.
	for i := range callers {
		_, err := db.Run(ctx, "set @k 1", Params{"k": fmt.Sprint("k", i)}, &RunOptions{IdempotencyKey: fmt.Sprint(i)})
		var e *Error
		if !errors.As(err, &e) || seen[e] {
			t.Errorf("%v: shared", err)
		}
	}
	_ = db.Close()
}
