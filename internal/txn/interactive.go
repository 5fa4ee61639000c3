package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kahuna/internal/admission"
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

	// turn holds one token: who uses what follows has taken it out.
	turn     chan struct{}
	timer    *time.Timer // of the idle time
	used     time.Time
	deadline time.Time
	timeout  time.Duration
	ended    error // why it is over
	// outcome is what became of a commit, for whoever commits again.
	outcome script.Outcome

	// Of the call that runs now: its caller, and when it must have ended.
	ctx   context.Context
	until time.Time
	limit time.Duration    // what until was set from, for its error
	yield func(made int64) // of the script that runs now, or nil
	// pass is that of the script that runs now, once it has taken long.
	pass *admission.Pass
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

var errConflict error = &script.Error{Code: script.CodeConflict}

// Begin starts an interactive transaction.
func (r *Runner) Begin(ctx context.Context, o InteractiveOptions) (*Interactive, error) {
	if err := ctx.Err(); err != nil {
		return nil, canceled(err)
	}
	t := &Interactive{r: r, idle: o.Idle, timeout: o.Timeout, used: time.Now(), turn: make(chan struct{}, 1)}
	t.deadline = t.used.Add(o.Timeout)
	var err error
	t.session, err = r.Partition.Begin(partition.SessionOptions{Age: o.Age, Optimistic: o.Optimistic,
		ReadOnly: o.ReadOnly, Now: r.Now, Wait: t.waitForLock, Sleep: t.sleep, Poll: t.poll})
	if err != nil {
		return nil, err
	}
	t.timer = time.AfterFunc(t.idle, t.expire)
	t.give() // expire waits for it: it must see the timer, however short its time is
	return t, nil
}

// take waits for the turn of a call.
func (t *Interactive) take(ctx context.Context) error {
	select {
	case <-t.turn:
		return nil
	default:
	}
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		return canceled(ctx.Err())
	}
}

// give ends a turn, and lets the next call have it.
func (t *Interactive) give() { t.turn <- struct{}{} }

// expire rolls back an idle transaction.
func (t *Interactive) expire() {
	<-t.turn
	defer t.give()
	if t.ended == nil && time.Since(t.used) >= t.idle {
		t.end(&script.Error{Code: script.CodeTimeout, Retry: true,
			Message: fmt.Sprintf("transaction rolled back: not used for %v", t.idle)})
	}
}

// end rolls back and remembers why. Held: turn.
func (t *Interactive) end(why error) {
	t.ended = why
	t.timer.Stop()
	t.session.Rollback()
}

// wait returns when granted or wounded is closed: the session says what the
// latter means. It is called while call runs.
func (t *Interactive) wait(granted, wounded <-chan struct{}) error {
	timer := time.NewTimer(time.Until(t.until))
	defer timer.Stop()
	if t.pass != nil && t.pass.Leave() {
		defer t.pass.Enter()
	}
	select {
	case <-granted:
		return nil
	case <-wounded:
		return nil
	case <-t.ctx.Done():
		return canceled(t.ctx.Err())
	case <-timer.C:
		return timedOut(t.limit.Milliseconds())
	case <-t.r.Closed:
		return ErrClosed
	}
}

func (t *Interactive) waitForLock(granted, wounded <-chan struct{}) error {
	select {
	case <-granted:
		return nil
	default:
	}
	start := time.Now()
	defer t.r.Waits.Locks.since(start)
	return t.wait(granted, wounded)
}

// sleep is the pause of a script.
func (t *Interactive) sleep(ms int64, wounded <-chan struct{}) (int64, error) {
	over := make(chan struct{})
	timer := time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { close(over) })
	defer timer.Stop()
	err := t.wait(over, wounded)
	return t.r.Now(), err
}

// poll is called in the middle of long work of the engine.
func (t *Interactive) poll(made int64) error {
	if t.yield != nil {
		t.yield(made)
	}
	select {
	case <-t.r.Closed:
		return ErrClosed
	default:
	}
	if err := t.ctx.Err(); err != nil {
		return canceled(err)
	}
	if !time.Now().Before(t.until) {
		return timedOut(t.limit.Milliseconds())
	}
	return nil
}

// do runs work, and waits until what it read is durable, also when that made it
// fail (Invariant PART-4).
func (t *Interactive) do(work partition.Work, locks *partition.LockSet) (*script.Result, error) {
	res, err := t.session.Do(work, locks)
	b := t.session.Unsure()
	if b == nil {
		return res, err
	}
	select {
	case <-b.Done:
	default:
		start := time.Now()
		stop := t.wait(b.Done, nil)
		t.r.Waits.Durable.since(start)
		if stop != nil {
			return nil, stop
		}
	}
	if b.Err != nil {
		return nil, b.ReadErr
	}
	return res, err
}

