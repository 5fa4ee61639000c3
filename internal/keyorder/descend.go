package keyorder

import "bytes"

// openDescending opens buckets until no unopened one can have a key above the
// greatest head.
func (w *Walk) openDescending() {
	for w.err == nil && !w.complete {
		if len(w.open) > 0 && w.any && bytes.Compare(w.top().head, w.last) >= 0 {
			return
		}
		w.lower()
	}
}

// lower opens the next bucket below last, and its ancestors. Below the start
// there is none: the start itself takes its place, for its ancestors.
func (w *Walk) lower() {
	w.lookDown()
	if w.err != nil {
		return
	}
	if w.state == absent || bytes.Compare(bucketOf(w.frontier), w.start) < 0 {
		from, _ := w.examined(w.start)
		state := w.state
		w.setLast(w.start)
		w.state, w.complete = state, true
		w.openPrefixes(from)
		return
	}
	from, opened := w.examined(bucketOf(w.frontier))
	w.setLast(bucketOf(w.frontier))
	if !opened {
		w.openLast()
	}
	w.openPrefixes(from)
}

// lookDown finds the greatest bucket below last.
func (w *Walk) lookDown() {
	switch {
	case w.state != unknown:
	case w.any && w.aheadAt != nil && bytes.Equal(w.aheadAt, w.last) && bucketLen(w.last) == len(w.last):
		// The key without a slash: the first row of last.
		w.setFrontier(w.looked(w.ahead.Prev()))
	case w.any:
		w.setFrontier(w.looked(w.ahead.SeekLT(Position{Bucket: w.last})))
	case w.endless:
		w.setFrontier(w.looked(w.ahead.Last()))
	default:
		w.setFrontier(w.looked(w.ahead.SeekLT(Position{Bucket: w.end})))
	}
}

// examined returns the length from which on the ancestors of bucket, which is
// not above last, are not ancestors of last, all of which have been looked for.
// It reports whether bucket itself is one of those.
func (w *Walk) examined(bucket []byte) (from int, opened bool) {
	if !w.any {
		return 0, false
	}
	n := commonPrefix(w.last, bucket)
	if n == len(w.last) || !w.ancestor(w.last, n) {
		return n, false
	}
	return n + 1, n == len(bucket)
}

// openLast opens last, of which frontier is the greatest key, at its greatest
// one in the range.
func (w *Walk) openLast() {
	if w.belowEnd(w.frontier) {
		w.push(w.frontier)
		return
	}
	k := w.looked(w.ahead.SeekLT(w.cut(w.last, w.end)))
	if k != nil && bytes.Equal(bucketOf(k), w.last) {
		w.push(k)
	}
}

// openPrefixes opens the ancestors of last whose length is at least from. All
// of them are at or below the next bucket, so that they are prefixes of it.
func (w *Walk) openPrefixes(from int) {
	n := w.ancestorBelow(len(w.last), from)
	if n < 0 {
		return
	}
	w.lookDown()
	if w.state != found {
		return
	}
	n = w.ancestorBelow(min(len(w.last), commonPrefix(w.last, bucketOf(w.frontier))+1), from)
	for n >= 0 {
		bucket := w.last[:n]
		k := w.looked(w.ahead.SeekLT(w.cutEnd(bucket)))
		if k == nil {
			return
		}
		near := bucketOf(k)
		if bytes.Equal(near, bucket) {
			w.push(k)
			n = w.ancestorBelow(n, from)
		} else {
			// Between near and bucket there is no bucket either.
			n = w.ancestorBelow(commonPrefix(near, bucket)+1, from)
		}
	}
}

// ancestorBelow returns the length of the longest ancestor of last that is
// shorter than n and not shorter than from, or -1.
func (w *Walk) ancestorBelow(n, from int) int {
	for n--; n >= from; n-- {
		if w.ancestor(w.last, n) {
			return n
		}
	}
	return -1
}

// cutEnd returns the position in bucket behind its keys below the end.
func (w *Walk) cutEnd(bucket []byte) Position {
	if w.endless {
		return w.behind(bucket)
	}
	return w.cut(bucket, w.end)
}
