package partition

import "kahuna/internal/kv"

// A transaction without locks validates the ranges it has read: it remembers a
// digest of the rows it was shown, and at commit the range must still have it.
// Rows are read a few at a time while others write, but a version that is gone
// does not come back: with the same digest at the end, every row was there from
// when it was shown, and no other one was.

// rangeMark is what an unlocked range read saw.
type rangeMark struct {
	rng    Range // what it has read
	digest rangeDigest
}

// rangeDigest folds the live rows of a range, in any order.
type rangeDigest uint64

func (d *rangeDigest) add(key string, row *kv.Row, now int64) {
	if row.Revision < 0 || !row.Live(now) {
		return
	}
	const prime = 1099511628211 // FNV-1a
	x := uint64(14695981039346656037)
	for i := 0; i < len(key); i++ {
		x = (x ^ uint64(key[i])) * prime
	}
	for _, n := range [...]uint64{uint64(row.Revision), uint64(row.Modified), uint64(row.Expires)} {
		x = (x ^ n) * prime
		x ^= x >> 29
	}
	*d += rangeDigest(x)
}

// readUnlocked reads a part of a range without a lock, to be validated at commit.
// A visit that fails, too, tells of what is in the range up to its row.
func (s *Session) readUnlocked(part Part, visit func(*memoryRow) error) error {
	var digest rangeDigest
	last, err := s.tx.walk(&part, func(row *memoryRow) error {
		digest.add(row.key, &row.row, s.tx.now)
		s.tx.borrow(part.Space, row.key, &row.row) // the digest is of the time of a call
		return visit(row)
	})
	if s.ranges == nil {
		s.ranges = map[rangeMark]struct{}{}
	}
	s.ranges[rangeMark{part.until(last), digest}] = struct{}{}
	return err
}

// takeRangeCheck takes the token of rangeCheck, which is to be put back.
func (s *Session) takeRangeCheck() error {
	select {
	case <-s.tx.p.rangeCheck:
		return nil
	default:
		return s.opts.Wait(s.tx.p.rangeCheck, nil)
	}
}

// checkRanges validates the ranges that were read, and returns with them locked
// so that they stay as they are until freeRanges. It reads without the mutex.
// Held: rangeCheck.
func (s *Session) checkRanges() error {
	p := s.tx.p
	if p.faulty(FaultPhantoms) {
		return nil
	}
	hulls := map[Range]Range{} // one of each bucket or prefix
	for m := range s.ranges {
		hull, ok := hulls[m.rng.whole()]
		if !ok {
			hull = m.rng
		}
		hulls[m.rng.whole()] = hull.hull(&m.rng)
	}
	var set LockSet
	for _, hull := range hulls {
		set.AddRange(hull)
	}
	p.mu.Lock()
	err := p.runnableIn(s.tx.term)
	if err == nil {
		s.tx.ticket = p.locks.enqueue(&set)
		if !s.tx.ticket.granted() {
			err = conflictError("") // somebody else is about to write there
		}
	}
	p.mu.Unlock()
	for m := range s.ranges {
		if err != nil {
			break
		}
		err = s.checkRange(m)
	}
	if err != nil {
		s.freeRanges()
	}
	return err
}

func (s *Session) checkRange(m rangeMark) error {
	plain := &Tx{p: s.tx.p, now: s.tx.now, slow: &slowRead{poll: s.tx.slow.poll}}
	var digest rangeDigest
	_, err := plain.walk(&Part{Range: m.rng}, func(row *memoryRow) error {
		digest.add(row.key, &row.row, s.tx.now)
		return nil
	})
	s.tx.dep = max(s.tx.dep, plain.dep)
	switch {
	case err != nil:
		return err
	case digest != m.digest:
		return conflictError("")
	}
	return nil
}

// freeRanges gives up the locks of checkRanges. The mutex is not held.
func (s *Session) freeRanges() {
	s.tx.p.Release(s.tx.ticket)
	s.tx.ticket = nil
}
