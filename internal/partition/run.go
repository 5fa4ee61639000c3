package partition

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/script"
)

// Work is something to run in a transaction: a script, or a point call.
// A result of nil is fine. Do must not keep tx.
type Work interface {
	Do(tx *Tx, budget int64) (*script.Result, error)
}

// Done tells when the answer of a run may be given.
type Done struct {
	// Batch must be durable first; nil means at once.
	Batch *Batch
	// Wrote says that the run itself has written something, be it in memory
	// only: it has taken effect if Batch becomes durable.
	Wrote bool
	// Logged says that Batch holds some of it. Else, when Batch is lost, what
	// the run wrote is gone for certain.
	Logged bool
	// Propose says that the caller should ask Take for a batch to propose.
	Propose bool
}

// Blocked is returned by Fast when the work met locked keys: it is to be run
// again under a ticket for Set and what else is known of its footprint.
type Blocked struct{ Set LockSet }

func (*Blocked) Error() string { return errLocked.Error() }

// Restart is returned by Slow when the run is void: run again, with Set
// locked too.
type Restart struct{ Set LockSet }

func (*Restart) Error() string { return errRestart.Error() }

// Fast runs work in the executor: on the caller's goroutine, under the
// partition's mutex, against the speculative state. ticket holds locks taken
// before, or is nil. Errors besides those of the work: script.ErrSlowPath,
// *Blocked, *Busy, or why the partition does not run scripts.
//
// What is not in memory is read without the mutex, and work is done again from
// the start. Only that may take long: when ctx ends meanwhile, Fast returns
// ctx.Err(), and nothing was done.
func (p *Partition) Fast(ctx context.Context, work Work, ticket *Ticket, nowMs int64, req *Request) (res *script.Result, done Done, err error) {
	var f *fetched
	for n := 0; ; n++ {
		var missing *need
		res, done, missing, err = p.fast(work, ticket, nowMs, req, f, n < fetchesMax)
		if err == errMissing {
			if f, err = p.fetchFor(ctx, f, missing); err == nil {
				runtime.Gosched() // this took long; others may have waited
				continue
			}
		}
		p.forget(f)
		p.tidy()
		return res, done, err
	}
}

// fast is one run, with what was fetched for it. If fetch it may fail with
// errMissing, and with what it needs.
func (p *Partition) fast(work Work, ticket *Ticket, nowMs int64, req *Request, f *fetched, fetch bool) (res *script.Result, done Done, missing *need, err error) {
	p.lock()
	defer p.mu.Unlock()
	if err := p.admits(ticket, req); err != nil {
		return nil, Done{}, nil, err
	}
	if req != nil {
		if res, done, err := p.begin(req); res != nil || err != nil {
			return res, done, nil, err
		}
	}
	tx := &p.tx
	defer tx.reset()
	if tx.ticket != ticket || tx.fetched != f {
		tx.ticket, tx.fetched = ticket, f
	}
	tx.fetch = fetch
	tx.ts = p.clock.Next(nowMs)
	tx.now = tx.ts.Millis()
	if p.faulty(FaultTwoClocks) && p.stats.Fast%2 == 0 {
		tx.now -= slowClockMs
	}
	res, err = work.Do(tx, p.opts.FastSteps)
	switch {
	case err == errLocked:
		return nil, Done{}, nil, &Blocked{tx.blocked}
	case err == errMissing:
		return nil, Done{}, tx.need, err
	case err != nil && errors.Is(err, script.ErrSlowPath):
		return nil, Done{}, nil, script.ErrSlowPath
	}
	p.stats.Fast++
	res, done, err = p.conclude(tx, res, err, tx.ts, req)
	return res, done, nil, err
}

// SlowOptions do for a run outside the executor what the package does not: all
// are needed.
type SlowOptions struct {
	// Now reads the physical clock in Unix milliseconds.
	Now func() int64
	// Sleep waits for ms milliseconds and returns the physical time then.
	Sleep func(ms int64) (now int64, err error)
	// Poll lets others go on, and returns why the run is to stop, or nil.
	Poll func(made int64) error
}

