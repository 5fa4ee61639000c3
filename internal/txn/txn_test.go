package txn

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/admission"
	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/internal/store"
	"kahuna/script"
)

// workFunc is partition.Work made of a function.
type workFunc func(tx *partition.Tx) error

func (f workFunc) Do(tx *partition.Tx, _ int64) (*script.Result, error) {
	return &script.Result{}, f(tx)
}

func put(space script.Space, key string) workFunc {
	return func(tx *partition.Tx) error {
		_, err := tx.Set(space, key, "1", &script.SetOptions{})
		return err
	}
}

func exists(key string, found *bool) workFunc {
	return func(tx *partition.Tx) error {
		row, err := tx.Get(kv.Ephemeral, key)
		*found = row.Found
		return err
	}
}

// runner returns a runner over a partition that leads. Without a store it has
// the ephemeral space only. Nothing becomes durable by itself.
func runner(t *testing.T, st *store.Store) (r *Runner, closing chan struct{}) {
	t.Helper()
	p := partition.New(st, partition.Options{CacheBytes: 1 << 20, EphemeralBytes: 1 << 20, BatchBytes: 1 << 20, UnappliedBytes: 1 << 20,
		FastSteps: 4000, FastRows: 1000, FastMisses: 32, ResultBytes: 1 << 20, WrittenKeys: 100, WrittenBytes: 1 << 20})
	p.Lead(1, 0)
	closing = make(chan struct{})
	return &Runner{Partition: p, Closed: closing,
		Admission: admission.New(admission.Options{Scripts: 8, Waiting: 8, Processors: 2, Others: p.Ran}),
		Now:       func() int64 { return time.Now().UnixMilli() }, Flush: func() {}}, closing
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "rows", HistoryRevisions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func begin(t *testing.T, r *Runner, o InteractiveOptions) *Interactive {
	t.Helper()
	if o.Idle == 0 {
		o.Idle = time.Hour
	}
	if o.Timeout == 0 {
		o.Timeout = time.Hour
	}
	tx, err := r.Begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Rollback)
	return tx
}

// locking returns a job that locks key before it runs.
func locking(key string, path Path) *Job {
	return &Job{Work: put(kv.Ephemeral, key), Path: path, TimeoutMs: time.Hour.Milliseconds(), AdmissionMs: time.Hour.Milliseconds(),
		Footprint: func() partition.LockSet {
			return partition.LockSet{Points: []partition.Point{{Space: kv.Ephemeral, Key: key, Write: true}}}
		}}
}

// start runs a job on a goroutine of its own.
func start(ctx context.Context, r *Runner, j *Job) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := r.Run(ctx, j)
		done <- err
	}()
	return done
}

// want checks the code and the outcome of an error.
func want(t *testing.T, what string, err error, code script.Code, outcome script.Outcome) {
	t.Helper()
	var e *script.Error
	if !errors.As(err, &e) || e.Code != code || e.Outcome != outcome {
		t.Errorf("%s: %v, want %s, %v", what, err, code, outcome)
	}
}
