package partition

import (
	"github.com/tidwall/btree"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// ordered is a tree of cells in the store's order.
type ordered struct{ *btree.BTreeG[*cell] }

func newOrdered() ordered {
	return ordered{btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: 32})}
}

// Ascend visits the cells from pivot on.
func (o ordered) Ascend(pivot *cell, visit func(*cell) bool) { o.BTreeG.Ascend(pivot, visit) }

// ephemeral is the ephemeral space: rows in memory only, bounded in bytes.
// When it is full, rows that are expired or deleted go first, then, about, those
// not used for the longest time: see recency. Rows are never lost to a write that
// fails.
type ephemeral struct {
	cells map[string]*cell
	tree  ordered
	use   recency
	// dying orders the rows that expire or are deleted, by that time.
	dying     *btree.BTreeG[deathOf]
	maxBytes  int64
	horizon   hlc.Timestamp // as-of reads of absent keys before it can't be answered
	touched   hlc.Timestamp // when a dropped row was touched last
	evictions uint64
	expired   uint64
	onDrop    func(key string) // called for each row that is dropped
}

type deathOf struct {
	at int64
	c  *cell
}

func newEphemeral(maxBytes int64, onDrop func(key string)) ephemeral {
	return ephemeral{cells: map[string]*cell{}, tree: newOrdered(), maxBytes: maxBytes, onDrop: onDrop,
		dying: btree.NewBTreeGOptions(func(a, b deathOf) bool {
			if a.at != b.at {
				return a.at < b.at
			}
			return a.c.key < b.c.key
		}, btree.Options{NoLocks: true})}
}

// deathTime returns when the row ended or will end, 0 for never.
func deathTime(r *kv.Row) int64 {
	if r.Deleted {
		return r.Modified.Millis()
	}
	return r.Expires
}

const ephemeralHistory = 16 // newest revisions kept of a key, the current one included

// put makes row, as which w takes effect, the key's newest version.
func (e *ephemeral) put(w *write, row *kv.Row, seq uint64) {
	c := w.cell
	if c == nil {
		c = e.cells[w.key]
	}
	if c == nil {
		c = newCell(kv.Ephemeral, w.key)
		e.cells[w.key] = c
		e.tree.Set(c)
	} else if at := deathTime(&c.row); at != 0 {
		e.dying.Delete(deathOf{at, c})
	}
	if w.put && c.exists && !c.row.NoRev {
		if len(c.past()) == ephemeralHistory-1 {
			c.forgetOldest(1)
		}
		c.push(version{row: c.row})
	}
	c.row, c.exists, c.seq = *row, true, seq
	if at := deathTime(&c.row); at != 0 {
		e.dying.Set(deathOf{at, c})
	}
	e.use.add(c)
}

// drop removes a row with everything known of it.
func (e *ephemeral) drop(c *cell, now hlc.Timestamp) {
	if at := deathTime(&c.row); at != 0 {
		e.dying.Delete(deathOf{at, c})
	}
	delete(e.cells, c.key)
	e.tree.Delete(c)
	e.use.remove(c)
	e.horizon = max(e.horizon, now)
	e.touched = max(e.touched, c.touched)
	e.onDrop(c.key)
}

// shrink brings the space below its bound, by at most n rows, and reports
// whether it is done: there, or where only rows that pinned holds are left.
func (e *ephemeral) shrink(now hlc.Timestamp, n int, pinned func(*cell) bool) (done bool) {
	for ; e.use.bytes > e.maxBytes; n-- {
		if n == 0 {
			return false
		}
		if d, ok := e.dying.Min(); ok && d.at <= now.Millis() && !pinned(d.c) {
			e.drop(d.c, now)
			e.expired++
			continue
		}
		c := e.use.victim(pinned)
		if c == nil {
			return true
		}
		e.drop(c, now)
		e.evictions++
	}
	return true
}

// sweep removes up to n rows that ended at or before cutoff.
func (e *ephemeral) sweep(cutoff int64, now hlc.Timestamp, n int, pinned func(*cell) bool) (more bool) {
	var skip []deathOf
	for ; n > 0; n-- {
		d, ok := e.dying.Min()
		if !ok || d.at > cutoff {
			n = 0
			break
		}
		if pinned(d.c) {
			e.dying.Delete(d)
			skip = append(skip, d)
			continue
		}
		e.drop(d.c, now)
		e.expired++
	}
	for _, d := range skip {
		e.dying.Set(d)
	}
	d, ok := e.dying.Min()
	return ok && d.at <= cutoff && len(skip) == 0
}
