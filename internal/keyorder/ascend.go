package keyorder

import "bytes"

// openAncestors opens the buckets before the start that have keys in the range,
// and finds the first bucket from the start on.
func (w *Walk) openAncestors() {
	var near []byte // the bucket where the last seek led: none lies in between
	for n := range w.start {
		bucket := w.start[:n]
		if !w.ancestor(w.start, n) || near != nil && bytes.Compare(bucket, near) < 0 {
			continue
		}
		k := w.looked(w.ahead.SeekGE(w.cut(bucket, w.start)))
		if k == nil {
			w.state = absent
			return
		}
		if near = bucketOf(k); bytes.Equal(near, bucket) {
			w.push(k)
		}
	}
	if near == nil || bytes.Compare(near, w.start) < 0 {
		w.looked(w.ahead.SeekGE(Position{Bucket: w.start}))
	}
	w.setFrontier(w.aheadAt)
}

// openAscending opens buckets until no unopened one can have a key before the
// least head.
func (w *Walk) openAscending() {
	for w.err == nil && !w.complete {
		var head []byte
		if len(w.open) > 0 {
			head = w.top().head
			if w.any && bytes.Compare(w.last, head) >= 0 {
				return
			}
		}
		if w.state == unknown {
			w.setFrontier(w.looked(w.ahead.SeekGE(w.behind(w.last))))
		}
		if w.state == absent || !w.belowEnd(bucketOf(w.frontier)) {
			w.complete = true
			return
		}
		if head != nil && bytes.Compare(bucketOf(w.frontier), head) >= 0 {
			return
		}
		w.setLast(bucketOf(w.frontier))
		w.push(w.frontier)
	}
}
