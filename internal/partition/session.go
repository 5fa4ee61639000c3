package partition

import (
	"fmt"

	"kahuna/internal/kv"
	"kahuna/script"
)

// Session is an interactive transaction: a Tx that lives across calls. With
// locks it locks each key and range before it reads it and keeps the locks to
// the end (strict two-phase locking); without, it validates at commit what it
// has read. It is used by one goroutine at a time.
type Session struct {
	tx     *Tx
	holder *holder // nil without locks
	opts   SessionOptions
	ranges map[rangeMark]struct{}
	undo   undoLog
	unsure *Batch
}

// SessionOptions say how an interactive transaction runs, and do for it what
// the package does not: all are needed.
type SessionOptions struct {
	// Age, when not 0, is that of an earlier try of the same transaction, so
	// that it gets older with each and wins in the end.
	Age        uint64
	Optimistic bool // takes no locks
	ReadOnly   bool
	// Now reads the physical clock in Unix milliseconds.
	Now func() int64
	// Wait returns when one of the channels is closed, or something was received
	// from it, or why waiting ended. Either may be nil.
	Wait func(granted, wounded <-chan struct{}) error
	// Sleep waits for ms milliseconds and returns the physical time then. It
	// ends early when wounded is closed, or with an error.
	Sleep func(ms int64, wounded <-chan struct{}) (now int64, err error)
	// Poll lets others go on, and returns why the call is to stop, or nil. It is
	// called now and then in the middle of long work, in a commit too.
	Poll func(made int64) error
}

// Begin starts an interactive transaction.
func (p *Partition) Begin(o SessionOptions) (*Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.runnable(); err != nil {
		return nil, err
	}
	s := &Session{opts: o}
	s.tx = &Tx{p: p, term: p.term, undo: &s.undo,
		slow: &slowRead{reads: map[lockKey]readMark{}, session: s, sleep: s.sleep, poll: o.Poll}}
	s.tx.ts = p.clock.Next(o.Now())
	s.tx.now = s.tx.ts.Millis()
	if !o.Optimistic {
		s.holder = p.locks.newHolder(o.Age)
		s.tx.ticket = s.holder.base
	}
	return s, nil
}

// wounded is closed when the transaction has lost its locks; nil without locks.
func (s *Session) wounded() <-chan struct{} {
	if s.holder == nil {
		return nil
	}
	return s.holder.wounded
}

// sleep is that of a script inside the transaction.
func (s *Session) sleep(ms int64) (int64, error) {
	now, err := s.opts.Sleep(ms, s.wounded())
	if err == nil {
		err = s.lost()
	}
	return now, err
}

// Do runs work in the transaction. When it fails, what it wrote is undone and
// the transaction goes on with what it was before; but not after a lost lock
// or conflict, which ends it. lock is what is known of work's footprint.
//
// The caller must not tell of the answer, be it an error, before Unsure is
// durable.
func (s *Session) Do(work Work, lock *LockSet) (*script.Result, error) {
	s.unsure = nil
	if err := s.lost(); err != nil {
		return nil, err
	}
	if err := s.lock(lock, ""); err != nil {
		return nil, err
	}
	p := s.tx.p
	p.mu.Lock()
	err := p.runnableIn(s.tx.term)
	s.tx.ts = p.clock.Next(max(s.opts.Now(), s.tx.now))
	s.tx.now = s.tx.ts.Millis()
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.undo.begin(s.tx)
	res, err := work.Do(s.tx, 0)
	if err == nil && s.opts.ReadOnly && s.undo.wrote(s.tx) {
		err = &script.Error{Code: script.CodeReadOnly, Message: "writes are not allowed in a read-only transaction"}
	}
	bytes := s.undo.size(s.tx)
	if err == nil {
		err = s.bounded(bytes)
	}
	// What was read after the locks were lost is of no moment: nobody may
	// see it.
	if lost := s.lost(); lost != nil {
		return nil, lost
	}
	if stop := s.overtaken(); stop != nil {
		return nil, stop
	}
	if err != nil {
		s.undo.rollback(s.tx)
		if err == errRestart {
			return nil, conflictError("")
		}
		return nil, err
	}
	s.undo.bytes = bytes
	if res != nil {
		res.Estimate(s.tx.now)
	}
	return res, nil
}

// overtaken returns why nobody may see what was read last, or nil: the store
// has been closed under it, the disk has failed under a row that was read, or
// what was read before is no longer of the same moment, because a row of it has
// ended and somebody saw that.
func (s *Session) overtaken() error {
	p := s.tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.runnableIn(s.tx.term); err != nil {
		return err
	}
	if s.tx.outlived(s.tx.now) {
		return conflictError("")
	}
	p.line.Lock()
	defer p.line.Unlock()
	if p.lost(s.tx.dep) {
		return refusal(p.stopped)
	}
	s.unsure = p.batchOf(s.tx.dep)
	return nil
}

// Unsure returns the batch that must be durable before the answer of the last
// call of Do is given, or nil: the transaction has read what it wrote.
//
// Invariant PART-4: nobody is answered before.
func (s *Session) Unsure() *Batch { return s.unsure }

