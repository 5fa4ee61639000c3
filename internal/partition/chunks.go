package partition

import (
	"runtime"
	"strings"

	"kahuna/internal/kv"
)

// chunkRows is how many cells a read outside the executor visits before it
// lets go of the mutex.
const chunkRows = 64

// memoryRow is what a read takes of a cell, which goes on changing.
type memoryRow struct {
	key    string
	exists bool
	row    kv.Row
}

// memoryRows visits the cells of a range outside the executor, taking the
// mutex for a few at a time. What matters can not change meanwhile: the range
// is locked, or its reader validates it, or it reads the past. What moves from
// memory to the store meanwhile is found there.
func (tx *Tx) memoryRows(rng Range, visit func(*memoryRow) error) error {
	var chunk []memoryRow
	var last *cell
	for {
		chunk = tx.memoryChunk(rng, last, chunk[:0])
		runtime.Gosched() // as with loadsYield
		tx.p.giveWay()
		for i := range chunk {
			if err := visit(&chunk[i]); err != nil {
				return err
			}
		}
		if len(chunk) < chunkRows {
			return nil
		}
		last = newCell(rng.Space, chunk[len(chunk)-1].key)
	}
}

// memoryChunk appends to chunk what comes after last.
func (tx *Tx) memoryChunk(rng Range, last *cell, chunk []memoryRow) []memoryRow {
	p := tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	tree := p.eph.tree
	if rng.Space == kv.Persistent {
		tree = p.overlay.sorted()
	}
	inRangeAfter(tree, rng, last, func(c *cell) bool {
		tx.dep = max(tx.dep, c.seq)
		chunk = append(chunk, memoryRow{c.key, c.exists, c.row})
		return len(chunk) < chunkRows
	})
	return chunk
}

// inRangeAfter is inRange from the cell after last on, nil for the beginning.
func inRangeAfter(tree ordered, rng Range, last *cell, visit func(*cell) bool) {
	if last == nil {
		inRange(tree, rng.Prefix, rng.Text, visit)
		return
	}
	bucket, _ := last.split()
	stopped := false
	tree.Ascend(last, func(c *cell) bool {
		if !less(last, c) {
			return true
		}
		b, _ := c.split()
		switch {
		case !rng.Prefix, len(bucket) < len(rng.Text):
			// In the one bucket that is read, or the one that the prefix cuts.
			if c.slash < 0 || b != bucket || rng.Prefix && !strings.HasPrefix(c.key, rng.Text) {
				return false
			}
		case !strings.HasPrefix(b, rng.Text):
			return false
		}
		stopped = !visit(c)
		return !stopped
	})
	if stopped || !rng.Prefix || len(bucket) >= len(rng.Text) {
		return
	}
	// Then the buckets that begin with the prefix.
	tree.Ascend(&cell{key: rng.Text, slash: -1}, func(c *cell) bool {
		b, _ := c.split()
		return strings.HasPrefix(b, rng.Text) && visit(c)
	})
}
