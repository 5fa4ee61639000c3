package partition

import (
	"slices"

	"kahuna/internal/kv"
	"kahuna/script"
)

// Scan reads a bucket or a prefix.
func (tx *Tx) Scan(space script.Space, prefix bool, text string, asOf int64, visit func(script.Row) error) error {
	rng := Range{Space: space, Prefix: prefix, Text: text}
	if asOf > 0 {
		return tx.scanPast(rng, asOf, visit)
	}
	_, err := tx.read(rangePart{rng: rng}, func(row *memoryRow) error {
		if tx.own(space, row.key) != nil {
			return nil
		}
		return visit(found(row.key, &row.row))
	})
	if err != nil {
		return err
	}
	for i := range tx.writes {
		w := &tx.writes[i]
		if rng.Covers(w.space, w.key) && w.live(tx.now) {
			if err := visit(tx.foundOwn(w)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Page reads the live rows of a range from after on, at most limit of them, in
// the store's order: by bucket, then by the rest of the key. The key after need
// not exist. next is the after of the following page, "" when there are no more;
// a page may hold fewer rows than limit, even none, before the last. It locks
// and validates the whole range, as Scan does.
func (tx *Tx) Page(rng Range, after string, limit int) (rows []script.Row, next string, err error) {
	next, err = tx.read(rangePart{rng, after, limit}, func(row *memoryRow) error {
		if tx.own(rng.Space, row.key) == nil {
			rows = append(rows, found(row.key, &row.row))
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	read := len(rows)
	for i := range tx.writes {
		w := &tx.writes[i]
		if rng.Covers(w.space, w.key) && w.live(tx.now) &&
			(after == "" || keyLess(after, w.key)) && (next == "" || !keyLess(next, w.key)) {
			rows = append(rows, tx.foundOwn(w))
		}
	}
	if len(rows) == read {
		return rows, next, nil
	}
	slices.SortFunc(rows, func(a, b script.Row) int {
		if keyLess(a.Key, b.Key) {
			return -1
		}
		return 1
	})
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].Key
	}
	return rows, next, nil
}

// read visits the live rows of a part of a range, without own writes, and
// returns the key after which there are more, or "".
func (tx *Tx) read(part rangePart, visit func(*memoryRow) error) (next string, err error) {
	if tx.slow != nil {
		return tx.readSlow(part, visit)
	}
	p := tx.p
	p.touchElsewhere(tx.ts)
	if part.rng.Space == kv.Ephemeral {
		next, err = tx.readEphemeral(part, visit)
	} else {
		r := tx.fetched.part(part)
		if r == nil {
			missing := part // a copy, so that only this case allocates
			return "", tx.miss(need{part: &missing})
		}
		next, err = r.visit(tx, visit)
	}
	// Locks beyond the last row that was read do not matter.
	if err != errMissing && len(p.locks.active) > 0 && p.locks.partLockedByOther(tx.ticket, part.rng, part.after, next) {
		tx.blocked.AddRange(part.rng)
		return "", errLocked
	}
	return next, err
}

// readEphemeral is read for the ephemeral space, in the executor.
func (tx *Tx) readEphemeral(part rangePart, visit func(*memoryRow) error) (next string, err error) {
	visited, n := 0, 0
	last := ""
	inRange(tx.p.eph.tree, part.rng, part.after, func(c *cell) bool {
		switch visited++; {
		case part.limit > 0 && n == part.limit:
			next = last
			return false
		case visited > tx.p.opts.FastRows:
			err = script.ErrSlowPath
			return false
		}
		tx.dep = max(tx.dep, c.seq)
		row := memoryRow{c.key, c.exists, c.row}
		if !row.live(tx.now) {
			return true
		}
		n++
		last = c.key
		err = visit(&row)
		return err == nil
	})
	return next, err
}

// readSlow reads a range that is locked, or that its reader validates.
func (tx *Tx) readSlow(part rangePart, visit func(*memoryRow) error) (next string, err error) {
	p := tx.p
	session := tx.slow.session
	if session != nil {
		if err := session.lockFor(&LockSet{Ranges: []Range{part.rng}}); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	locked := tx.ticket.coversRange(part.rng) || tx.slow.unlocked(p)
	p.mu.Unlock()
	switch {
	case locked:
	case session == nil:
		tx.slow.more.AddRange(part.rng)
		return "", errRestart
	default:
		return session.readUnlocked(part, visit)
	}
	return tx.walk(part.rng, part.after, part.limit, func(row *memoryRow) error {
		tx.borrow(part.rng.Space, row.key, &row.row)
		return visit(row)
	})
}
