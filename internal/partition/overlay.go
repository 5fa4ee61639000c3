package partition

// overlay holds the pinned cells: those with versions that the store does not
// show yet. Only reads of buckets and prefixes need them in order, so a cell
// goes into the tree when the first such read comes along; most are applied,
// and gone, before.
type overlay struct {
	tree  ordered
	fresh []*cell // those that are not in the tree, in no order
}

// pin says where in the overlay a cell is.
type pin uint8

const (
	unpinned pin = iota
	pinnedFresh
	pinnedInTree
)

func newOverlay() overlay { return overlay{tree: newOrdered()} }

// add pins c.
func (o *overlay) add(c *cell) {
	if c.pin != unpinned {
		return
	}
	c.pin, c.fresh = pinnedFresh, int32(len(o.fresh))
	o.fresh = append(o.fresh, c)
}

// remove unpins c and reports whether it was pinned.
func (o *overlay) remove(c *cell) bool {
	switch c.pin {
	case unpinned:
		return false
	case pinnedInTree:
		o.tree.Delete(c)
	default:
		// The last one takes its place: it was pinned a moment ago, so that it
		// is in the processor's cache.
		n := len(o.fresh) - 1
		last := o.fresh[n]
		o.fresh[c.fresh], last.fresh = last, c.fresh
		o.fresh[n] = nil
		o.fresh = o.fresh[:n]
	}
	c.pin = unpinned
	return true
}

// sorted returns the pinned cells in the store's order.
func (o *overlay) sorted() ordered {
	for i, c := range o.fresh {
		c.pin = pinnedInTree
		o.tree.Set(c)
		o.fresh[i] = nil
	}
	o.fresh = o.fresh[:0]
	return o.tree
}
