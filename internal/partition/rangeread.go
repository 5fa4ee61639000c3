package partition

import (
	"context"
	"slices"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
	"kahuna/script"
)

// changedMax is up to how many writes in a range that is being read for a run
// in the executor are taken over into what was read. It bounds the work under
// the mutex.
const changedMax = 1024

// A rangeRead is a part of a range of the persistent space as a run in the
// executor sees it. It is read without the mutex, before that run, while writers
// note which of its keys they change. The run reads these keys anew, from memory.
// So all rows are of the moment of the run, and no writer has waited.
type rangeRead struct {
	Part
	// rows are the live ones in the order of the part: to its end, or up to
	// last. They may be more than its limit, since some of them may go.
	rows []memoryRow
	last string // the last key that was read, "" when the part ends in it
	dep  uint64 // as Tx.dep
	err  error

	changed map[string]struct{} // keys of the part written since the reading began
	// void says that what was read is of no use: too much has changed, or Stop
	// has taken writes back.
	void bool
}

// watch begins the noting of writes in part.
func (p *Partition) watch(part *Part) *rangeRead {
	r := &rangeRead{Part: *part}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts = append(p.parts, r)
	return r
}

// unwatch ends the noting of writes for r. Held: mu.
func (p *Partition) unwatch(r *rangeRead) {
	if i := slices.Index(p.parts, r); i >= 0 {
		p.parts = slices.Delete(p.parts, i, i+1)
	}
}

// endWatch is unwatch. The mutex is not held.
func (p *Partition) endWatch(r *rangeRead) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unwatch(r)
}

// readPart reads a part of a range and leaves it watched. It returns
// script.ErrSlowPath when it comes to more rows than the executor may, and
// ctx.Err() when ctx ends first. The mutex is not held.
func (p *Partition) readPart(ctx context.Context, k Part) (*rangeRead, error) {
	r := p.watch(&k)
	p.mu.Lock()
	now := p.clock.Last().Millis() // the run's is not earlier
	p.mu.Unlock()
	c := newCursor(p, &k, now)
	c.poll = ctx.Err
	gaps := gapFinder{p: p, part: &k, all: c.left, now: now, watch: r}
	defer func() { gaps.end(r.err == nil && c.end, c.dep, false) }()
	visited, bytes := 0, 0
	var n portion
	for full := false; !c.end && !full; {
		r.err = c.next(p.opts.FastRows + 1 - visited)
		r.dep = c.dep
		if r.err != nil {
			return r, ctx.Err() // nil: the run fails with r.err
		}
		for i := range c.rows {
			row := &c.rows[i]
			if visited++; visited > p.opts.FastRows || bytes > fastBytes {
				c.end = false
				return r, script.ErrSlowPath
			}
			live := row.live(now)
			gaps.row(row.key, live, c.dep, false)
			if !live {
				continue
			}
			bytes += len(row.row.Value)
			r.rows = append(r.rows, *row)
			full = n.add(&k, row.key, row.row.Value) || full
		}
		if n := len(c.rows); n > 0 {
			r.last = c.rows[n-1].key
		}
	}
	if c.end {
		r.last = ""
	}
	return r, nil
}

// fastBytes is how many bytes of values a run in the executor may read of one
// range.
const fastBytes = 4 << 20

// voidParts makes what is being read of ranges, and what is known of gaps,
// worthless. Held: mu.
func (p *Partition) voidParts() {
	for _, r := range p.parts {
		r.void = true
	}
	p.gaps.clear()
}

// note takes note of a write. Held: mu.
func (r *rangeRead) note(space kv.Space, key string) {
	if r.void || !r.Covers(space, key) {
		return
	}
	if r.changed == nil {
		r.changed = map[string]struct{}{}
	}
	r.changed[key] = struct{}{}
	r.void = len(r.changed) > changedMax
}

// wrote reports whether some of the keys in b may have been written. Held: mu.
func (r *rangeRead) wrote(b keyorder.Range) bool {
	if r.void {
		return true
	}
	for key := range r.changed {
		if key >= b.Start && (b.End == "" || key < b.End) {
			return true
		}
	}
	return false
}

// visit shows the rows of the part as they are now, in order. It returns the
// last key shown, "" when it came to the end of the part. It fails with
// errMissing when one that was written since is not in memory any more, or when
// so many have gone that more must be read. Held: mu.
func (r *rangeRead) visit(tx *Tx, visit func(*memoryRow) error) (last string, err error) {
	if r.err != nil {
		return "", r.err
	}
	written, ok := r.written(tx)
	if !ok {
		return "", r.again(tx)
	}
	tx.dep = max(tx.dep, r.dep)
	var n portion
	for rows := r.rows; len(rows) > 0 || len(written) > 0; {
		from := &rows
		if len(rows) == 0 || len(written) > 0 && !r.before(rows[0].key, written[0].key) {
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
		if err := visit(row); err != nil {
			return row.key, err
		}
		if n.add(&r.Part, row.key, row.row.Value) {
			return row.key, nil
		}
	}
	if r.last != "" {
		return "", r.again(tx)
	}
	return "", nil
}

// again ends a run until the part was read anew. Held: mu.
func (r *rangeRead) again(tx *Tx) error {
	r.void = true
	part := r.Part
	return tx.miss(need{part: &part})
}

// written returns what the rows of the part that were written since are now, in
// order. It reports false when one of them is not in memory. Held: mu.
func (r *rangeRead) written(tx *Tx) (rows []memoryRow, ok bool) {
	for key := range r.changed {
		if r.last != "" && r.before(r.last, key) {
			continue
		}
		c := tx.p.rows[key]
		if c == nil {
			return nil, false
		}
		tx.dep = max(tx.dep, c.seq)
		rows = append(rows, memoryRow{key, c.exists, c.row})
	}
	slices.SortFunc(rows, func(a, b memoryRow) int { return r.compare(a.key, b.key) })
	return rows, true
}