// Slow runs work outside the executor under ticket, which has been granted.
func (p *Partition) Slow(work Work, ticket *Ticket, o SlowOptions, req *Request) (*script.Result, Done, error) {
	tx := &Tx{p: p, ticket: ticket, slow: &slowRead{sleep: o.Sleep, poll: o.Poll, reads: map[lockKey]readMark{}}}
	now := o.Now
	p.mu.Lock()
	err := p.runnableIn(ticket.term)
	if err == nil {
		tx.term = p.term
		tx.ts = p.clock.Next(now())
		tx.now = tx.ts.Millis()
	}
	p.mu.Unlock()
	if err != nil {
		return nil, Done{}, err
	}
	res, err := work.Do(tx, 0)
	if stopped(err) {
		return nil, Done{}, err
	}
	res, done, err := tx.concludeSlow(res, err, now, req)
	p.tidy()
	if err == errRestart {
		err = &Restart{tx.slow.wanted()}
	}
	return res, done, err
}

// concludeSlow validates a run outside the executor, and ends it. It returns
// errRestart when the run is void.
func (tx *Tx) concludeSlow(res *script.Result, err error, now func() int64, req *Request) (*script.Result, Done, error) {
	p := tx.p
	valid := err != errRestart
	if valid {
		if stop := tx.touchLarge(); stop != nil {
			return nil, Done{}, stop
		}
		var bad error
		if valid, bad = tx.precheck(); bad != nil {
			return nil, Done{}, bad
		}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	defer tx.endCheck()
	if stop := p.runnableIn(tx.term); stop != nil {
		return nil, Done{}, stop
	}
	commit := p.clock.Next(max(now(), tx.now))
	if valid {
		var bad error
		if valid, bad = tx.validate(commit); bad != nil {
			return nil, Done{}, bad
		}
	}
	if !valid {
		p.stats.Restarts++
		return nil, Done{}, errRestart
	}
	tx.touchAll()
	p.stats.Slow++
	return p.conclude(tx, res, err, commit, req)
}

// stopped reports whether err is that of a run that was stopped from outside:
// it tells nothing of what was read.
func stopped(err error) bool {
	var e *script.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case script.CodeTimeout, script.CodeCanceled, script.CodeClosed:
		return true
	}
	return false
}

// Full says that writers must wait: run again when Room is closed.
type Full struct{ Room <-chan struct{} }

func (*Full) Error() string { return "partition: too much is waiting to be written" }

// full bounds what is ordered but not applied, and what one batch holds. Held:
// line.
func (p *Partition) full() bool {
	return p.unapplied >= p.opts.UnappliedBytes ||
		p.open != nil && p.open.size >= p.opts.BatchBytes
}

// runnable returns why no script can run here now, or nil. After a storage
// error reads may go on.
func (p *Partition) runnable() error {
	if p.term != 0 {
		return nil
	}
	return refusal(p.stopped)
}

// runnableIn is runnable for what began in term.
//
// Invariant PART-8: a transaction concludes in the term in which it began, or
// not at all. What it has read may have been lost with that term, and its locks
// have ended.
func (p *Partition) runnableIn(term uint64) error {
	if err := p.runnable(); err != nil || p.term == term {
		return err
	}
	return refusal(errTermEnded)
}

// errTermEnded refuses a transaction of an earlier term. Nothing of it happened.
var errTermEnded error = &script.Error{Code: script.CodeRetry, Retry: true,
	Message: "the leader changed while the transaction was under way", Hint: "run it again"}

// admits returns why a run under ticket, which may be nil, can not begin now, or
// nil. A request that Stop gave up on after it was proposed is not refused as
// if it had not been applied (Invariant OUT-1).
func (p *Partition) admits(ticket *Ticket, req *Request) error {
	err := p.runnable()
	if err == nil && ticket != nil {
		err = p.runnableIn(ticket.term)
	}
	if err != nil && req != nil {
		if unsure := p.unsure[req.Key]; unsure != nil {
			return refusal(unsure)
		}
	}
	return err
}

func isStorage(err error) bool { return hasCode(err, script.CodeStorage) }

// isFinal reports whether err stops a partition for good.
func isFinal(err error) bool { return isStorage(err) || hasCode(err, script.CodeClosed) }