// bounded keeps what is buffered, bytes of it, within what one entry of the
// log may hold.
func (s *Session) bounded(bytes int64) error {
	o := &s.tx.p.opts
	if n := len(s.tx.writes); n > o.WrittenKeys {
		return &script.Error{Code: script.CodeLimit, Hint: "the limit is Limits.WrittenKeys",
			Message: fmt.Sprintf("the transaction writes too many keys: more than %d", o.WrittenKeys)}
	}
	if bytes > o.WrittenBytes {
		return &script.Error{Code: script.CodeLimit, Hint: "the limit is Limits.WrittenBytes",
			Message: fmt.Sprintf("the transaction writes too much: more than %d bytes", o.WrittenBytes)}
	}
	return nil
}

// Commit validates, publishes the writes and gives up the locks. The
// transaction is over, whatever it returns, but for *Full: then it is as it was
// and Commit is to be called again.
func (s *Session) Commit() (done Done, err error) {
	p := s.tx.p
	if len(s.ranges) > 0 {
		if err = s.takeRangeCheck(); err == nil {
			defer func() { p.rangeCheck <- struct{}{} }()
			err = s.checkRanges()
		}
		if err == nil {
			defer s.freeRanges()
		}
	}
	if err == nil {
		var valid bool
		if valid, err = s.tx.precheck(); err == nil && !valid {
			err = conflictError("")
		}
	}
	defer p.tidy()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		defer s.tx.endCheck()
		done, err = s.commit()
	}
	if _, full := err.(*Full); !full {
		s.release()
	}
	return done, err
}

func (s *Session) commit() (Done, error) {
	p := s.tx.p
	if err := s.lost(); err != nil {
		return Done{}, err
	}
	if err := p.runnableIn(s.tx.term); err != nil {
		return Done{}, err
	}
	commit := p.clock.Next(max(s.opts.Now(), s.tx.now))
	valid, err := s.tx.validate(commit)
	if err != nil {
		return Done{}, err
	}
	if !valid {
		return Done{}, conflictError("")
	}
	s.tx.touchAll()
	_, done, err := p.conclude(s.tx, nil, nil, commit, nil)
	return done, err
}

// Rollback gives up the locks; nothing remains.
func (s *Session) Rollback() {
	s.tx.p.mu.Lock()
	s.release()
	s.tx.p.mu.Unlock()
	// It may be remembered for long: what it has read and written need not be.
	s.tx.writes, s.tx.index, s.ranges, s.undo = nil, nil, nil, undoLog{}
	s.tx.slow.reads, s.tx.slow.leases, s.tx.slow.row = nil, leases{}, kv.Row{}
}

// Age returns what to give Begin for another try, 0 without locks.
func (s *Session) Age() uint64 {
	if s.holder == nil {
		return 0
	}
	return s.holder.age
}

// Wrote reports whether a commit would change something.
func (s *Session) Wrote() bool { return len(s.tx.writes) > 0 }

func (s *Session) release() {
	if s.holder != nil {
		s.tx.p.locks.releaseAll(s.holder)
	}
}

// lost returns why the transaction can not go on, or nil.
func (s *Session) lost() error {
	if s.holder != nil && s.holder.lost() {
		return conflictError(s.holder.cause)
	}
	return nil
}

// gone returns why locks that the transaction has taken are not held any more.
func (s *Session) gone() error {
	err := s.lost()
	if err == nil {
		s.tx.p.mu.Lock()
		err = s.tx.p.runnableIn(s.tx.term)
		s.tx.p.mu.Unlock()
	}
	assert(err != nil, "a transaction has got no lock")
	return err
}

func conflictError(key string) error {
	e := &script.Error{Code: script.CodeConflict, Retry: true, Message: "conflict: what the transaction read was changed by another one",
		Hint: "run it again"}
	if key != "" {
		e.Key = key
		e.Message = fmt.Sprintf("conflict: an older transaction needs '%s'", key)
	}
	return e
}

// lock acquires what of set is not held yet. The mutex is not held.
func (s *Session) lock(set *LockSet, cause string) error {
	if s.holder == nil || set == nil || s.tx.p.faulty(FaultNoLocks) {
		return nil
	}
	p := s.tx.p
	p.mu.Lock()
	// Under the mutex: an older transaction may have wounded this one since
	// its call began.
	err := p.runnableIn(s.tx.term)
	if err == nil {
		err = s.lost()
	}
	if err != nil {
		p.mu.Unlock()
		return err
	}
	var missing LockSet
	for _, pt := range set.Points {
		if !s.tx.ticket.covers(pt.Space, pt.Key, pt.Write) {
			missing.AddPoint(pt)
			cause = pt.Key
		}
	}
	for _, r := range set.Ranges {
		if !s.tx.ticket.coversRange(r) {
			missing.AddRange(r)
			cause = r.Text
		}
	}
	if missing.empty() {
		p.mu.Unlock()
		return nil
	}
	t := p.locks.enqueueFor(s.holder, &missing, cause)
	if !t.granted() {
		p.stats.LockWaits++
	}
	p.mu.Unlock()
	if err := s.opts.Wait(t.Granted, s.holder.wounded); err != nil {
		return err
	}
	return s.lost()
}

// lockFor is lock for one access met while running; the clock moves on with
// the wait, so that the transaction sees no earlier time than those before it.
func (s *Session) lockFor(set *LockSet) error {
	if err := s.lock(set, ""); err != nil {
		return err
	}
	s.tx.now = max(s.tx.now, s.opts.Now())
	return nil
}
