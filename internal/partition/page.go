package partition

import (
	"sort"

	"kahuna/internal/kv"
	"kahuna/script"
)

// Page reads the live rows of a range from after on, at most limit of them, in
// the store's order: by bucket, then by the rest of the key. next is the after
// of the following page, "" when there are no more; a page may hold fewer rows
// than limit, even none, before the last. It minds locks like Scan.
func (tx *Tx) Page(rng Range, after string, limit int) (rows []script.Row, next string, err error) {
	p := tx.p
	if len(p.locks.active) > 0 && p.locks.rangeLockedByOther(tx.ticket, rng) {
		tx.blocked.AddRange(rng)
		return nil, "", errLocked
	}
	p.touchElsewhere(tx.ts)
	tree := p.eph.tree
	var cells []*cell
	if rng.Space == kv.Persistent {
		tree = p.overlay.sorted()
		next, err = p.store.ScanPage(rng.Prefix, rng.Text, after, limit, func(key string, row kv.Row) error {
			if c := p.rows[key]; c == nil || c.seq <= p.applied {
				c = newCell(kv.Persistent, key)
				c.row, c.exists = row, true
				cells = append(cells, c)
			}
			return nil
		})
		if err != nil {
			return nil, "", storageError(err)
		}
	}
	pivot, end := newCell(rng.Space, after), newCell(rng.Space, next)
	n := 0
	inRange(tree, rng.Prefix, rng.Text, func(c *cell) bool {
		if after != "" && !less(pivot, c) {
			return true
		}
		if next != "" && less(end, c) {
			return false
		}
		if rng.Space == kv.Ephemeral && n == limit {
			next = cells[len(cells)-1].key
			return false
		}
		n++
		cells = append(cells, c)
		return true
	})
	sort.Slice(cells, func(i, j int) bool { return less(cells[i], cells[j]) })
	for i, c := range cells {
		tx.dep = max(tx.dep, c.seq)
		if c.exists && c.row.Live(tx.now) {
			rows = append(rows, found(c.key, &c.row, nil))
		}
		if len(rows) == limit && i < len(cells)-1 {
			return rows, c.key, nil
		}
	}
	return rows, next, nil
}