// call runs f as one call of the transaction, for at most timeout when that is
// not 0. An error that leaves the transaction without its locks, or its waiting
// unfinished, ends it.
func (t *Interactive) call(ctx context.Context, in *script.Interrupt, timeout time.Duration, f func() error) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	defer t.give()
	if t.ended != nil {
		return t.ended
	}
	t.timer.Stop()
	now := time.Now()
	t.until, t.limit = t.deadline, t.timeout
	if !now.Before(t.deadline) {
		t.end(timedOut(t.limit.Milliseconds()))
		return t.ended
	}
	if timeout > 0 && now.Add(timeout).Before(t.deadline) {
		t.until, t.limit = now.Add(timeout), timeout
	}
	if err := ctx.Err(); err != nil {
		t.timer.Reset(t.idle)
		return canceled(err)
	}
	t.ctx = ctx
	if in != nil {
		defer t.watch(ctx, in, now)()
	}
	err := f()
	t.ctx = nil
	t.used = time.Now()
	if e, ok := err.(*script.Error); ok && t.ended == nil {
		switch e.Code {
		case script.CodeConflict:
			t.r.Waits.Conflicts.Add(1)
			t.end(err)
		case script.CodeDeadlock, script.CodeTimeout, script.CodeCanceled, script.CodeClosed, script.CodeRetry, script.CodeStorage:
			t.end(err)
		}
	}
	if t.ended == nil {
		t.timer.Reset(t.idle)
	}
	return err
}

// watch stops a script when ctx ends or its time is over, until the function it
// returns is called. The script takes turns with others, but is not admitted:
// it may hold locks that others wait for (Invariant ADM-1).
func (t *Interactive) watch(ctx context.Context, in *script.Interrupt, now time.Time) (end func()) {
	stopped := make(chan struct{})
	var mu sync.Mutex
	var over bool // or stopped
	stop := func(why error) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			over = true
			in.Stop(why)
			close(stopped)
		}
	}
	unwatch := context.AfterFunc(ctx, func() { stop(canceled(ctx.Err())) })
	expired := timedOut(t.limit.Milliseconds())
	timer := time.AfterFunc(t.until.Sub(now), func() { stop(expired) })
	t.yield = func(made int64) {
		if t.pass == nil { // it is a long one
			t.pass = t.r.Admission.NewPass()
			t.pass.Enter()
		}
		t.r.Waits.GaveWay.add(t.pass.Yield(made, stopped))
	}
	in.Yield = t.yield
	return func() {
		t.yield = nil
		if t.pass != nil {
			t.pass.Leave()
			t.pass = nil
		}
		timer.Stop()
		unwatch()
		// What could not be taken back any more comes too late from here on: in
		// belongs to the next script then.
		mu.Lock()
		over = true
		mu.Unlock()
	}
}

// Do runs work, a point call, in the transaction.
func (t *Interactive) Do(ctx context.Context, work partition.Work, locks *partition.LockSet) error {
	return t.call(ctx, nil, 0, func() error {
		_, err := t.do(work, locks)
		return err
	})
}

// Run runs a script in the transaction for at most timeout: all of it, or
// nothing. Its own failure
// leaves the transaction as it was before, but for its time-out, which ends
// the transaction as any wait does that was not finished.
func (t *Interactive) Run(ctx context.Context, work *Script, timeout time.Duration) (res *script.Result, err error) {
	locks := LockSet(work.Call.Footprint())
	err = t.call(ctx, &work.Interrupt, timeout, func() (err error) {
		res, err = t.do(work, &locks)
		return err
	})
	return res, err
}

// Commit makes the writes take effect, and returns when they are durable. Once
// more, it says in the outcome of ErrTxDone what became of the first.
func (t *Interactive) Commit(ctx context.Context) error {
	var done partition.Done
	err := t.call(ctx, nil, 0, func() (err error) {
		done, err = t.publish()
		t.end(ErrTxDone)
		if err != nil {
			if errors.Is(err, errConflict) {
				t.r.Waits.Conflicts.Add(1)
			}
			t.ended = err
			return err
		}
		t.outcome = script.OutcomeUnknown // until it is durable
		return nil
	})
	if err == ErrTxDone {
		<-t.turn
		defer t.give()
		e := *ErrTxDone.(*script.Error)
		e.Outcome = t.outcome
		return &e
	}
	if err != nil {
		return err
	}
	_, err = t.r.answer(ctx, nil, done, nil)
	outcome := script.Applied
	if err == nil {
		t.r.Waits.Committed.Add(1)
	}
	if e, ok := err.(*script.Error); ok {
		outcome = e.Outcome
	}
	<-t.turn
	t.outcome = outcome
	t.give()
	return err
}

// publish commits the session, waiting for room.
func (t *Interactive) publish() (partition.Done, error) {
	for {
		done, err := t.session.Commit()
		full, ok := err.(*partition.Full)
		if !ok {
			return done, err
		}
		t.r.Flush()
		start := time.Now()
		err = t.wait(full.Room, nil)
		t.r.Waits.Room.since(start)
		if err != nil {
			return partition.Done{}, err
		}
	}
}

// Age returns what InteractiveOptions.Age is for another try.
func (t *Interactive) Age() uint64 { return t.session.Age() }

// Rollback undoes everything. Doing so twice, or after Commit, does nothing.
func (t *Interactive) Rollback() {
	<-t.turn
	defer t.give()
	if t.ended == nil {
		t.end(ErrTxDone)
	}
}
