package partition

// overlay holds the pinned cells: those with versions that the store does not
// show yet. Only reads of buckets and prefixes need them in order, so a cell
// goes into the tree when the first such read comes along, sortMax of them at a
// time; most are applied, and gone, before.
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

// sortMax is how many cells go into the tree while others wait.
const sortMax = 256

// sort puts up to n cells into the tree and reports whether all pinned cells are
// in it now.
func (o *overlay) sort(n int) bool {
	for ; n > 0 && len(o.fresh) > 0; n-- {
		i := len(o.fresh) - 1
		c := o.fresh[i]
		c.pin = pinnedInTree
		o.tree.Set(c)
		o.fresh[i] = nil
		o.fresh = o.fresh[:i]
	}
	return len(o.fresh) == 0
}
