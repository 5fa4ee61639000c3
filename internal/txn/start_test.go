package txn

import (
	"context"
	"sync"
	"testing"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/script"
)

// TestStartWaitsForDisk: a started job has run at once, but is not answered
// before its batch is durable (Invariant PART-4); what was started behind it is
// answered after it. When the disk hangs, the caller's context ends the wait.
func TestStartWaitsForDisk(t *testing.T) {
	for name, durable := range map[string]bool{"durable": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := runner(t, openStore(t))
			p := r.Partition
			r.Flush = func() {} // the disk hangs
			ctx, cancel := context.WithCancel(t.Context())
			answers := make(chan int, 3)
			errs := [3]error{}
			begin := func(i int, ctx context.Context, w partition.Work) {
				ran := r.Start(ctx, &Job{Work: w}, func(_ *script.Result, err error) {
					errs[i] = err
					answers <- i
				})
				if !ran {
					t.Errorf("job %d has moved", i)
				}
			}
			begin(0, t.Context(), put(kv.Persistent, "k"))
			begin(1, t.Context(), workFunc(func(tx *partition.Tx) error {
				_, err := tx.Get(kv.Persistent, "k")
				return err
			}))
			begin(2, ctx, put(kv.Persistent, "j"))
			select {
			case i := <-answers:
				t.Fatalf("job %d was answered at once: %v", i, errs[i])
			default:
			}
			cancel()
			if i := <-answers; i != 2 {
				t.Fatalf("job %d was answered while the disk hung", i)
			}
			want(t, "the one that was canceled", errs[2], script.CodeOutcomeUnknown, script.OutcomeUnknown)
			p.Take()
			if durable {
				p.Committed(1)
			} else {
				p.Stop(partition.ErrNotLeading)
			}
			for n := range 2 {
				if i := <-answers; i != n || durable != (errs[i] == nil) {
					t.Errorf("job %d: %v", i, errs[i])
				}
			}
		})
	}
}

// TestStartCanceledMeanwhile: a context that ends while a job runs ends its wait,
// too, when it had ended the waits of others before.
func TestStartCanceledMeanwhile(t *testing.T) {
	r, _ := runner(t, openStore(t))
	r.Flush = func() {} // the disk hangs
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	r.Start(ctx, &Job{Work: put(kv.Persistent, "k")}, func(_ *script.Result, err error) { first <- err })
	var early error
	var once sync.Once
	r.Start(ctx, &Job{Work: workFunc(func(tx *partition.Tx) error {
		once.Do(func() { // a run may be done again
			cancel()
			early = <-first
		})
		return put(kv.Persistent, "j")(tx)
	})}, func(_ *script.Result, err error) { second <- err })
	want(t, "the first", early, script.CodeOutcomeUnknown, script.OutcomeUnknown)
	want(t, "the second", <-second, script.CodeOutcomeUnknown, script.OutcomeUnknown)
	if n := len(r.completions.watches); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// TestStartForgetsContext: a context is not held on to by answered calls.
func TestStartForgetsContext(t *testing.T) {
	r, _ := runner(t, openStore(t))
	p := r.Partition
	r.Flush = func() {}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers := make(chan error, 3)
	for _, key := range []string{"a", "b", "c"} {
		r.Start(ctx, &Job{Work: put(kv.Persistent, key)}, func(_ *script.Result, err error) { answers <- err })
	}
	count := func() int {
		r.completions.mu.Lock()
		defer r.completions.mu.Unlock()
		return len(r.completions.watches)
	}
	if n := count(); n != 1 {
		t.Errorf("three calls with one context have %d watches", n)
	}
	p.Take()
	p.Committed(1)
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if n := count(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}
