package partition

// recency holds the cells that may be evicted, with their bytes. Its zero value
// is ready.
//
// It is a queue with a second chance (CLOCK): cells are evicted in the order in
// which they came, but those that were used since they came, or since their
// last turn, begin anew. So a use is a mark on the cell itself; a list in the
// order of use would write to the cells beside it too, and to take a cell out
// while it is pinned as well.
type recency struct {
	head, tail *cell
	bytes      int64 // of the cells that are counted
	len        int   // number of those
}

// use is what a recency knows of a cell.
type use struct {
	linked  bool // in the queue
	counted bool // may be evicted; else its turn takes it out of the queue
	used    bool // since it came, or since its last turn
}

// turnsMax bounds the cells that one eviction looks at: when all of them were
// used, the last of those is evicted all the same.
const turnsMax = 32

// add counts c, taking its size anew: a cell that is new comes last, any other
// one is used.
func (r *recency) add(c *cell) {
	if !c.counted {
		c.counted, c.bytes = true, 0
		r.len++
	}
	n := c.measure()
	r.bytes += int64(n - c.bytes)
	c.bytes = n
	if c.linked {
		c.used = true
	} else {
		r.link(c)
	}
}

// hold keeps c, if it is counted, from being evicted until it is added again.
func (r *recency) hold(c *cell) {
	if !c.counted {
		return
	}
	c.counted = false
	r.bytes -= int64(c.bytes)
	r.len--
}

// remove takes c out, if it is in.
func (r *recency) remove(c *cell) {
	r.hold(c)
	if c.linked {
		r.unlink(c)
	}
}

// victim returns the cell to evict, nil if none is found soon. Those that keep
// is true of are passed by.
func (r *recency) victim(keep func(*cell) bool) *cell {
	for turn := 1; turn <= turnsMax && r.tail != nil; turn++ {
		c := r.tail
		switch {
		case !c.counted:
			r.unlink(c)
			continue
		case keep != nil && keep(c):
		case !c.used || turn == turnsMax:
			return c
		}
		c.used = false
		r.unlink(c)
		r.link(c)
	}
	return nil
}

func (r *recency) link(c *cell) {
	c.linked = true
	c.next = r.head
	if r.head != nil {
		r.head.prev = c
	} else {
		r.tail = c
	}
	r.head = c
}

func (r *recency) unlink(c *cell) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		r.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		r.tail = c.prev
	}
	c.prev, c.next, c.linked = nil, nil, false
}
