package txn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kahuna/internal/admission"
	"kahuna/internal/partition"
	"kahuna/script"
)

// Path says how a job may run. The answer is the same on every path.
type Path uint8

// The paths. Auto tries the executor first; Slow goes outside at once.
const (
	Auto Path = iota
	Slow
)

// restartsMax is how often a run may be void, or meet a locked key, before the
// next one locks the whole partition: keys that are different in every run, as
// those with the time in them, could otherwise keep it from ever finishing.
const restartsMax = 16

// ErrClosed is the answer of a store that is closed, or closing.
var ErrClosed error = &script.Error{Code: script.CodeClosed, Message: "the store is closed"}

// Runner runs jobs in a partition. It is safe for concurrent use.
type Runner struct {
	Partition *partition.Partition
	// Admission bounds what runs on the slow path.
	Admission *admission.Controller
	// Now reads the physical clock in Unix milliseconds.
	Now func() int64
	// Flush proposes the open batch if none is on its way.
	Flush func()
	// Closed is closed when the store closes: jobs that wait are stopped.
	Closed <-chan struct{}
	// Waits count what callers waited for.
	Waits Waits

	completions completions
}

// Job is one script or call to run.
type Job struct {
	Work partition.Work
	// Interrupt is what Work polls; needed for jobs that may take long.
	Interrupt *script.Interrupt
	// Footprint returns what is known of the keys; nil when nothing is.
	Footprint func() partition.LockSet
	Sleeps    bool // goes to the slow path at once
	// Optimistic takes no locks for a first run on the slow path: what it read
	// is validated at its end, and a run that is void is followed by one with
	// locks.
	Optimistic bool
	// TimeoutMs is for running and waiting, but not for becoming durable, nor for
	// being admitted to the slow path: that is AdmissionMs, in the order of
	// Priority.
	TimeoutMs   int64
	AdmissionMs int64
	Priority    script.Priority
	Path        Path
	NowMs       int64              // physical time just read, or 0
	Request     *partition.Request // nil without an idempotency key

	runs uint // so far, of a Job that is used again and again
}

// Run runs the job and returns when its answer is durable. Its error is an
// *script.Error, with the outcome.
func (r *Runner) Run(ctx context.Context, j *Job) (*script.Result, error) {
	if err := ctx.Err(); err != nil {
		return r.giveUp(ctx, j, canceled(err))
	}
	res, done, err := r.first(ctx, j)
	if err != nil && err == ctx.Err() {
		return r.giveUp(ctx, j, canceled(err))
	}
	if err == nil || !again(err) {
		return r.answer(ctx, res, done, err)
	}
	return r.contended(ctx, j, err)
}

// first runs the job in the executor, if it may run there.
func (r *Runner) first(ctx context.Context, j *Job) (*script.Result, partition.Done, error) {
	if j.Sleeps || j.Path == Slow {
		return nil, partition.Done{}, script.ErrSlowPath
	}
	now := j.NowMs
	if now == 0 {
		now = r.Now()
	}
	var start time.Time
	measured := j.runs%executorSample == 0
	j.runs++
	if measured {
		start = time.Now()
	}
	res, done, err := r.Partition.Fast(ctx, j.Work, nil, now, j.Request)
	if measured {
		r.Waits.Executor.since(start)
	}
	return res, done, err
}

// again reports whether err asks for another run.
func again(err error) bool {
	if err == script.ErrSlowPath {
		return true
	}
	switch err.(type) {
	case *partition.Blocked, *partition.Restart, *partition.Busy, *partition.Full:
		return true
	}
	return false
}

// answer waits until what the answer depends on is durable.
func (r *Runner) answer(ctx context.Context, res *script.Result, done partition.Done, err error) (*script.Result, error) {
	if done.Propose {
		r.Flush()
	}
	b := done.Batch
	if b == nil {
		return res, err
	}
	if !r.durable(ctx, b) {
		select {
		case <-b.Done: // both: prefer the answer
		default:
			return nil, interrupted(ctx, done, err)
		}
	}
	return settled(res, done, err)
}