func hasCode(err error, code script.Code) bool {
	var e *script.Error
	return errors.As(err, &e) && e.Code == code
}

// refusal returns a copy of a sticky error, so that callers may complete it.
func refusal(err error) error {
	var e *script.Error
	if errors.As(err, &e) {
		c := *e
		return &c
	}
	return err
}

// conclude ends a run: it publishes what a successful one wrote, and says
// what its answer depends on.
func (p *Partition) conclude(tx *Tx, res *script.Result, err error, commit hlc.Timestamp, req *Request) (*script.Result, Done, error) {
	if tx.dep == 0 && req == nil && !tx.wrotePersistent() && p.opts.Faults == 0 {
		return p.concludeAlone(tx, res, err, commit)
	}
	p.line.Lock()
	defer p.line.Unlock()
	return p.concludeInLine(tx, res, err, commit, req)
}

// concludeAlone is conclude for a run that has nothing to do with any batch.
func (p *Partition) concludeAlone(tx *Tx, res *script.Result, err error, commit hlc.Timestamp) (*script.Result, Done, error) {
	switch {
	case err != nil:
		return nil, Done{}, err
	case len(tx.writes) > 0 && p.stopped != nil:
		return nil, Done{}, refusal(p.stopped)
	}
	if res != nil {
		res.Stamp(commit)
		res.Outcome = script.Applied
	}
	if len(tx.writes) > 0 {
		p.publishEphemeral(tx, 0, commit)
	}
	return res, Done{Wrote: len(tx.writes) > 0}, nil
}

// wrotePersistent reports whether the log is to hear of what was written.
func (tx *Tx) wrotePersistent() bool {
	for i := range tx.writes {
		if tx.writes[i].space == kv.Persistent {
			return true
		}
	}
	return false
}

// concludeInLine is conclude. Held: line.
func (p *Partition) concludeInLine(tx *Tx, res *script.Result, err error, commit hlc.Timestamp, req *Request) (_ *script.Result, done Done, _ error) {
	if p.faulty(FaultEarlyAnswer) {
		defer func() { done.Batch = nil }()
	}
	if p.lost(tx.dep) {
		return nil, Done{}, refusal(p.stopped)
	}
	if err != nil {
		done.Batch = p.batchOf(tx.dep)
		if p.faulty(FaultFailedWrites) && len(tx.writes) > 0 {
			_, wrote, _ := p.concludeInLine(tx, nil, nil, commit, nil)
			done.Propose = wrote.Propose
		}
		return nil, done, err
	}
	persistent := req != nil || tx.wrotePersistent()
	if (persistent || len(tx.writes) > 0) && p.stopped != nil {
		return nil, Done{}, refusal(p.stopped)
	}
	if persistent && p.full() {
		return nil, Done{}, &Full{p.room}
	}
	if res != nil {
		res.Stamp(commit)
		res.Outcome = script.Applied
	}
	if !persistent {
		p.publishEphemeral(tx, tx.dep, commit)
		return res, Done{Batch: p.batchOf(tx.dep), Wrote: len(tx.writes) > 0}, nil
	}
	var stored kv.StoredResult
	if req != nil {
		if stored, err = req.stored(res, commit); err != nil {
			return nil, Done{}, err
		}
	}
	b := p.openBatch()
	before := b.size
	b.scripts++
	p.stats.BatchedScripts++
	b.Time = max(b.Time, commit)
	for i := range tx.writes {
		if w := &tx.writes[i]; w.space == kv.Persistent {
			p.publish(b, w, commit)
		}
	}
	if req != nil {
		b.size += stored.Size()
		b.Stored = append(b.Stored, stored)
		p.keepResult(&stored, b.Seq)
	}
	p.publishEphemeral(tx, b.Seq, commit)
	p.account(b, before)
	return res, Done{Batch: b, Wrote: true, Logged: true, Propose: p.inflight == nil}, nil
}

// account adds what b grew by since it was before bytes long. The rows in
// memory weigh about as much again.
func (p *Partition) account(b *Batch, before int) {
	n := int64(2 * (b.size - before))
	b.bytes += n
	p.unapplied += n
}

