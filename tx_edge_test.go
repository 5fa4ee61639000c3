package kahuna

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestTxSleep: a script may sleep inside a transaction; its caller and the
// transaction's time end the pause.
func TestTxSleep(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := tx.Run(ctx, "let a = current_time(); sleep 2; set k 1; return current_time() >= a + 2", nil, nil)
	if err != nil || res.Text() != "true" {
		t.Fatal(res, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if e, _, err := db.Get(ctx, "k"); err != nil || e.Value != "1" {
		t.Error(e, err)
	}

	tx, err = db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := tx.Run(canceled, "set k 2; sleep 300000", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a sleep whose caller has left: %v", err)
	}
	tx.Rollback()
	tx, err = db.Begin(ctx, &TxOptions{Timeout: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Run(ctx, "set k 2; sleep 300000", nil, nil); !errors.Is(err, ErrTimeout) {
		t.Errorf("a sleep beyond the transaction's time: %v", err)
	}
	if e, _, err := db.Get(ctx, "k"); err != nil || e.Value != "1" {
		t.Error(e, err)
	}
}

// TestUpdateEndedInside: a function of Update can not commit on its own, what it
// rolled back or left by a panic is not there, and every outcome is true.
func TestUpdateEndedInside(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	set := func(tx Tx, key string) {
		t.Helper()
		if _, err := tx.Set(ctx, key, "1", nil); err != nil {
			t.Fatal(err)
		}
	}
	there := func(key string) bool {
		_, ok, err := db.Get(ctx, key)
		if err != nil {
			t.Error(err)
		}
		return ok
	}
	var inside Tx
	err := db.Update(ctx, func(tx Tx) error {
		inside = tx
		set(tx, "committed")
		return tx.Commit(ctx)
	})
	if err == nil || there("committed") {
		t.Errorf("Commit inside: %v", err)
	}
	if _, err := inside.Set(ctx, "after", "1", nil); !errors.Is(err, ErrTxDone) {
		t.Errorf("use after the end: %v", err)
	}
	err = db.Update(ctx, func(tx Tx) error {
		set(tx, "kept")
		if err := tx.Commit(ctx); err == nil {
			t.Error("Commit inside Update succeeded")
		}
		return nil
	})
	if err != nil || !there("kept") {
		t.Errorf("after a refused Commit: %v", err)
	}
	err = db.Update(ctx, func(tx Tx) error {
		set(tx, "rolled-back")
		tx.Rollback()
		return nil
	})
	if !errors.Is(err, ErrTxDone) || there("rolled-back") {
		t.Errorf("Rollback inside: %v", err)
	}
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = db.Update(ctx, func(tx Tx) error {
			set(tx, "panicked")
			panic("boom")
		})
	}()
	if there("panicked") {
		t.Error("the write of a function that panicked is there")
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestTxCommitTwice: who commits again learns what became of the first.
func TestTxCommitTwice(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	outcome := func(err error) Outcome {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrTxDone) {
			t.Fatalf("got %v, want ErrTxDone", err)
		}
		return e.Outcome
	}
	tx := begin(t, db, nil)
	if _, err := tx.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if o := outcome(tx.Commit(ctx)); o != Applied {
		t.Errorf("second commit: outcome %v, want applied", o)
	}
	if _, err := tx.Set(ctx, "k", "2", nil); outcome(err) != NotApplied {
		t.Errorf("a write after commit: %v", err)
	}
	tx = begin(t, db, nil)
	tx.Rollback()
	if o := outcome(tx.Commit(ctx)); o != NotApplied {
		t.Errorf("commit after rollback: outcome %v, want not applied", o)
	}
}

func begin(t *testing.T, db *DB, o *TxOptions) Tx {
	t.Helper()
	tx, err := db.Begin(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Rollback)
	return tx
}

// TestTxAndClose: a transaction that is open when the store closes ends, and
// none begins afterwards.
func TestTxAndClose(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	holds, waits, rests := begin(t, db, nil), begin(t, db, nil), begin(t, db, nil)
	if _, err := holds.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, _, err := waits.Get(ctx, "k")
		waiting <- err
	}()
	for db.Stats().LockWaits == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("a call that waits: %v, want ErrClosed", err)
	}
	if err := holds.Commit(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("commit: %v, want ErrClosed", err)
	}
	if _, _, err := rests.Get(ctx, "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("a read: %v, want ErrClosed", err)
	}
	if _, err := db.Begin(ctx, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Begin: %v, want ErrClosed", err)
	}
	if err := db.Update(ctx, func(Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update: %v, want ErrClosed", err)
	}
}

// gatedDisk holds up, or fails, every sync of the log once it is told to.
type gatedDisk struct {
	vfs.FS
	block   atomic.Bool
	reached chan struct{} // closed at the first sync that is held up
	once    sync.Once
	open    chan error // what held up syncs return; closed: nil
}

func newGatedDisk() *gatedDisk {
	d := &gatedDisk{reached: make(chan struct{}), open: make(chan error)}
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData || !d.block.Load() {
			return nil
		}
		d.once.Do(func() { close(d.reached) })
		return <-d.open
	}))
	return d
}

