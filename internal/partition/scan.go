package partition

import (
	"errors"
	"slices"

	"kahuna/internal/kv"
	"kahuna/script"
)

// errEnough ends a read whose visitor has got all it wants.
var errEnough = errors.New("partition: enough")

// Scan reads a bucket or a prefix, in the order of the keys' bytes.
func (tx *Tx) Scan(space script.Space, prefix bool, text string, asOf int64, visit func(script.Row) error) error {
	return tx.Read(Part{Range: Range{Space: space, Prefix: prefix, Text: text}}, asOf, visit)
}

// ScanPart reads a part of a bucket or prefix.
func (tx *Tx) ScanPart(p *script.Part, visit func(script.Row) error) error {
	return tx.Read(partOf(p), p.AsOf, visit)
}

// Read visits the live rows of a part of a range in order, own writes included.
// When asOf is not 0, they are those that were live at that time, in Unix
// milliseconds, without own writes. An error of visit ends it and is returned.
//
// It locks and validates what it has read: the part up to the last row that it
// visited, or all of it, when that did not end it.
func (tx *Tx) Read(part Part, asOf int64, visit func(script.Row) error) error {
	if asOf > 0 {
		return tx.readPastRange(part, asOf, visit)
	}
	own := tx.ownIn(&part)
	if len(own) == 0 {
		return tx.read(part, nil, func(row *memoryRow) error { return visit(found(row.key, &row.row)) })
	}
	m := merger{tx: tx, part: part, own: own, visit: visit}
	if part.Limit > 0 {
		part.Limit, part.Bytes = part.Limit+len(own), 0 // an own write may hide a row
	}
	err := tx.read(part, &m, m.row)
	for err == nil && len(m.own) > 0 {
		err = m.showOwn()
	}
	if err == errEnough {
		return nil
	}
	return err
}

// merger shows what a transaction reads, its own writes in their places.
type merger struct {
	tx    *Tx
	part  Part
	own   []*write // left, in order
	visit func(script.Row) error
	n     portion // shown
}

// row shows a row that was read, and the own writes before it.
func (m *merger) row(row *memoryRow) error {
	for len(m.own) > 0 && m.part.before(m.own[0].key, row.key) {
		if err := m.showOwn(); err != nil {
			return err
		}
	}
	if len(m.own) > 0 && m.own[0].key == row.key {
		return m.showOwn()
	}
	return m.show(found(row.key, &row.row))
}

// peek returns a visitor that shows nothing, and ends where m would. m may be nil.
func (m *merger) peek() func(*memoryRow) error {
	if m == nil {
		return func(*memoryRow) error { return nil }
	}
	c := *m
	c.visit = func(script.Row) error { return nil }
	return c.row
}

// show shows a row. It returns errEnough with the last one.
func (m *merger) show(row script.Row) error {
	if err := m.visit(row); err != nil {
		return err
	}
	if m.n.add(&m.part, row.Key, row.Value) {
		return errEnough
	}
	return nil
}

// showOwn shows the next own write, if it is live.
func (m *merger) showOwn() error {
	w := m.own[0]
	m.own = m.own[1:]
	if !w.live(m.tx.now) {
		return nil
	}
	return m.show(m.tx.foundOwn(w))
}

// ownIn returns the own writes in part, in order.
func (tx *Tx) ownIn(part *Part) (own []*write) {
	for i := range tx.writes {
		if w := &tx.writes[i]; part.Covers(w.space, w.key) {
			own = append(own, w)
		}
	}
	slices.SortFunc(own, func(a, b *write) int { return part.compare(a.key, b.key) })
	return own
}

// read visits the live rows of a part in order, without own writes. m, if there
// are any, is what visit belongs to.
func (tx *Tx) read(part Part, m *merger, visit func(*memoryRow) error) (err error) {
	if tx.slow != nil {
		return tx.readSlow(part, m, visit)
	}
	p := tx.p
	locks := len(p.locks.active) > 0
	if locks && part.Limit == 0 && p.locks.rangeLockedByOther(tx.ticket, part.Range) {
		tx.blocked.AddRange(part.Range)
		return errLocked
	}
	p.touchElsewhere(tx.ts)
	last := ""
	if part.Space == kv.Ephemeral {
		last, err = tx.readEphemeral(&part, visit)
	} else {
		r := tx.fetched.part(part)
		if r == nil {
			missing := part // a copy, so that only this case allocates
			return tx.miss(need{part: &missing})
		}
		last, err = r.visit(tx, visit)
	}
	if locks && part.Limit > 0 && err != errMissing && err != script.ErrSlowPath {
		// What is locked behind the last row does not matter.
		if rng := part.until(last); p.locks.rangeLockedByOther(tx.ticket, rng) {
			tx.blocked.AddRange(rng)
			return errLocked
		}
	}
	return err
}

