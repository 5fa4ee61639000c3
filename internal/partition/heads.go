package partition

import (
	"kahuna/internal/kv"
)

// A bucket that is used as a queue has its deleted and expired rows in front,
// until they are collected. A read with a limit would pass them again each time.
// So who has passed many of them notes where they end, and the next read begins
// there.
//
// Invariant PART-9: no row of the bucket up to its head is live for a
// transaction of the head's time or later. Whoever writes there forgets the
// head, and Stop forgets all, since it takes writes back.

// head is the end of what is not live at the beginning of a bucket.
type head struct {
	last string // the last key that is not live
	now  int64  // when it was seen, in Unix milliseconds
}

const (
	// deadMin is how many rows are passed before it is worth a note.
	deadMin = 64
	// headsMax bounds the notes. Beyond it any one of them is forgotten.
	headsMax = 1024
)

// A headRead is a read of the first live rows of a bucket, as far as it finds
// those that are not live.
type headRead struct {
	p     *Partition
	watch *rangeRead // notes writes meanwhile
	now   int64
	after string // where to begin to read
	whole bool   // nothing before after is live
	dead  string // the last key passed
	n     int    // keys passed
	found bool   // a live row: those after it do not matter
}

// beginHead begins a read with a limit, for transactions of the time now or
// later. Held: mu. It returns nil for what has no head.
func (p *Partition) beginHead(part rangePart, now int64) *headRead {
	if part.rng.Prefix || part.rng.Space != kv.Persistent || part.limit == 0 {
		return nil
	}
	h := &headRead{p: p, watch: &rangeRead{rangePart: part}, now: now, after: part.after, whole: part.after == ""}
	if at, ok := p.heads[part.rng.Text]; ok && now >= at.now && (part.after == "" || keyLess(part.after, at.last)) {
		h.after, h.whole = at.last, true
	}
	p.parts = append(p.parts, h.watch)
	return h
}

// pass takes note of a row that was read.
func (h *headRead) pass(row *memoryRow, live bool) {
	switch {
	case h == nil || h.found:
	case live:
		h.found = true
	default:
		h.dead = row.key
		h.n++
	}
}

// end notes what was passed, if nobody has written there meanwhile. The mutex is
// not held.
func (h *headRead) end() {
	if h == nil {
		return
	}
	p := h.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unwatch(h.watch)
	if !h.whole || h.n < deadMin || h.watch.void {
		return
	}
	for key := range h.watch.changed {
		if !keyLess(h.dead, key) {
			return
		}
	}
	if len(p.heads) >= headsMax {
		for bucket := range p.heads {
			delete(p.heads, bucket)
			break
		}
	}
	if p.heads == nil {
		p.heads = map[string]head{}
	}
	p.heads[h.watch.rng.Text] = head{last: h.dead, now: h.now}
}

// noteHead forgets the head of a bucket in front of which key is written. Held:
// mu.
func (p *Partition) noteHead(space kv.Space, key string) {
	if space != kv.Persistent {
		return
	}
	bucket, _, slash := kv.SplitKey(key)
	if !slash {
		return
	}
	if h, ok := p.heads[bucket]; ok && !keyLess(h.last, key) {
		delete(p.heads, bucket)
	}
}
