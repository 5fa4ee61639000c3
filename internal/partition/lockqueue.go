package partition

// add puts e in its place. Whom it passes is not admitted any more.
func (q *queue) add(e *entry) {
	q.place(e)
	if e.next == nil || !e.next.admitted {
		return
	}
	q.last = e.prev
	for o := e.next; o != nil && o.admitted; o = o.next {
		o.admitted = false
		q.admitted[o.mode]--
		o.ticket.waits++
	}
}

// place puts e behind all that have their locks, and behind those that wait
// and have a smaller rank.
func (q *queue) place(e *entry) {
	e.queue = q
	q.count[e.mode]++
	after := q.tail
	for after != nil && after != q.granted {
		o := after
		if o.ticket.large != nil && o.ticket.granted() {
			if after = o.prev; after == q.granted {
				after = o
			}
			q.promote(o)
			continue
		}
		if o.ticket.rank <= e.ticket.rank {
			break
		}
		after = o.prev
	}
	q.link(e, after)
}

// link puts e behind after, or first.
func (q *queue) link(e, after *entry) {
	e.prev = after
	if after == nil {
		e.next, q.head = q.head, e
	} else {
		e.next, after.next = after.next, e
	}
	if e.next == nil {
		q.tail = e
	} else {
		e.next.prev = e
	}
}

func (q *queue) unlink(e *entry) {
	if e.prev == nil {
		q.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	if q.last == e {
		q.last = e.prev
	}
	if q.granted == e {
		q.granted = e.prev
	}
	e.prev, e.next = nil, nil
}

// remove takes e out of the queue.
func (q *queue) remove(e *entry) {
	q.unlink(e)
	q.count[e.mode]--
	if e.admitted {
		q.admitted[e.mode]--
	}
}

// promote moves e, which is admitted and whose ticket has now been granted, to
// the others that have been.
func (q *queue) promote(e *entry) {
	if e.prev == q.granted {
		q.granted = e
		return
	}
	q.unlink(e)
	q.link(e, q.granted)
	q.granted = e
}

// next returns the first that is not admitted.
func (q *queue) next() *entry {
	if q.last == nil {
		return q.head
	}
	return q.last.next
}

// admits reports whether e, the next, agrees with all before it, its own
// holder's aside.
func (q *queue) admits(e *entry) bool {
	own := mode(0)
	if h := e.ticket.holder; h != nil {
		own = h.base.mode(q.of)
	}
	for m := shared; m < modes; m++ {
		n := q.admitted[m]
		if m == own {
			n--
		}
		if n > 0 && !agree(m, e.mode) {
			return false
		}
	}
	return true
}

// admit admits e, the next.
func (e *entry) admit() {
	e.admitted = true
	e.queue.admitted[e.mode]++
	e.queue.last = e
}

// others reports whether somebody else than own stands here in mode m.
func (q *queue) others(own *Ticket, m mode) bool {
	n := q.count[m]
	if n == 0 || own == nil {
		return n > 0
	}
	if own.mode(q.of) == m {
		n--
	}
	if h := own.holder; h != nil {
		if h.base != own && h.base.mode(q.of) == m {
			n--
		}
		if h.pending != nil && h.pending != own && h.pending.mode(q.of) == m {
			n--
		}
	}
	return n > 0
}
