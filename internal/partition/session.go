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
	tx       *Tx
	holder   *holder // nil without locks
	now      func() int64
	wait     func(granted <-chan struct{}, wounded <-chan struct{}) error
	readOnly bool
	ranges   []rangeMark
}

// rangeMark is what an unlocked range read saw.
type rangeMark struct {
	rng    Range
	digest uint64
}

// Begin starts an interactive transaction. age, when not 0, is that of an
// earlier try of the same transaction, so that it gets older with each and wins
// in the end. now reads the physical clock; wait
// returns when one of two channels is closed, or why waiting ended.
func (p *Partition) Begin(age uint64, optimistic, readOnly bool, now func() int64, wait func(granted, wounded <-chan struct{}) error) (*Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.runnable(); err != nil {
		return nil, err
	}
	s := &Session{now: now, wait: wait, readOnly: readOnly}
	s.tx = &Tx{p: p, slow: &slowRead{reads: map[lockKey]readMark{}, session: s}}
	s.tx.ts = p.clock.Next(now())
	s.tx.now = s.tx.ts.Millis()
	if !optimistic {
		if age == 0 {
			p.locks.lastNo++
			age = p.locks.lastNo
		}
		s.holder = &holder{age: age, wounded: make(chan struct{})}
		s.tx.ticket = &Ticket{holder: s.holder}
	}
	return s, nil
}

// Do runs work in the transaction. When it fails, what it wrote is undone and
// the transaction goes on with what it was before; but not after a lost lock
// or conflict, which ends it. lock is what is known of work's footprint.
func (s *Session) Do(work Work, lock *LockSet) (*script.Result, error) {
	if err := s.lost(); err != nil {
		return nil, err
	}
	if err := s.lock(lock, ""); err != nil {
		return nil, err
	}
	p := s.tx.p
	p.mu.Lock()
	err := p.runnable()
	s.tx.ts = p.clock.Next(max(s.now(), s.tx.now))
	s.tx.now = s.tx.ts.Millis()
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	saved := s.tx.save()
	res, err := work.Do(s.tx, 0)
	if err == nil && s.readOnly && s.tx.changed(saved) {
		err = &script.Error{Code: script.CodeReadOnly, Message: "writes are not allowed in a read-only transaction"}
	}
	if err == nil {
		err = s.bounded()
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
		s.tx.restore(saved)
		if err == errRestart {
			return nil, conflictError("")
		}
		return nil, err
	}
	return res, nil
}

// overtaken returns why nobody may see what was read last, or nil: the store
// has been closed under it, something of it will never be durable, or what was read before is no longer of the same
// moment, because a row of it has ended and somebody saw that.
func (s *Session) overtaken() error {
	p := s.tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.runnable(); err != nil {
		return err
	}
	if err := p.lost(s.tx.dep); err != nil {
		return err
	}
	if s.tx.outlived(s.tx.now) {
		return conflictError("")
	}
	return nil
}

// bounded keeps what is buffered within what one entry of the log may hold.
func (s *Session) bounded() error {
	o := &s.tx.p.opts
	if n := len(s.tx.writes); n > o.WrittenKeys {
		return &script.Error{Code: script.CodeLimit, Hint: "the limit is Limits.WrittenKeys",
			Message: fmt.Sprintf("the transaction writes too many keys: more than %d", o.WrittenKeys)}
	}
	bytes := int64(0)
	for i := range s.tx.writes {
		bytes += int64(len(s.tx.writes[i].key) + len(s.tx.writes[i].row.Value))
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
func (s *Session) Commit() (Done, error) {
	p := s.tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	done, err := s.commit()
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
	if err := p.runnable(); err != nil {
		return Done{}, err
	}
	if err := p.lost(s.tx.dep); err != nil {
		return Done{}, err
	}
	commit := p.clock.Next(max(s.now(), s.tx.now))
	valid, err := s.tx.validate(commit)
	if err != nil {
		return Done{}, err
	}
	if valid && len(s.ranges) > 0 {
		valid, err = s.validateRanges()
	}
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
	defer s.tx.p.mu.Unlock()
	s.release()
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
	if err := s.lost(); err != nil {
		p.mu.Unlock()
		return err // since the last look
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
	if len(missing.Points)+len(missing.Ranges) == 0 {
		p.mu.Unlock()
		return nil
	}
	t := p.locks.enqueueFor(s.holder, &missing, cause)
	if !t.granted() {
		p.stats.LockWaits++
	}
	p.mu.Unlock()
	if err := s.wait(t.Granted, s.holder.wounded); err != nil {
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
	s.tx.now = max(s.tx.now, s.now())
	return nil
}

// digestRange folds what a read of rng sees now. Held: the mutex.
func (s *Session) digestRange(rng Range, now int64) (uint64, error) {
	h := uint64(14695981039346656037) // FNV-1a; the order of rows does not matter, they are added
	sum := uint64(0)
	visit := func(key string, row kv.Row) error {
		if !row.Live(now) {
			return nil
		}
		x := h
		for i := 0; i < len(key); i++ {
			x = (x ^ uint64(key[i])) * 1099511628211
		}
		for _, n := range [...]uint64{uint64(row.Revision), uint64(row.Modified), uint64(row.Expires)} {
			x = (x ^ n) * 1099511628211
			x ^= x >> 29
		}
		sum += x
		return nil
	}
	plain := &Tx{p: s.tx.p, ticket: s.tx.ticket}
	free := func() error { return nil }
	var err error
	if rng.Space == kv.Ephemeral {
		err = plain.scanCells(s.tx.p.eph.tree, rng, free, visit)
	} else if err = plain.scanCells(s.tx.p.overlay, rng, free, visit); err == nil {
		err = plain.scanStore(rng, free, visit)
	}
	s.tx.dep = max(s.tx.dep, plain.dep)
	return sum, err
}

func (s *Session) validateRanges() (bool, error) {
	for _, m := range s.ranges {
		if s.tx.p.faulty(FaultPhantoms) {
			continue
		}
		if s.tx.p.locks.rangeLockedByOther(s.tx.ticket, m.rng) {
			return false, nil
		}
		now, err := s.digestRange(m.rng, s.tx.now)
		if err != nil || now != m.digest {
			return false, err
		}
	}
	return true, nil
}

// saved is the buffered state of a Tx, to go back to.
type saved struct {
	writes []write
	dep    uint64
}

func (tx *Tx) save() saved {
	return saved{writes: append([]write(nil), tx.writes...), dep: tx.dep}
}

// restore goes back to s; what was read stays read.
func (tx *Tx) restore(s saved) {
	tx.writes = tx.writes[:0]
	tx.index = nil
	for i := range s.writes {
		w := &s.writes[i]
		*tx.buffer(w.space, w.key, w.base) = *w
	}
}

// changed reports whether something was written since s.
func (tx *Tx) changed(s saved) bool {
	if len(tx.writes) != len(s.writes) {
		return true
	}
	for i := range s.writes {
		if tx.writes[i] != s.writes[i] {
			return true
		}
	}
	return false
}