// publish makes a persistent write part of the speculative state and of b.
func (p *Partition) publish(b *Batch, w *write, commit hlc.Timestamp) {
	row := w.row
	if w.ttl > 0 {
		row.Expires = commit.Millis() + w.ttl
	}
	if len(p.checks)+len(p.parts)+len(p.gaps.of) > 0 {
		p.noteWrite(kv.Persistent, w.key)
	}
	op := kv.Op{Kind: kv.Touch, Key: w.key}
	if w.put {
		op.Kind = kv.Put
		row.Modified = commit
		row.Supersede(&w.base)
	} else {
		p.extended = commit
	}
	op.Row = row
	b.olds = append(b.olds, w.base)
	op.Old = &b.olds[len(b.olds)-1]
	c := w.cell
	if c == nil || c.gone {
		c = p.rows[w.key]
	}
	if c == nil {
		c = newCell(kv.Persistent, w.key)
		c.row, c.exists = w.base, w.base.Revision >= 0
		p.insert(c)
	}
	op.Tail = &c.tail
	b.Ops = append(b.Ops, op)
	b.size += op.Size()
	p.supersede(b, c)
	c.row, c.exists = row, true
}

// supersede prepares c for a new version that b writes, and pins it.
func (p *Partition) supersede(b *Batch, c *cell) {
	if c.seq > p.applied {
		old := version{row: c.row, seq: c.seq}
		if !c.exists {
			old.row = kv.Row{Revision: -1}
		}
		c.push(old)
	} else {
		p.recent.hold(c)
		p.overlay.add(c)
	}
	if c.seq != b.Seq || len(b.cells) == 0 {
		b.cells = append(b.cells, c)
	}
	c.seq = b.Seq
}

func (p *Partition) publishEphemeral(tx *Tx, seq uint64, commit hlc.Timestamp) {
	wrote := false
	for i := range tx.writes {
		w := &tx.writes[i]
		if w.space != kv.Ephemeral {
			continue
		}
		wrote = true
		if len(p.checks)+len(p.parts)+len(p.gaps.of) > 0 {
			p.noteWrite(kv.Ephemeral, w.key)
		}
		row := w.row
		if w.ttl > 0 {
			row.Expires = commit.Millis() + w.ttl
		}
		if w.put {
			row.Modified = commit
			row.Supersede(&w.base)
		} else {
			p.extended = commit
		}
		p.eph.put(w, &row, seq)
	}
	if wrote {
		p.evictEphemeral()
	}
}

// isLocked keeps rows from being collected under somebody's lock.
func (p *Partition) isLocked(c *cell) bool {
	return len(p.locks.active) > 0 && p.locks.lockedByOther(nil, c.space, c.key, true)
}

// Acquire queues a request for locks. The ticket must be released. When its term
// ends before the locks are granted, Granted is closed all the same: the run
// under it is refused then.
func (p *Partition) Acquire(set *LockSet) *Ticket {
	set.index()
	p.mu.Lock()
	t := p.locks.enqueue(set)
	t.term = p.term
	for p.locks.arrive(t) {
		p.mu.Unlock()
		runtime.Gosched()
		p.giveWay()
		p.mu.Lock()
	}
	if !t.granted() {
		p.stats.LockWaits++
	}
	p.mu.Unlock()
	return t
}

// Release gives up a ticket, granted or not; nil is fine.
func (p *Partition) Release(t *Ticket) {
	if t == nil {
		return
	}
	p.mu.Lock()
	for p.locks.releaseSome(t) {
		p.mu.Unlock()
		runtime.Gosched()
		p.giveWay()
		p.mu.Lock()
	}
	p.mu.Unlock()
}

// Busy says that the script of the same idempotency key is running: wait for
// Done and ask again.
type Busy struct{ Done <-chan struct{} }

func (*Busy) Error() string { return "partition: request is running" }

var errForeignRequest = func(key string) error {
	return &script.Error{Code: script.CodeBadRequest,
		Message: fmt.Sprintf("idempotency key '%s' belongs to another request", key),
		Hint:    "choose a new key for each request"}
}
