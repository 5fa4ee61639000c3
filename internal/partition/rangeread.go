package partition

import (
	"slices"

	"kahuna/internal/kv"
	"kahuna/script"
)

// changedMax is up to how many writes in a range that is being read for a run
// in the executor are taken over into what was read. It bounds the work under
// the mutex.
const changedMax = 1024

// rangePart is a part of a range: the rows after a key, at most limit live ones
// if that is not 0.
type rangePart struct {
	rng   Range
	after string
	limit int
}

// A rangeRead is a part of a range of the persistent space as a run in the
// executor sees it. It is read without the mutex, before that run, while writers
// note which of its keys they change. The run reads these keys anew, from memory.
// So all rows are of the moment of the run, and no writer has waited.
type rangeRead struct {
	rangePart
	rows []memoryRow // the live ones
	next string      // the last key of the part, "" when the range ends in it
	dep  uint64      // as Tx.dep
	err  error

	changed map[string]struct{} // keys of the range written since the reading began
	// void says that what was read is of no use: too much has changed, or Stop
	// has taken writes back.
	void bool
}

// readPart reads a part of a range and leaves it watched. It returns
// script.ErrSlowPath when it comes to more rows than the executor may. The mutex
// is not held.
func (p *Partition) readPart(k rangePart) (*rangeRead, error) {
	r := &rangeRead{rangePart: k}
	p.mu.Lock()
	p.parts = append(p.parts, r)
	now := p.clock.Last().Millis() // the run's is not earlier
	h := p.beginHead(k, now)
	p.mu.Unlock()
	c := &cursor{p: p, rng: k.rng, after: k.after}
	if h != nil {
		c.after = h.after
		defer h.end()
	}
	visited, bytes := 0, 0
	piece := pieceFor(k.limit)
	for !c.end {
		r.err = c.next(min(piece, p.opts.FastRows+1-visited))
		piece = min(2*piece, pieceRows) // it may have to pass many that are not live
		r.dep = c.dep
		if r.err != nil {
			return r, nil // the run fails with it
		}
		for i := range c.rows {
			row := &c.rows[i]
			if visited++; visited > p.opts.FastRows || bytes > fastBytes {
				return r, script.ErrSlowPath
			}
			live := row.live(now)
			h.pass(row, live)
			if !live {
				continue
			}
			bytes += len(row.row.Value)
			r.rows = append(r.rows, *row)
			if len(r.rows) == k.limit && !(c.end && i == len(c.rows)-1) {
				r.next = row.key
				return r, nil
			}
		}
	}
	return r, nil
}

// fastBytes is how many bytes of values a run in the executor may read of one
// range.
const fastBytes = 4 << 20

// unwatch ends the noting of writes for r. Held: mu.
func (p *Partition) unwatch(r *rangeRead) {
	if i := slices.Index(p.parts, r); i >= 0 {
		p.parts = slices.Delete(p.parts, i, i+1)
	}
}

// voidParts makes what is being read, and known, of ranges worthless. Held: mu.
func (p *Partition) voidParts() {
	for _, r := range p.parts {
		r.void = true
	}
	clear(p.heads)
}

// note takes note of a write. Held: mu.
func (r *rangeRead) note(space kv.Space, key string) {
	if r.void || !r.rng.Covers(space, key) {
		return
	}
	if r.changed == nil {
		r.changed = map[string]struct{}{}
	}
	r.changed[key] = struct{}{}
	r.void = len(r.changed) > changedMax
}

// visit shows the rows of the part as they are now. It fails with errMissing
// when one that was written since is not in memory any more. Held: mu.
func (r *rangeRead) visit(tx *Tx, visit func(*memoryRow) error) (next string, err error) {
	if r.err != nil {
		return "", r.err
	}
	written, ok := r.written(tx)
	if !ok {
		r.void = true
		return "", tx.miss(need{part: &r.rangePart})
	}
	tx.dep = max(tx.dep, r.dep)
	n := 0
	last := ""
	for rows := r.rows; len(rows) > 0 || len(written) > 0; {
		from := &rows
		if len(rows) == 0 || len(written) > 0 && !keyLess(rows[0].key, written[0].key) {
			from = &written
			if len(rows) > 0 && rows[0].key == written[0].key {
				rows = rows[1:]
			}
		}
		row := &(*from)[0]
		*from = (*from)[1:]
		if !row.live(tx.now) {
			continue
		}
		if n++; r.limit > 0 && n > r.limit {
			return last, nil
		}
		if err := visit(row); err != nil {
			return "", err
		}
		last = row.key
	}
	return r.next, nil
}

// written returns what the rows of the part that were written since are now, in
// order. It reports false when one of them is not in memory. Held: mu.
func (r *rangeRead) written(tx *Tx) (rows []memoryRow, ok bool) {
	for key := range r.changed {
		if r.after != "" && !keyLess(r.after, key) || r.next != "" && keyLess(r.next, key) {
			continue
		}
		c := tx.p.rows[key]
		if c == nil {
			return nil, false
		}
		tx.dep = max(tx.dep, c.seq)
		rows = append(rows, memoryRow{key, c.exists, c.row})
	}
	slices.SortFunc(rows, func(a, b memoryRow) int {
		if keyLess(a.key, b.key) {
			return -1
		}
		return 1
	})
	return rows, true
}
