package txn

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/script"
)

// TestLockTimeout: a job that waits for a lock ends after its own time, and
// leaves the line: nothing waits behind it.
func TestLockTimeout(t *testing.T) {
	for name, path := range map[string]Path{"in the executor": Auto, "outside": Slow} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := runner(t, nil)
				holder := begin(t, r, InteractiveOptions{})
				if err := holder.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
					t.Fatal(err)
				}
				j := locking("k", path)
				j.TimeoutMs = 1000
				began := time.Now()
				want(t, "the job", <-start(t.Context(), r, j), script.CodeTimeout, script.NotApplied)
				if d := time.Since(began); d != time.Second {
					t.Errorf("it waited for %v", d)
				}
				if err := holder.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := r.Partition.Stats().Locks; n != 0 {
					t.Errorf("%d locks are left", n)
				}
			})
		})
	}
}

// TestCanceled: a job whose caller gives up is not applied while it waits for a
// lock, and of unknown outcome while it becomes durable.
func TestCanceled(t *testing.T) {
	t.Parallel()
	r, _ := runner(t, openStore(t))
	ordered := make(chan struct{}, 10)
	r.Flush = func() { ordered <- struct{}{} }
	holder := begin(t, r, InteractiveOptions{})
	if err := holder.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := start(ctx, r, locking("k", Auto))
	writing := start(ctx, r, &Job{Work: put(kv.Persistent, "j")})
	<-ordered
	cancel()
	want(t, "the one that waits", <-waiting, script.CodeCanceled, script.NotApplied)
	want(t, "the one that has written", <-writing, script.CodeOutcomeUnknown, script.OutcomeUnknown)
}

// TestReadWaits: a job that has read what is not durable is answered when it is,
// and fails when it is lost (Invariant PART-4).
func TestReadWaits(t *testing.T) {
	for name, durable := range map[string]bool{"durable": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := runner(t, openStore(t))
			p := r.Partition
			if _, _, err := p.Fast(context.Background(), put(kv.Persistent, "k"), nil, r.Now(), nil); err != nil {
				t.Fatal(err)
			}
			ran := make(chan struct{})
			done := start(t.Context(), r, &Job{Work: workFunc(func(tx *partition.Tx) error {
				defer close(ran)
				_, err := tx.Get(kv.Persistent, "k")
				return err
			})})
			<-ran
			for p.Ran() < 2 {
				runtime.Gosched()
			}
			select {
			case err := <-done:
				t.Fatalf("it was answered at once: %v", err)
			default:
			}
			p.Take()
			if durable {
				p.Committed(1)
			} else {
				p.Stop(partition.ErrNotLeading)
			}
			if err := <-done; durable != (err == nil) {
				t.Errorf("the read: %v", err)
			}
		})
	}
}
