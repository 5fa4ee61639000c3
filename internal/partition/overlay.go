package partition

// overlay holds the pinned cells: those with versions that the store does not
// show yet. Only reads of buckets and prefixes need them in order, so a cell
// goes into the tree when the first such read comes along; most are applied,
// and gone, before.
//
// The cells outside the tree are linked by their prev and next, which the list
// of recent ones does not use meanwhile.
type overlay struct {
	tree  ordered
	fresh *cell
}

// pin says where in the overlay a cell is.
type pin uint8

const (
	unpinned pin = iota
	pinnedFresh
	pinnedInTree
)

func newOverlay() overlay { return overlay{tree: newOrdered()} }

// add pins c, which is not in the list of recent cells.
func (o *overlay) add(c *cell) {
	if c.pin != unpinned {
		return
	}
	c.pin = pinnedFresh
	c.prev, c.next = nil, o.fresh
	if o.fresh != nil {
		o.fresh.prev = c
	}
	o.fresh = c
}

// remove unpins c and reports whether it was pinned.
func (o *overlay) remove(c *cell) bool {
	switch c.pin {
	case unpinned:
		return false
	case pinnedInTree:
		o.tree.Delete(c)
	default:
		o.unlink(c)
	}
	c.pin = unpinned
	return true
}

func (o *overlay) unlink(c *cell) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		o.fresh = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// sorted returns the pinned cells in the store's order.
func (o *overlay) sorted() ordered {
	for c := o.fresh; c != nil; c = o.fresh {
		o.unlink(c)
		c.pin = pinnedInTree
		o.tree.Set(c)
	}
	return o.tree
}
