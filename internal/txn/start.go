package txn

import (
	"context"
	"sync"
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
	r.completions.add(r, completion{ctx: ctx, res: res, err: err, done: done, answer: answer})
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
	ctx    context.Context
	res    *script.Result
	err    error
	done   partition.Done
	answer Answer
	start  time.Duration // since epoch
	watch  *watch        // nil when ctx does not end
	given  bool          // the end of ctx has given the answer
}

// completions gives the answers of started jobs when their batches are durable,
// in the order of add, on one goroutine, which lives while there are any.
type completions struct {
	mu      sync.Mutex
	waiting []completion
	watches map[<-chan struct{}]*watch // by the Done of their contexts
	running bool

	durable []completion // of run: those it answers
}

// keepMost bounds the completions whose memory is kept while none waits.
const keepMost = 1 << 12

// watch is the registration at a context that completions have in common: a
// server has one context for all of its requests.
type watch struct {
	done    <-chan struct{}
	waiting int         // completions that have it
	stop    func() bool // forgets the context
}

// epoch is what times of completions count from: a monotonic reading alone is
// cheaper than time.Now.
var epoch = time.Now()

// add has c answered when its batch is durable, or its context has ended.
func (cs *completions) add(r *Runner, c completion) {
	c.start = time.Since(epoch)
	cs.mu.Lock()
	c.watch = cs.watchOf(c.ctx)
	cs.waiting = append(cs.waiting, c)
	start := !cs.running
	cs.running = true
	cs.mu.Unlock()
	if start {
		go cs.run(r)
	}
}

// watchOf returns the watch of ctx, with one more that has it. Held: mu.
func (cs *completions) watchOf(ctx context.Context) *watch {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	w := cs.watches[done]
	if w == nil {
		w = &watch{done: done}
		w.stop = context.AfterFunc(ctx, func() { cs.interrupt(w) })
		if cs.watches == nil {
			cs.watches = map[<-chan struct{}]*watch{}
		}
		cs.watches[done] = w
	}
	w.waiting++
	return w
}

// leave tells that one completion less has w, which may be nil. Held: mu.
func (cs *completions) leave(w *watch) {
	if w == nil {
		return
	}
	if w.waiting--; w.waiting == 0 && cs.watches[w.done] == w {
		w.stop()
		delete(cs.watches, w.done)
	}
}

// interrupt answers those whose context, that of w, has ended before their
// batches were durable.
func (cs *completions) interrupt(w *watch) {
	var ended []completion
	cs.mu.Lock()
	if cs.watches[w.done] == w {
		delete(cs.watches, w.done) // who comes now needs one that is not used up
	}
	for i := range cs.waiting {
		// Of one whose batch is durable too, prefer the answer.
		if c := &cs.waiting[i]; c.watch == w && !c.given && !isClosed(c.done.Batch.Done) {
			c.given = true
			ended = append(ended, *c)
		}
	}
	cs.mu.Unlock()
	for i := range ended {
		c := &ended[i]
		c.answer(nil, interrupted(c.ctx, c.done, c.err))
	}
}

// run gives the answers until none waits. Batches become durable in their order,
// and all of those that Stop drops end at once.
func (cs *completions) run(r *Runner) {
	for {
		cs.mu.Lock()
		if len(cs.waiting) == 0 {
			cs.running = false
			if cap(cs.waiting) > keepMost {
				cs.waiting, cs.durable = nil, nil
			}
			cs.mu.Unlock()
			return
		}
		b := cs.waiting[0].done.Batch
		cs.mu.Unlock()
		<-b.Done
		list := cs.take()
		now := time.Since(epoch)
		for i := range list {
			c := &list[i]
			r.Waits.Durable.add(now - c.start)
			if !c.given {
				c.answer(settled(c.res, c.done, c.err))
			}
		}
		clear(list)
	}
}

// take removes the first completions, as far as their batches are durable or
// lost. What it returns is valid until the next call.
func (cs *completions) take() []completion {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	n := 0
	for n < len(cs.waiting) && isClosed(cs.waiting[n].done.Batch.Done) {
		cs.leave(cs.waiting[n].watch)
		n++
	}
	cs.durable = append(cs.durable[:0], cs.waiting[:n]...)
	rest := copy(cs.waiting, cs.waiting[n:])
	clear(cs.waiting[rest:])
	cs.waiting = cs.waiting[:rest]
	return cs.durable
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
