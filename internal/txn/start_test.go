package txn

import (
	"context"
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
