package txn

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/script"
)

// TestShortIdle begins transactions whose idle time is over at once: the timer
// may fire before Begin has returned.
func TestShortIdle(t *testing.T) {
	t.Parallel()
	r, _ := runner(t, nil)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 5000 {
				tx, err := r.Begin(t.Context(), InteractiveOptions{Idle: time.Nanosecond, Timeout: time.Hour})
				if err != nil {
					t.Error(err)
					return
				}
				tx.Rollback()
			}
		})
	}
	callers.Wait()
	if n := r.Partition.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestIdle: a transaction that nobody uses for its idle time is rolled back; one
// that is used is not, however long it lives.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := runner(t, nil)
		o := InteractiveOptions{Idle: time.Second, Timeout: time.Minute}
		idle, used := begin(t, r, o), begin(t, r, o)
		if err := idle.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
			t.Fatal(err)
		}
		waiting := start(t.Context(), r, locking("k", Auto))
		for range 3 {
			time.Sleep(o.Idle - time.Millisecond)
			if err := used.Do(t.Context(), put(kv.Ephemeral, "other"), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-waiting; err != nil {
			t.Errorf("who waited for its lock: %v", err)
		}
		want(t, "the idle one", idle.Commit(t.Context()), script.CodeTimeout, script.NotApplied)
		if err := used.Commit(t.Context()); err != nil {
			t.Errorf("the used one: %v", err)
		}
	})
}

// TestLongestLife: a transaction ends after its whole time, however busy it is;
// so does a call that waits then.
func TestLongestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := runner(t, nil)
		holder := begin(t, r, InteractiveOptions{})
		if err := holder.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, r, InteractiveOptions{Timeout: time.Second})
		began := time.Now()
		want(t, "a call that waits", tx.Do(t.Context(), put(kv.Ephemeral, "k"), nil), script.CodeTimeout, script.NotApplied)
		if d := time.Since(began); d != time.Second {
			t.Errorf("it waited for %v", d)
		}
		want(t, "the commit", tx.Commit(t.Context()), script.CodeTimeout, script.NotApplied)
		if err := holder.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestOlderTakesLock: a transaction whose lock an older one took is over.
func TestOlderTakesLock(t *testing.T) {
	t.Parallel()
	r, _ := runner(t, nil)
	older, younger := begin(t, r, InteractiveOptions{}), begin(t, r, InteractiveOptions{})
	for _, tx := range []*Interactive{younger, older} {
		if err := tx.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []string{"the next call", "the call after it"} {
		want(t, what, younger.Do(t.Context(), put(kv.Ephemeral, "j"), nil), script.CodeConflict, script.NotApplied)
	}
	if n := r.Waits.Conflicts.Load(); n != 1 {
		t.Errorf("%d conflicts were counted", n)
	}
	if err := older.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCommitAgain: who commits a second time learns what became of the first.
func TestCommitAgain(t *testing.T) {
	t.Parallel()
	cause := &script.Error{Code: script.CodeStorage, Message: "the disk failed"}
	for name, c := range map[string]struct {
		proposed, durable bool
		outcome           script.Outcome
	}{
		"durable":      {true, true, script.Applied},
		"proposed":     {true, false, script.OutcomeUnknown},
		"not proposed": {false, false, script.NotApplied},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := runner(t, openStore(t))
			p := r.Partition
			ordered := make(chan struct{})
			r.Flush = func() { close(ordered) }
			tx := begin(t, r, InteractiveOptions{})
			if err := tx.Do(t.Context(), put(kv.Persistent, "k"), nil); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- tx.Commit(t.Context()) }()
			<-ordered
			if c.proposed {
				p.Take()
			}
			if c.durable {
				p.Committed(1)
			}
			p.Stop(cause)
			err := <-done
			if c.durable != (err == nil) {
				t.Errorf("the first commit: %v", err)
			}
			again := tx.Commit(t.Context())
			want(t, "again", again, script.CodeState, c.outcome)
		})
	}
}

// TestEnded: waiting calls and jobs are told at once when the leadership is
// lost, and when the store closes.
func TestEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(r *Runner, closing chan struct{})
		code script.Code
	}{
		"stopped": {func(r *Runner, _ chan struct{}) { r.Partition.Stop(partition.ErrNotLeading) }, script.CodeRetry},
		"closed":  {func(_ *Runner, closing chan struct{}) { close(closing) }, script.CodeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, closing := runner(t, nil)
				holder, younger := begin(t, r, InteractiveOptions{}), begin(t, r, InteractiveOptions{})
				if err := holder.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
					t.Fatal(err)
				}
				fast, slow := start(t.Context(), r, locking("k", Auto)), start(t.Context(), r, locking("k", Slow))
				tx := make(chan error, 1)
				go func() { tx <- younger.Do(t.Context(), put(kv.Ephemeral, "k"), nil) }()
				synctest.Wait()
				began := time.Now()
				c.end(r, closing)
				for what, done := range map[string]<-chan error{"a job": fast, "a slow job": slow, "a call": tx} {
					want(t, what, <-done, c.code, script.NotApplied)
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("they were told after %v", d)
				}
			})
		})
	}
}

// TestNextTerm: in the term that follows, nothing is locked, and what began
// before is over.
func TestNextTerm(t *testing.T) {
	t.Parallel()
	r, _ := runner(t, nil)
	before := begin(t, r, InteractiveOptions{})
	if err := before.Do(t.Context(), put(kv.Ephemeral, "k"), nil); err != nil {
		t.Fatal(err)
	}
	r.Partition.Stop(partition.ErrNotLeading)
	r.Partition.Lead(2, 0)
	after := begin(t, r, InteractiveOptions{})
	var found bool
	if err := after.Do(t.Context(), exists("k", &found), nil); err != nil || found {
		t.Errorf("the next term has k: %v, %v", found, err)
	}
	want(t, "a call of the earlier term", before.Do(t.Context(), put(kv.Ephemeral, "j"), nil), script.CodeRetry, script.NotApplied)
	want(t, "its commit", before.Commit(t.Context()), script.CodeRetry, script.NotApplied)
	if err := after.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStoppedTooLate: what stops a script of a transaction right when it ends does
// not stop the next one, whose Interrupt is the same.
func TestStoppedTooLate(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who stops it runs when this goroutine yields
	r, _ := runner(t, nil)
	tx := begin(t, r, InteractiveOptions{Idle: time.Minute, Timeout: time.Minute})
	defer tx.Rollback()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		var in script.Interrupt
		if err := tx.call(ctx, &in, 0, func() error { cancel(); return nil }); err != nil {
			t.Fatal(err)
		}
		in.Reset()
		for range 3 {
			runtime.Gosched()
		}
		if err := in.Err(); err != nil {
			t.Fatalf("the next script is stopped: %v", err)
		}
	}
}
