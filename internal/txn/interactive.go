package txn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kahuna/internal/partition"
	"kahuna/script"
)

// Interactive is a transaction that lives across calls, with its clock: it is
// rolled back when nobody has used it for a while, when its whole time is over,
// and when the store closes. Calls from several goroutines take turns.
type Interactive struct {
	r       *Runner
	idle    time.Duration
	session *partition.Session

	mu       sync.Mutex
	timer    *time.Timer // of the idle time
	used     time.Time
	deadline time.Time
	timeout  time.Duration
	ended    error // why it is over

	// of the call that runs now
	ctx context.Context
}

// InteractiveOptions say how an interactive transaction runs.
type InteractiveOptions struct {
	ReadOnly   bool
	Optimistic bool
	Idle       time.Duration // rolled back after so long without a call
	Timeout    time.Duration // longest life
	Age        uint64        // of an earlier try (Interactive.Age), or 0
}

// ErrTxDone is returned by calls of a transaction that was committed or rolled
// back.
var ErrTxDone error = &script.Error{Code: script.CodeState, Message: "the transaction has already been committed or rolled back"}

// Begin starts an interactive transaction.
func (r *Runner) Begin(ctx context.Context, o InteractiveOptions) (*Interactive, error) {
	if err := ctx.Err(); err != nil {
		return nil, canceled(err)
	}
	t := &Interactive{r: r, idle: o.Idle, timeout: o.Timeout, used: time.Now()}
	t.deadline = t.used.Add(o.Timeout)
	var err error
	if t.session, err = r.Partition.Begin(o.Age, o.Optimistic, o.ReadOnly, r.Now, t.wait); err != nil {
		return nil, err
	}
	t.timer = time.AfterFunc(t.idle, t.expire)
	return t, nil
}

// expire rolls back an idle transaction.
func (t *Interactive) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil && time.Since(t.used) >= t.idle {
		t.end(&script.Error{Code: script.CodeTimeout, Retry: true,
			Message: fmt.Sprintf("transaction rolled back: not used for %v", t.idle)})
	}
}

// end rolls back and remembers why. Held: mu.
func (t *Interactive) end(why error) {
	t.ended = why
	t.timer.Stop()
	t.session.Rollback()
}

// wait returns when granted is closed.
func (t *Interactive) wait(granted, wounded <-chan struct{}) error {
	select {
	case <-granted:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(t.deadline))
	defer timer.Stop()
	select {
	case <-granted:
		return nil
	case <-wounded:
		return nil // the session says what that means
	case <-t.ctx.Done():
		return canceled(t.ctx.Err())
	case <-timer.C:
		return timedOut(t.timeout.Milliseconds())
	case <-t.r.Closed:
		return ErrClosed
	}
}

// call runs f as one call of the transaction. An error that leaves the
// transaction without its locks, or its waiting unfinished, ends it.
func (t *Interactive) call(ctx context.Context, in *script.Interrupt, f func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	t.timer.Stop()
	if !time.Now().Before(t.deadline) {
		t.end(timedOut(t.timeout.Milliseconds()))
		return t.ended
	}
	if err := ctx.Err(); err != nil {
		t.timer.Reset(t.idle)
		return canceled(err)
	}
	t.ctx = ctx
	if in != nil {
		stop := context.AfterFunc(ctx, func() { in.Stop(canceled(ctx.Err())) })
		defer stop()
		over := time.AfterFunc(time.Until(t.deadline), func() { in.Stop(timedOut(t.timeout.Milliseconds())) })
		defer over.Stop()
	}
	err := f()
	t.ctx = nil
	t.used = time.Now()
	if e, ok := err.(*script.Error); ok && t.ended == nil {
		switch e.Code {
		case script.CodeConflict, script.CodeDeadlock, script.CodeTimeout, script.CodeCanceled, script.CodeClosed, script.CodeRetry, script.CodeStorage:
			t.end(err)
		}
	}
	if t.ended == nil {
		t.timer.Reset(t.idle)
	}
	return err
}

// Do runs work in the transaction: all of it, or nothing. A script's own
// failure leaves the transaction as it was before.
func (t *Interactive) Do(ctx context.Context, work partition.Work, in *script.Interrupt, locks *partition.LockSet) (res *script.Result, err error) {
	err = t.call(ctx, in, func() (err error) {
		res, err = t.session.Do(work, locks)
		return err
	})
	return res, err
}

// Commit makes the writes take effect, and returns when they are durable.
func (t *Interactive) Commit(ctx context.Context) error {
	var done partition.Done
	err := t.call(ctx, nil, func() (err error) {
		for {
			if done, err = t.session.Commit(); err == nil {
				break
			}
			full, ok := err.(*partition.Full)
			if !ok {
				t.end(err)
				return err
			}
			t.r.Flush()
			if err := t.wait(full.Room, nil); err != nil {
				return err
			}
		}
		t.end(ErrTxDone)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = t.r.answer(ctx, nil, done, nil)
	return err
}

// Age returns what InteractiveOptions.Age is for another try.
func (t *Interactive) Age() uint64 { return t.session.Age() }

// Rollback undoes everything. Doing so twice, or after Commit, does nothing.
func (t *Interactive) Rollback() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.end(ErrTxDone)
	}
}
