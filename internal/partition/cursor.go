package partition

import (
	"runtime"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

const (
	// chunkRows is how many cells a cursor visits before it releases the mutex.
	chunkRows = 64
	// pieceRows and pieceBytes bound one piece, which is in memory as a whole.
	pieceRows  = 256
	pieceBytes = 1 << 20
)

// memoryRow is a copy of what a cell, or the store, has of a key.
type memoryRow struct {
	key    string
	exists bool
	row    kv.Row
}

// live reports whether the row is live at now, in Unix milliseconds.
func (r *memoryRow) live(now int64) bool { return r.exists && r.row.Revision >= 0 && r.row.Live(now) }

// A cursor reads the newest versions of the keys of a part in pieces, in the
// order of the keys' bytes. It reads outside the executor: it takes the mutex
// only for chunkRows cells at a time, and reads the store without it. Its pieces
// are of different moments, and each is a new walk behind the last one. Who
// needs one moment locks the range, validates it at commit (ranges.go), or notes
// what is written in it meanwhile (rangeread.go). Rows that move from memory to
// the store are not missed, because a piece reads memory first.
type cursor struct {
	p    *Partition
	part *Part
	left keyorder.Range // what has not been read
	size int            // rows of the next piece
	now  int64          // the time of the reader, who passes gaps by; 0 if not
	end  bool           // nothing is left
	dep  uint64         // newest batch among what was read of memory
	// poll lets others go on and returns why the reading is to stop, or nil.
	poll func() error

	rows           []memoryRow // the last piece, ended and deleted rows included
	memory, stored []memoryRow
}

func newCursor(p *Partition, part *Part, now int64) *cursor {
	size := pieceRows
	if part.Limit > 0 {
		size = min(max(part.Limit+1, gapMin), pieceRows)
	}
	return &cursor{p: p, part: part, left: part.bounds(), size: size, now: now}
}

// next reads the next piece, of at most most rows, into c.rows. It may be empty
// before the end.
func (c *cursor) next(most int) error {
	n := min(c.size, most)
	c.size = min(2*c.size, pieceRows)
	full, err := c.readMemory(n)
	if err != nil {
		return err
	}
	c.end = !full
	last := ""
	if full {
		last = c.memory[n-1].key
	}
	if c.part.Space == kv.Persistent {
		if last, err = c.readStore(n, last); err != nil {
			return storageError(err)
		}
	}
	c.merge(last)
	if last != "" {
		c.left = c.left.After(last, c.part.Desc)
	}
	return nil
}

// readMemory reads the next cells and reports whether there may be more than n.
func (c *cursor) readMemory(n int) (full bool, err error) {
	c.memory = c.memory[:0]
	for left := c.left; ; {
		want := min(chunkRows, n-len(c.memory))
		before := len(c.memory)
		sorted := c.readChunk(left, want)
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
			left = c.left.After(c.memory[len(c.memory)-1].key, c.part.Desc)
		} else {
			left = c.left
		}
	}
}

// readChunk appends the first n cells of left to c.memory. When the piece begins,
// it passes gaps by. It reports false, and reads nothing, while the overlay is
// not in order.
func (c *cursor) readChunk(left keyorder.Range, n int) (sorted bool) {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	tree := p.eph.tree
	if c.part.Space == kv.Persistent {
		if !p.overlay.sort(sortMax) {
			return false
		}
		tree = p.overlay.tree
	}
	if len(c.memory) == 0 && c.now != 0 {
		var dep uint64
		left, dep = p.gaps.skip(c.part, left, c.now)
		c.left, c.dep = left, max(c.dep, dep)
	}
	visitCells(tree, c.part, left, func(x *cell) bool {
		c.dep = max(c.dep, x.seq)
		c.memory = append(c.memory, memoryRow{x.key, x.exists, x.row})
		n--
		return n > 0
	})
	return true
}

// readStore reads the next rows of the store, not beyond the key last unless
// that is "". It returns the last key of the piece, "" when the part ends in it.
func (c *cursor) readStore(n int, last string) (_ string, err error) {
	c.stored = c.stored[:0]
	if c.left.End != "" && c.left.Start >= c.left.End {
		return last, nil
	}
	open := c.p.store.Walk
	if !c.part.Prefix {
		open = func(r keyorder.Range, desc bool) (*store.Rows, error) {
			return c.p.store.WalkBucket(c.part.Text, r, desc)
		}
	}
	rows, err := open(c.left, c.part.Desc)
	if err != nil {
		return "", err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for bytes := 0; ; {
		k, ok, err := rows.Next()
		if err != nil {
			return "", err
		}
		if !ok || last != "" && c.part.before(last, string(k)) {
			return last, nil
		}
		if len(c.stored) == n || bytes >= pieceBytes {
			c.end = false
			return c.stored[len(c.stored)-1].key, nil
		}
		key := string(k)
		row, err := rows.Row()
		if err != nil {
			return "", err
		}
		bytes += len(row.Value)
		c.stored = append(c.stored, memoryRow{key, true, row})
	}
}

// merge makes c.rows of what was read, up to the key last unless that is "". A
// row in memory is newer than one of the store.
func (c *cursor) merge(last string) {
	c.rows = c.rows[:0]
	memory, stored := c.memory, c.stored
	for len(memory) > 0 || len(stored) > 0 {
		row := &stored
		if len(stored) == 0 || len(memory) > 0 && !c.part.before(stored[0].key, memory[0].key) {
			row = &memory
			if len(stored) > 0 && stored[0].key == memory[0].key {
				stored = stored[1:]
			}
		}
		if last != "" && c.part.before(last, (*row)[0].key) {
			return
		}
		c.rows = append(c.rows, (*row)[0])
		*row = (*row)[1:]
	}
}

// walk visits the rows of part that are live for tx, in order. It returns the key of the last one, ""
// when it came to the end of the part. The mutex is not held.
func (tx *Tx) walk(part *Part, visit func(*memoryRow) error) (last string, err error) {
	c := newCursor(tx.p, part, tx.now)
	c.poll = tx.poll
	gaps := gapFinder{p: tx.p, part: part, all: c.left, now: tx.now}
	if part.Limit > 0 {
		gaps.watch = tx.p.watch(part)
		defer tx.p.endWatch(gaps.watch)
		defer func() { gaps.end(err == nil && last == "", c.dep, false) }()
	}
	var n portion
	for !c.end {
		err := c.next(pieceRows)
		tx.dep = max(tx.dep, c.dep)
		if err != nil {
			return "", err
		}
		for i := range c.rows {
			row := &c.rows[i]
			live := row.live(tx.now)
			if part.Limit > 0 {
				gaps.row(row.key, live, c.dep, false)
			}
			if !live {
				continue
			}
			if err := visit(row); err != nil {
				return row.key, err
			}
			if n.add(part, row.key, row.row.Value) {
				return row.key, nil
			}
		}
	}
	return "", nil
}
