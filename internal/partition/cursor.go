package partition

import (
	"errors"
	"runtime"

	"kahuna/internal/kv"
)

const (
	// chunkRows is how many cells a cursor visits before it releases the mutex.
	chunkRows = 64
	// pieceRows and pieceBytes bound one piece, which is in memory as a whole.
	pieceRows  = 256
	pieceBytes = 1 << 20
)

// errPieceFull ends the reading of a piece from the store.
var errPieceFull = errors.New("partition: piece is full")

// memoryRow is a copy of what a cell, or the store, has of a key.
type memoryRow struct {
	key    string
	exists bool
	row    kv.Row
}

// A cursor reads the newest versions of the keys of a range in pieces, in the
// store's order: by bucket, then by the rest of the key. It reads outside the
// executor: it takes the mutex only for chunkRows cells at a time, and reads the
// store without it. Its pieces are of different moments. Who needs one moment
// locks the range, validates it at commit (ranges.go), or notes what is written
// in it meanwhile (rangeread.go). Rows that move from memory to the store are
// not missed, because a piece reads memory first.
type cursor struct {
	p     *Partition
	rng   Range
	after string // the last key that was read; "" at the beginning
	end   bool   // no key of the range comes after it
	dep   uint64 // newest batch among the rows of memory
	// poll lets others go on and returns why the reading is to stop, or nil.
	poll func() error

	rows           []memoryRow // the last piece, ended and deleted rows included
	memory, stored []memoryRow
}

// next reads the next piece, of at most n rows, into c.rows. It may be empty
// before the end.
func (c *cursor) next(n int) error {
	full, err := c.readMemory(n)
	if err != nil {
		return err
	}
	c.end = !full
	last := ""
	if full {
		last = c.memory[n-1].key
	}
	if c.rng.Space == kv.Persistent {
		if last, err = c.readStore(n, last); err != nil {
			return storageError(err)
		}
	}
	c.merge(last)
	if last != "" {
		c.after = last
	}
	return nil
}

// readMemory reads the next cells and reports whether there may be more than n.
func (c *cursor) readMemory(n int) (full bool, err error) {
	c.memory = c.memory[:0]
	after := c.after
	for {
		want := min(chunkRows, n-len(c.memory))
		before := len(c.memory)
		sorted := c.readChunk(after, want)
		runtime.Gosched() // as with loadsYield
		c.p.giveWay()
		if c.poll != nil {
			if err := c.poll(); err != nil {
				return false, err
			}
		}
		switch {
		case !sorted:
		case len(c.memory) < before+want:
			return false, nil
		case len(c.memory) == n:
			return true, nil
		}
		if len(c.memory) > 0 {
			after = c.memory[len(c.memory)-1].key
		}
	}
}

// readChunk appends the n cells that come after a key to c.memory. It reports
// false, and reads nothing, while the overlay is not in order.
func (c *cursor) readChunk(after string, n int) (sorted bool) {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	tree := p.eph.tree
	if c.rng.Space == kv.Persistent {
		if !p.overlay.sort(sortMax) {
			return false
		}
		tree = p.overlay.tree
	}
	inRange(tree, c.rng, after, func(x *cell) bool {
		c.dep = max(c.dep, x.seq)
		c.memory = append(c.memory, memoryRow{x.key, x.exists, x.row})
		n--
		return n > 0
	})
	return true
}

// readStore reads the next rows of the store, not beyond the key last unless
// that is "". It returns the last key of the piece, "" when the range ends in it.
func (c *cursor) readStore(n int, last string) (string, error) {
	c.stored = c.stored[:0]
	bytes, full := 0, false
	next, err := c.p.store.ScanPage(c.rng.Prefix, c.rng.Text, c.after, n, func(key string, row kv.Row) error {
		if last != "" && keyLess(last, key) {
			return errPieceFull
		}
		if bytes >= pieceBytes {
			full = true
			return errPieceFull
		}
		bytes += len(row.Value)
		c.stored = append(c.stored, memoryRow{key, true, row})
		return nil
	})
	switch {
	case full:
		next = c.stored[len(c.stored)-1].key
	case err == errPieceFull:
		return last, nil
	case err != nil:
		return "", err
	case next == "":
		return last, nil
	}
	c.end = false
	return next, nil
}

// merge makes c.rows of what was read, up to the key last unless that is "". A
// row in memory is newer than one of the store.
func (c *cursor) merge(last string) {
	c.rows = c.rows[:0]
	memory, stored := c.memory, c.stored
	for len(memory) > 0 || len(stored) > 0 {
		row := &stored
		if len(stored) == 0 || len(memory) > 0 && !keyLess(stored[0].key, memory[0].key) {
			row = &memory
			if len(stored) > 0 && stored[0].key == memory[0].key {
				stored = stored[1:]
			}
		}
		if last != "" && keyLess(last, (*row)[0].key) {
			return
		}
		c.rows = append(c.rows, (*row)[0])
		*row = (*row)[1:]
	}
}

// live reports whether the row is live at now, in Unix milliseconds.
func (r *memoryRow) live(now int64) bool { return r.exists && r.row.Revision >= 0 && r.row.Live(now) }

// pieceFor is how many rows a piece of a read with that limit has.
func pieceFor(limit int) int {
	if limit == 0 {
		return pieceRows
	}
	return min(max(limit+1, 16), pieceRows)
}

// walk visits the rows of rng that are live for tx and come after the key after,
// at most limit of them if that is not 0. It returns the key of the last one, ""
// when there may be no more. The mutex is not held.
func (tx *Tx) walk(rng Range, after string, limit int, visit func(*memoryRow) error) (next string, err error) {
	c := &cursor{p: tx.p, rng: rng, after: after, poll: tx.poll}
	var h *headRead
	if limit > 0 {
		tx.p.mu.Lock()
		h = tx.p.beginHead(rangePart{rng, after, limit}, tx.now)
		tx.p.mu.Unlock()
		if h != nil {
			c.after = h.after
			defer h.end()
		}
	}
	piece := pieceFor(limit)
	for n := 0; !c.end; {
		err := c.next(piece)
		piece = min(2*piece, pieceRows) // it may have to pass many that are not live
		tx.dep = max(tx.dep, c.dep)
		if err != nil {
			return "", err
		}
		for i := range c.rows {
			row := &c.rows[i]
			live := row.live(tx.now)
			h.pass(row, live)
			if !live {
				continue
			}
			if err := visit(row); err != nil {
				return "", err
			}
			if n++; n == limit && !(c.end && i == len(c.rows)-1) {
				return row.key, nil
			}
		}
	}
	return "", nil
}