// TestOutcomeOfCanceledTx: who leaves while a transaction commits is never told
// "not applied". Nor is who leaves a script that wrote nothing but ephemeral rows
// and waits for what it has read; a transaction waits for that before it commits.
func TestOutcomeOfCanceledTx(t *testing.T) {
	disk := newGatedDisk()
	db, err := open("db", crashOptions(disk, false))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	persistent := begin(t, db, nil)
	if _, err := persistent.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	disk.block.Store(true)
	leave, cancel := context.WithCancel(ctx)
	answer := make(chan error, 2)
	go func() { answer <- persistent.Commit(leave) }()
	<-disk.reached
	go func() {
		_, err := db.Run(leave, "eset f get k", nil, nil)
		answer <- err
	}()
	for db.Stats().EphemeralRows < 1 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for range 2 {
		var e *Error
		if err := <-answer; !errors.As(err, &e) || e.Outcome != Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want outcome unknown and context.Canceled", err)
		}
	}
	if err := persistent.Commit(ctx); !errors.Is(err, ErrTxDone) || outcomeOf(err) != Unknown {
		t.Errorf("second commit: %v, want outcome unknown", err)
	}
	close(disk.open)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func outcomeOf(err error) Outcome {
	var e *Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return Applied
}

// TestTxAndDiskFailure: when the disk fails, nobody gets what was read of rows
// that are lost (Invariants PART-2 and PART-4): not transactions, not scripts
// on the slow path.
func TestTxAndDiskFailure(t *testing.T) {
	disk := newGatedDisk()
	db, err := open("db", crashOptions(disk, false))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := db.Set(ctx, "old", "1", nil); err != nil {
		t.Fatal(err)
	}
	reader, writer, other, optimistic := begin(t, db, nil), begin(t, db, nil), begin(t, db, nil), begin(t, db, &TxOptions{Optimistic: true})
	disk.block.Store(true)
	lost := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, "set k 1", nil, nil)
		lost <- err
	}()
	<-disk.reached
	reads := make(chan error, 2)
	for _, tx := range []Tx{reader, optimistic} {
		go func() {
			e, ok, err := tx.Get(ctx, "k")
			if ok || e.Kind != KindNull {
				err = fmt.Errorf("the lost row %v was given out (%v)", e, err)
			} else if err == nil || outcomeOf(err) == NotApplied {
				err = nil
			}
			reads <- err
		}()
	}
	for db.Stats().Locks == 0 {
		time.Sleep(time.Millisecond) // until the one with locks has begun
	}
	if _, err := writer.Set(ctx, "w", "1", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Get(ctx, "old"); err != nil {
		t.Fatal(err)
	}
	locks := db.Stats().Locks
	slow := make(chan error, 1)
	go func() {
		res, err := db.Run(ctx, "let v = get k; sleep 20; return v", nil, nil)
		if err == nil && res.Entries[0].Kind != KindNull {
			err = fmt.Errorf("the lost value %s was answered", res.Text())
		} else if err != nil && outcomeOf(err) == NotApplied {
			err = nil
		}
		slow <- err
	}()
	for db.Stats().Locks == locks {
		time.Sleep(time.Millisecond)
	}
	disk.open <- errors.New("input/output error (injected)")
	close(disk.open)
	<-db.node.Failed()
	if err := <-lost; outcomeOf(err) != Unknown {
		t.Errorf("the write that was on its way: %v, want outcome unknown", err)
	}
	if err := <-slow; err != nil {
		t.Errorf("a script on the slow path: %v", err)
	}
	for range 2 {
		if err := receive(t, reads); err != nil {
			t.Error(err)
		}
	}
	if err := reader.Commit(ctx); err == nil {
		t.Error("a transaction that read a lost row was committed")
	}
	optimistic.Rollback() // it may have begun to read only after the failure
	if err := writer.Commit(ctx); !errors.Is(err, ErrStorage) || outcomeOf(err) != NotApplied {
		t.Errorf("a commit after the failure: %v", err)
	}
	if err := other.Commit(ctx); err != nil {
		t.Errorf("a transaction that only read what is durable: %v", err)
	}
	_ = db.Close()
}

// TestTxUndo: scripts that fail in the middle of a transaction leave exactly
// what was there before them, however much that is.
func TestTxUndo(t *testing.T) {
	t.Parallel()
	db := openTest(t, "", nil)
	ctx := context.Background()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 21))
		tx := begin(t, db, &TxOptions{Optimistic: seed%2 == 0})
		want := map[string]string{}
		failed := 0
		for call := range 40 {
			after := maps.Clone(want)
			var source strings.Builder
			for range 1 + rng.IntN(6) {
				key := fmt.Sprintf("s%d/%d", seed, rng.IntN(30))
				if rng.IntN(4) == 0 {
					fmt.Fprintf(&source, "delete '%s'\n", key)
					delete(after, key)
				} else {
					fmt.Fprintf(&source, "set '%s' %d\n", key, call)
					after[key] = fmt.Sprint(call)
				}
			}
			if rng.IntN(2) == 0 {
				source.WriteString("throw 'no'")
			}
			_, err := tx.Run(ctx, source.String(), nil, nil)
			switch {
			case err == nil:
				want = after
			case errors.Is(err, ErrThrow):
				failed++
			default:
				t.Fatal(err)
			}
			rows, err := Collect(tx.Bucket(ctx, fmt.Sprint("s", seed), nil))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, e := range rows {
				got[e.Key] = e.Value
			}
			if !maps.Equal(got, want) {
				t.Fatalf("seed %d, call %d: %v, want %v", seed, call, got, want)
			}
		}
		if failed == 0 {
			t.Error("no script failed: this proved too little")
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		rows, err := Collect(db.Prefix(ctx, fmt.Sprintf("s%d/", seed), nil))
		if err != nil || len(rows) != len(want) {
			t.Fatalf("seed %d: %d rows are committed (%v), want %d", seed, len(rows), err, len(want))
		}
	}
}
