package txn

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kahuna/internal/partition"
	"kahuna/script"
)

// Answer is what becomes of a job that Start has begun. It is called once. It
// may be called before Start returns, on the caller's goroutine; else it is
// called on a goroutine of the Runner, with no lock held. Others wait for it: it
// must be short and must not block.
type Answer func(*script.Result, error)

// Start is Run that does not wait. The job runs at once, on the caller's
// goroutine; answer gets what Run would have returned, when it would have. What
// has to wait for anything but the disk moves to a goroutine of its own.
//
// Start reports whether the job has run: its place in the order is fixed, and
// what is started next comes after it. It is false for a job that has moved.
// The job must stay as it is until answer is called.
func (r *Runner) Start(ctx context.Context, j *Job, answer Answer) bool {
	if err := ctx.Err(); err != nil {
		return r.giveUpLater(ctx, j, err, answer)
	}
	res, done, err := r.first(ctx, j)
	if err != nil && err == ctx.Err() {
		return r.giveUpLater(ctx, j, err, answer)
	}
	if err != nil && again(err) {
		go func() { answer(r.contended(ctx, j, err)) }()
		return false
	}
	if done.Propose {
		r.Flush()
	}
	if done.Batch == nil {
		answer(res, err)
		return true
	}
	r.completions.add(ctx, r, completion{res: res, err: err, done: done, answer: answer})
	return true
}

// giveUpLater is Start of a job whose context has ended with err.
func (r *Runner) giveUpLater(ctx context.Context, j *Job, err error, answer Answer) bool {
	if j.Request == nil {
		answer(nil, canceled(err))
		return true
	}
	go func() { answer(r.giveUp(ctx, j, canceled(err))) }()
	return false
}

// completion is an answer that waits for its batch.
type completion struct {
	res    *script.Result
	err    error
	done   partition.Done
	answer Answer
	start  time.Time
	// ended, when not nil, is set by whoever gives the answer: the batch, or the
	// end of the caller's context. stop forgets that context.
	ended *atomic.Bool
	stop  func() bool
}

// completions gives the answers of started jobs when their batches are durable,
// on one goroutine, which lives while there are any.
type completions struct {
	mu      sync.Mutex
	waiting []completion
	spare   []completion
	running bool
}

// add has c answered when its batch is durable, or ctx has ended.
func (cs *completions) add(ctx context.Context, r *Runner, c completion) {
	if ctx.Done() != nil {
		ended := new(atomic.Bool)
		c.ended = ended
		done, err, answer := c.done, c.err, c.answer
		c.stop = context.AfterFunc(ctx, func() {
			select {
			case <-done.Batch.Done: // both: prefer the answer
				return
			default:
			}
			if ended.CompareAndSwap(false, true) {
				answer(nil, interrupted(ctx, done, err))
			}
		})
	}
	c.start = time.Now()
	cs.mu.Lock()
	cs.waiting = append(cs.waiting, c)
	start := !cs.running
	cs.running = true
	cs.mu.Unlock()
	if start {
		go cs.run(r)
	}
}

// run gives the answers, in the order of add, until none waits. Batches become
// durable in their order, and all of those that Stop drops end at once.
func (cs *completions) run(r *Runner) {
	for {
		cs.mu.Lock()
		list := cs.waiting
		cs.waiting, cs.spare = cs.spare[:0], nil
		cs.running = len(list) > 0
		cs.mu.Unlock()
		if len(list) == 0 {
			return
		}
		for i := range list {
			list[i].finish(r)
			list[i] = completion{}
		}
		cs.mu.Lock()
		cs.spare = list[:0]
		cs.mu.Unlock()
	}
}

// finish waits for the batch of c, and gives its answer unless its caller's
// context has ended.
func (c *completion) finish(r *Runner) {
	<-c.done.Batch.Done
	r.Waits.Durable.since(c.start)
	if c.ended != nil {
		if !c.ended.CompareAndSwap(false, true) {
			return
		}
		c.stop()
	}
	c.answer(settled(c.res, c.done, c.err))
}