// interrupted is the answer of a run that ended with err, whose caller's ctx has
// ended while it was not known whether its batch is durable.
func interrupted(ctx context.Context, done partition.Done, err error) error {
	if err != nil || !done.Wrote {
		return canceled(ctx.Err())
	}
	return &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: ctx.Err(),
		Message: fmt.Sprintf("%v while committing; the outcome is unknown", ctx.Err()),
		Hint:    "read the keys again, or resend with an idempotency key"}
}

// settled is the answer of a run whose batch is durable, or has failed.
func settled(res *script.Result, done partition.Done, err error) (*script.Result, error) {
	b := done.Batch
	switch {
	case b.Err == nil:
		return res, err
	case done.Logged:
		return nil, b.Err
	}
	return nil, b.ReadErr
}

// giveUp returns the answer of a job that stops waiting because of why. One
// with an idempotency key may have been applied by an earlier sending, or be
// about to by one beside it: then "not applied" would not be true (Invariant
// OUT-1).
func (r *Runner) giveUp(ctx context.Context, j *Job, why *script.Error) (*script.Result, error) {
	if j.Request == nil {
		return nil, why
	}
	res, done, err := r.Partition.Remembered(j.Request)
	if _, busy := err.(*partition.Busy); busy {
		return nil, &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: why,
			Message: fmt.Sprintf("%s while another sending of the request runs; the outcome is unknown", why.Message),
			Hint:    "send it again, with the same key"}
	}
	if res == nil && err == nil {
		return nil, why
	}
	return r.answer(ctx, res, done, err)
}

// durable waits until b is, or has failed; false tells that ctx ended first.
func (r *Runner) durable(ctx context.Context, b *partition.Batch) bool {
	select {
	case <-b.Done:
		return true
	default:
	}
	start := time.Now()
	defer r.Waits.Durable.since(start)
	select {
	case <-b.Done:
		return true
	case <-ctx.Done():
		return false
	}
}

func canceled(err error) *script.Error {
	return &script.Error{Code: script.CodeCanceled, Message: err.Error(), Err: err}
}

func timedOut(ms int64) *script.Error {
	return &script.Error{Code: script.CodeTimeout, Retry: true, Message: fmt.Sprintf("transaction timed out after %d ms", ms)}
}

// attempt is the state of a job that did not simply run.
type attempt struct {
	r       *Runner
	j       *Job
	ctx     context.Context // of the caller
	stopped chan struct{}   // closed when the time is over or ctx ended
	why     *script.Interrupt
	set     partition.LockSet
	locked  bool // set holds the footprint
	slow    bool
	// timer ends the run at deadline.
	timer    *time.Timer
	deadline time.Time
	pass     *admission.Pass // of the slow path
}

// contended runs a job that has to wait: for locks, for room, for another
// request, or for its own sleep.
func (r *Runner) contended(ctx context.Context, j *Job, err error) (*script.Result, error) {
	a := &attempt{r: r, j: j, ctx: ctx, stopped: make(chan struct{}), why: j.Interrupt}
	if a.why == nil {
		a.why = &script.Interrupt{}
	}
	a.why.Yield = a.yield
	timeout := time.Duration(j.TimeoutMs) * time.Millisecond
	a.timer, a.deadline = time.NewTimer(timeout), time.Now().Add(timeout)
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer a.timer.Stop()
		select {
		case <-a.timer.C:
			a.why.Stop(timedOut(j.TimeoutMs))
		case <-ctx.Done():
			a.why.Stop(canceled(ctx.Err()))
		case <-r.Closed:
			a.why.Stop(ErrClosed)
		case <-done:
			return
		}
		close(a.stopped)
	}()
	defer func() { close(done); <-watched }()
	defer a.leave()

	for runs := 0; ; runs++ {
		if stop := a.prepare(err, runs); stop != nil {
			a.leave()
			return r.giveUp(ctx, j, stop)
		}
		var res *script.Result
		var d partition.Done
		res, d, err = a.once()
		if err != nil && again(err) {
			continue
		}
		a.leave() // what is left is to wait for the disk
		if why := a.why.Err(); err != nil && why != nil && errors.Is(err, why) {
			return r.giveUp(ctx, j, a.stop()) // without the place where it struck
		}
		return r.answer(ctx, res, d, err)
	}
}

