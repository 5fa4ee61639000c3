package partition

import (
	"github.com/tidwall/btree"

	"kahuna/internal/keyorder"
)

// visitCells visits the cells of tree whose keys are in k and in b, in the order
// of k, until visit returns false. b is within the bounds of k.
func visitCells(tree ordered, k *Part, b keyorder.Range, visit func(*cell) bool) {
	switch {
	case b.End != "" && b.Start >= b.End:
	case k.Prefix:
		var rows, ahead cellCursor
		rows.it.Init(tree.BTreeG, false)
		ahead.it.Init(tree.BTreeG, false)
		for w := keyorder.New(&rows, &ahead, b, k.Desc); ; {
			if _, ok, err := w.Next(); !ok || err != nil || !visit(rows.it.Item()) {
				assert(err == nil, "a tree has changed during a walk")
				return
			}
		}
	case k.Desc:
		end := cell{key: b.End, slash: int32(len(k.Text))}
		if b.End[len(k.Text)] != '/' { // behind the bucket
			end = cell{key: k.Text + "\x01", slash: -1}
		}
		tree.Descend(&end, func(c *cell) bool {
			if c.key == end.key {
				return true // the end is not in it
			}
			return c.in(k.Text) && c.key >= b.Start && visit(c)
		})
	default:
		tree.Ascend(&cell{key: b.Start, slash: int32(len(k.Text))}, func(c *cell) bool {
			return c.in(k.Text) && c.key < b.End && visit(c)
		})
	}
}

// in reports whether the cell is in a bucket.
func (c *cell) in(bucket string) bool {
	return int(c.slash) == len(bucket) && c.key[:c.slash] == bucket
}

// cellCursor implements keyorder.Cursor on a tree.
type cellCursor struct {
	it    btree.IterG[*cell]
	pivot cell
	key   []byte
}

func (c *cellCursor) moved(ok bool) bool {
	if ok {
		c.key = append(c.key[:0], c.it.Item().key...)
	}
	return ok
}

// seek moves the iterator to the first cell at or behind at.
func (c *cellCursor) seek(at keyorder.Position) bool {
	c.key = append(c.key[:0], at.Bucket...)
	c.pivot.slash = -1
	if at.Slash {
		c.pivot.slash = int32(len(at.Bucket))
		c.key = append(append(c.key, '/'), at.Rest...)
	}
	c.pivot.key = string(c.key)
	return c.it.Seek(&c.pivot)
}

// SeekGE implements keyorder.Cursor.
func (c *cellCursor) SeekGE(at keyorder.Position) bool { return c.moved(c.seek(at)) }

// SeekLT implements keyorder.Cursor.
func (c *cellCursor) SeekLT(at keyorder.Position) bool {
	if c.seek(at) {
		return c.moved(c.it.Prev())
	}
	return c.moved(c.it.Last())
}

// Last implements keyorder.Cursor.
func (c *cellCursor) Last() bool { return c.moved(c.it.Last()) }

// Next implements keyorder.Cursor.
func (c *cellCursor) Next() bool { return c.moved(c.it.Next()) }

// Prev implements keyorder.Cursor.
func (c *cellCursor) Prev() bool { return c.moved(c.it.Prev()) }

// Key implements keyorder.Cursor.
func (c *cellCursor) Key() []byte { return c.key }

// Err implements keyorder.Cursor.
func (c *cellCursor) Err() error { return nil }
