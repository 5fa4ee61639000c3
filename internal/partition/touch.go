package partition

import (
	"slices"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// Time agrees with the order (Invariant PART-6). For what runs in the executor
// that is so by itself: the clock is read in the order of execution. What runs
// outside reads the clock when it starts, and takes its place in the order when
// it ends; in between others run, with later times. That is void when it shows:
//
//   - when it saw a row live which has ended meanwhile, and somebody else has
//     touched that row since (a shared lock lets readers pass, and a range that
//     is validated has not changed);
//   - when it touched a key without a lock, and somebody with a later time
//     than its own has written that key, or read what it writes.
//
// So every cell knows when it was touched last, and every row when it was
// written; a change of nothing but the expiry is a touch after the last change
// of that kind anywhere. For keys without a cell, and for reads of ranges, there
// is one time for all of them: it can only be too late, which costs a run that
// was not in vain.

// leases are the rows that were read as live under a lock that others may share,
// or in a range that is validated.
type leases struct {
	ends  map[lockKey]int64 // when they end
	first int64             // the first of these, if there are any
}

func (l *leases) add(k lockKey, end int64) {
	if l.ends == nil {
		l.ends, l.first = map[lockKey]int64{}, end
	}
	l.first = min(l.first, end)
	if old, ok := l.ends[k]; !ok || end < old {
		l.ends[k] = end
	}
}

// time returns the latest time that the transaction has seen.
func (tx *Tx) time() hlc.Timestamp { return max(tx.ts, hlc.At(tx.now)) }

// touch notes that c was seen at time at.
func (c *cell) touch(at hlc.Timestamp) { c.touched = max(c.touched, at) }

// touchElsewhere notes that something without a cell was seen at time at.
func (p *Partition) touchElsewhere(at hlc.Timestamp) { p.elsewhere = max(p.elsewhere, at) }

// touchedAt returns when key was touched last, or later.
func (p *Partition) touchedAt(k lockKey) hlc.Timestamp {
	if c := p.cellOf(k); c != nil {
		return max(c.touched, p.elsewhere)
	}
	return max(p.elsewhere, p.eph.touched)
}

// cellOf returns the cell of a key, or nil if it has none now.
func (p *Partition) cellOf(k lockKey) *cell {
	if k.space == kv.Ephemeral {
		return p.eph.cells[k.key]
	}
	return p.rows[k.key]
}

// touchAll notes everything that a transaction outside the executor has
// touched: what it has locked, and what it has read without.
func (tx *Tx) touchAll() {
	at := tx.time()
	if tx.slow.check == nil { // else check has
		for k := range tx.slow.reads {
			tx.p.touchKey(k, at)
		}
	}
	if s := tx.slow.session; s != nil && len(s.ranges) > 0 {
		tx.p.touchElsewhere(at)
	}
	if tx.ticket == nil {
		return
	}
	if set := tx.ticket.large; set != nil {
		if len(set.Ranges) > 0 || set.All {
			tx.p.touchElsewhere(at)
		}
		return // touchLarge has noted the keys
	}
	for r, e := range tx.ticket.entries {
		switch {
		case r.kind == pointKind:
			tx.p.touchKey(lockKey{r.space, r.text}, at)
		case e.mode == exclusive || r.kind != wholeKind && e.mode == shared:
			tx.p.touchElsewhere(at) // not for an intent, nor for a lock on something
		}
	}
}

// touchLarge is touchAll for the keys of a large request, some at a time: they
// are locked, so it does no harm that others see them touched before the end.
// The mutex is not held.
func (tx *Tx) touchLarge() error {
	if tx.ticket == nil || tx.ticket.large == nil {
		return nil
	}
	at := tx.time()
	for points := range slices.Chunk(tx.ticket.large.Points, pieceMax) {
		tx.p.mu.Lock()
		for _, pt := range points {
			tx.p.touchKey(lockKey{pt.Space, pt.Key}, at)
		}
		tx.p.mu.Unlock()
		if err := tx.poll(); err != nil {
			return err
		}
		tx.p.giveWay()
	}
	return nil
}

// touchKey notes that k was seen at time at.
func (p *Partition) touchKey(k lockKey, at hlc.Timestamp) {
	if c := p.cellOf(k); c != nil {
		c.touch(at)
	} else {
		p.touchElsewhere(at)
	}
}

// borrow remembers row if it is live and will end.
func (tx *Tx) borrow(space kv.Space, key string, row *kv.Row) {
	if row.Revision >= 0 && row.Expires != 0 && row.Live(tx.now) {
		tx.slow.leases.add(lockKey{space, key}, row.Expires)
	}
}

// outlived reports whether a row that the transaction saw live has ended by
// now for somebody else. The mutex is held.
func (tx *Tx) outlived(now int64) bool {
	l := &tx.slow.leases
	if tx.p.faulty(FaultTime) || now < l.first {
		return false
	}
	for k, end := range l.ends {
		if end <= now && tx.p.touchedAt(k) >= hlc.At(end) {
			return true
		}
	}
	return false
}

// overtaken reports whether row, which the transaction has read without a
// lock, shows that somebody with a later time came first.
func (tx *Tx) overtaken(k lockKey, row *kv.Row, wrote bool) bool {
	if tx.slow.session != nil || tx.p.faulty(FaultTime) {
		return false // a session reads the clock anew for each call
	}
	return row.Modified > tx.ts || (wrote || tx.p.extended > tx.ts) && tx.p.touchedAt(k) > tx.ts
}