// prepare waits for, or adds to the locks, what the last run was missing.
func (a *attempt) prepare(err error, runs int) *script.Error {
	switch e := err.(type) {
	case *partition.Busy:
		return a.wait(e.Done, &a.r.Waits.Requests)
	case *partition.Full:
		a.r.Flush()
		return a.wait(e.Room, &a.r.Waits.Room)
	case *partition.Blocked:
		a.footprint()
		a.add(e.Set)
		a.set.All = a.set.All || runs >= restartsMax
	case *partition.Restart:
		a.add(e.Set)
		a.set.All = a.set.All || runs >= restartsMax
	default:
		if err := a.admit(); err != nil {
			return err
		}
		a.slow = true
		if a.j.Optimistic {
			a.locked = true // when it is void, the run says what to lock
		}
		a.footprint()
	}
	return nil
}

func (a *attempt) footprint() {
	if !a.locked && a.j.Footprint != nil {
		a.add(a.j.Footprint())
	}
	a.locked = true
}

func (a *attempt) add(s partition.LockSet) {
	for _, p := range s.Points {
		a.set.AddPoint(p)
	}
	for _, r := range s.Ranges {
		a.set.AddRange(r)
	}
}

// wait returns nil when c is closed, else why the job was stopped.
func (a *attempt) wait(c <-chan struct{}, measure *Wait) *script.Error {
	select {
	case <-c:
		return nil
	default:
	}
	start := time.Now()
	defer measure.since(start)
	if a.leave() {
		defer a.pass.Enter()
	}
	select {
	case <-c:
		return nil
	case <-a.stopped:
		return a.stop()
	}
}

func (a *attempt) stop() *script.Error {
	var e *script.Error
	if errors.As(a.why.Err(), &e) {
		c := *e
		return &c
	}
	return canceled(a.why.Err()) // nobody stops it with another error
}

// once takes the locks known so far, and runs the job once.
func (a *attempt) once() (*script.Result, partition.Done, error) {
	p := a.r.Partition
	var ticket *partition.Ticket
	if a.slow || len(a.set.Points)+len(a.set.Ranges) > 0 || a.set.All {
		ticket = p.Acquire(&a.set)
		defer p.Release(ticket)
		if err := a.wait(ticket.Granted, &a.r.Waits.Locks); err != nil {
			return nil, partition.Done{}, err
		}
	}
	if !a.slow {
		res, done, err := p.Fast(a.ctx, a.j.Work, ticket, a.r.Now(), a.j.Request)
		if err != nil && err == a.ctx.Err() {
			<-a.stopped
			err = a.why.Err()
		}
		return res, done, err
	}
	if a.j.Request != nil {
		if res, done, err := p.Reserve(a.j.Request); res != nil || err != nil {
			return res, done, err
		}
		defer p.Unreserve(a.j.Request)
	}
	return p.Slow(a.j.Work, ticket, partition.SlowOptions{Now: a.r.Now, Sleep: a.sleep, Poll: a.poll}, a.j.Request)
}

// sleep waits ms milliseconds and returns the physical time then.
func (a *attempt) sleep(ms int64) (int64, error) {
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	if a.leave() {
		defer a.pass.Enter()
	}
	select {
	case <-timer.C:
		return a.r.Now(), nil
	case <-a.stopped:
		return a.r.Now(), a.stop()
	}
}