// readEphemeral is read for the ephemeral space, in the executor. It returns the
// last key that it has shown, "" when it came to the end of the part.
func (tx *Tx) readEphemeral(part *Part, visit func(*memoryRow) error) (last string, err error) {
	p := tx.p
	left := part.bounds()
	gaps := gapFinder{p: p, part: part, all: left, now: tx.now}
	var n portion
	visited, end, full := 0, false, false
	for !end {
		var dep uint64
		left, dep = p.gaps.skip(part, left, tx.now)
		tx.dep = max(tx.dep, dep)
		end = true
		visitCells(p.eph.tree, part, left, func(c *cell) bool {
			if visited++; visited > p.opts.FastRows {
				err = script.ErrSlowPath
				return false
			}
			tx.dep = max(tx.dep, c.seq)
			row := memoryRow{c.key, c.exists, c.row}
			live := row.live(tx.now)
			gaps.row(c.key, live, tx.dep, true)
			if !live {
				if gaps.n == gapMin && len(p.gaps.of) > 0 {
					end = false // the others may be known
					left = left.After(c.key, part.Desc)
					return false
				}
				return true
			}
			last = c.key
			if err = visit(&row); err != nil {
				return false
			}
			full = n.add(part, c.key, c.row.Value)
			return !full
		})
	}
	if err == nil && !full {
		last = ""
	}
	gaps.end(err == nil && last == "", tx.dep, true)
	return last, err
}

// readSlow reads a part that is locked, or that its reader validates.
func (tx *Tx) readSlow(part Part, m *merger, visit func(*memoryRow) error) error {
	session := tx.slow.session
	if session != nil && session.holder == nil {
		return session.readUnlocked(part, visit)
	}
	show := func(row *memoryRow) error {
		tx.borrow(part.Space, row.key, &row.row)
		return visit(row)
	}
	for {
		rng := part.Range
		if part.Limit > 0 && !tx.lockedRange(rng) {
			// The first look says how far the rows reach that are to be locked.
			last, err := tx.walk(&part, m.peek())
			if err != nil && err != errEnough {
				return err
			}
			rng = part.until(last)
		}
		if session != nil {
			rng = tx.lockedBeside(rng)
			if err := session.lockFor(&LockSet{Ranges: []Range{rng}}); err != nil {
				return err
			}
		}
		if !tx.lockedRange(rng) {
			if session != nil {
				return session.gone()
			}
			if tx.locksIn(rng) {
				rng = part.Range // what was locked was not enough; others are quicker
			}
			tx.slow.more.AddRange(rng)
			return errRestart
		}
		var n portion
		locked := part
		locked.Range = part.within(rng.ends())
		last, err := tx.walk(&locked, func(row *memoryRow) error {
			n.add(&part, row.key, row.row.Value)
			return show(row)
		})
		if err != nil || last != "" || locked.Range == part.Range {
			return err
		}
		// Rows have gone before they were locked: there may be others behind.
		part.Limit -= n.rows
		if part.Bytes > 0 {
			part.Bytes -= n.bytes
		}
		if part.Desc {
			part.End = locked.Start
		} else {
			part.Start = locked.End
		}
	}
}

// lockedRange reports whether a range is locked for tx.
func (tx *Tx) lockedRange(r Range) bool {
	tx.p.mu.Lock()
	defer tx.p.mu.Unlock()
	return tx.ticket.coversRange(r) || tx.slow.unlocked(tx.p)
}

// lockedBeside returns r with the parts of its bucket or prefix that are locked
// for tx and beside it: they are to be one lock.
func (tx *Tx) lockedBeside(r Range) Range {
	if !r.bounded() {
		return r
	}
	tx.p.mu.Lock()
	defer tx.p.mu.Unlock()
	for _, q := range tx.p.locks.intervals {
		if tx.ticket.mode(q.of) != 0 && q.interval.touches(&r) {
			r = r.hull(q.interval)
		}
	}
	return r
}

// locksIn reports whether a part of the range's bucket or prefix is locked for
// tx.
func (tx *Tx) locksIn(r Range) bool {
	tx.p.mu.Lock()
	defer tx.p.mu.Unlock()
	return slices.ContainsFunc(tx.p.locks.intervals, func(q *queue) bool {
		return q.interval.whole() == r.whole() && tx.ticket.mode(q.of) != 0
	})
}
