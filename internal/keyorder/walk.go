package keyorder

import (
	"bytes"
	"errors"
)

// ErrChanged ends a walk that does not find a row again: the source changed.
var ErrChanged = errors.New("keyorder: rows changed during a walk")

// A Walk delivers the keys of a range in the order of their bytes, ascending
// or descending. It may be used by one goroutine at a time.
type Walk struct {
	bounds
	desc        bool
	rows, ahead Cursor
	at, aheadAt []byte // the key on which the cursor stands, nil for none
	begun       bool
	ended       bool
	err         error

	// open holds the streams, the one whose head is next at the end.
	open []stream
	// last is the bucket that was opened last on the way through the buckets:
	// ascending the greatest, descending the least. It counts if any is true.
	last, spare []byte
	any         bool
	// complete is true when no bucket is left to open.
	complete bool
	// frontier is a key of the first bucket behind last in the direction of
	// the walk: ascending its least key in the range, descending its greatest.
	frontier []byte
	state    frontierState

	scratch []byte
}

// A stream is an open bucket that has keys left in the range.
type stream struct {
	head   []byte // its next key
	bucket int    // length of the bucket, with which head begins
}

// frontierState says what is known of the frontier.
type frontierState uint8

const (
	unknown frontierState = iota
	found
	absent
)

// New returns a walk of the keys in r. The two cursors are of the same rows, and
// nobody else moves them during the walk: rows stands on what is delivered,
// ahead looks for buckets. The first call of Next is the first to move them.
func New(rows, ahead Cursor, r Range, desc bool) *Walk {
	return &Walk{bounds: newBounds(r), rows: rows, ahead: ahead, desc: desc}
}

// NewBucket returns a walk of those keys in r that are bucket + "/" + rest with
// no slash in rest. They are contiguous in store order, so that rows is enough.
func NewBucket(rows Cursor, bucket string, r Range, desc bool) *Walk {
	r.Start = max(r.Start, bucket+"/")
	if end := bucket + afterSlash; r.End == "" || end < r.End {
		r.End = end
	}
	return &Walk{bounds: newBounds(r), rows: rows, desc: desc, last: []byte(bucket), any: true, complete: true}
}

// Next returns the next key, or ok false at the end. The key is valid until the
// next call; until then the cursor rows stands on its row. An error is that of
// a cursor, or ErrChanged. It ends the walk: further calls return it again.
func (w *Walk) Next() (key []byte, ok bool, err error) {
	if w.ended {
		return nil, false, w.err
	}
	if w.begun {
		w.step()
	} else {
		w.begun = true
		w.begin()
	}
	if w.desc {
		w.openDescending()
	} else {
		w.openAscending()
	}
	if w.err == nil && len(w.open) > 0 {
		w.place()
	}
	if w.err != nil || len(w.open) == 0 {
		w.ended = true
		return nil, false, w.err
	}
	return w.top().head, true, nil
}

func (w *Walk) begin() {
	switch {
	case w.empty():
		w.complete = true
	case w.any: // of one bucket
		var k []byte
		if w.desc {
			k = w.moved(w.rows.SeekLT(w.cut(w.last, w.end)))
		} else {
			k = w.moved(w.rows.SeekGE(w.cut(w.last, w.start)))
		}
		if k != nil && bytes.Equal(bucketOf(k), w.last) {
			w.push(k)
		}
	case !w.desc:
		w.openAncestors()
	}
}

// step moves the stream of the key that was delivered on to its next one.
func (w *Walk) step() {
	s := w.top()
	var k []byte
	if w.desc {
		k = w.moved(w.rows.Prev())
	} else {
		k = w.moved(w.rows.Next())
	}
	if k != nil && bucketLen(k) == s.bucket && bytes.Equal(k[:s.bucket], s.head[:s.bucket]) {
		if w.within(k) {
			s.head = append(s.head[:0], k...)
			w.sink()
			return
		}
	} else if w.state == unknown && bytes.Equal(s.head[:s.bucket], w.last) {
		w.setFrontier(k) // beside the last bucket is the next one
	}
	w.open = w.open[:len(w.open)-1]
}

// place moves rows to the next key, unless it is there.
func (w *Walk) place() {
	head := w.top().head
	if bytes.Equal(w.at, head) {
		return
	}
	if at := positionOf(head); !w.desc {
		w.moved(w.rows.SeekGE(at))
	} else {
		// From above, the direction in which the walk goes on.
		if at.Slash {
			w.scratch = append(append(w.scratch[:0], at.Rest...), 1)
			at.Rest = w.scratch
		}
		at.Slash = true
		w.moved(w.rows.SeekLT(at))
	}
	if w.err == nil && !bytes.Equal(w.at, head) {
		w.err = ErrChanged
	}
}

// top returns the stream whose head is next.
func (w *Walk) top() *stream { return &w.open[len(w.open)-1] }

// push opens the bucket of key, at key, if that is in the range.
func (w *Walk) push(key []byte) {
	if !w.within(key) {
		return
	}
	n := len(w.open)
	if n < cap(w.open) {
		w.open = w.open[:n+1] // with the memory of an earlier head
	} else {
		w.open = append(w.open, stream{})
	}
	s := w.top()
	s.head, s.bucket = append(s.head[:0], key...), bucketLen(key)
	w.sink()
}

// sink moves the last stream to its place in the order.
func (w *Walk) sink() {
	for i := len(w.open) - 1; i > 0; i-- {
		c := bytes.Compare(w.open[i].head, w.open[i-1].head)
		if (c < 0) != w.desc {
			return
		}
		w.open[i], w.open[i-1] = w.open[i-1], w.open[i]
	}
}

// within reports whether a key that is not beyond the bound where the walk
// began is before the one where it ends.
func (w *Walk) within(key []byte) bool {
	if w.desc {
		return bytes.Compare(key, w.start) >= 0
	}
	return w.belowEnd(key)
}

// moved notes where a move of rows has led, and returns it.
func (w *Walk) moved(ok bool) []byte {
	w.at = w.landed(w.rows, ok)
	return w.at
}

// looked notes where a move of ahead has led, and returns it.
func (w *Walk) looked(ok bool) []byte {
	w.aheadAt = w.landed(w.ahead, ok)
	return w.aheadAt
}

func (w *Walk) landed(c Cursor, ok bool) []byte {
	if ok {
		return c.Key()
	}
	if err := c.Err(); err != nil && w.err == nil {
		w.err = err
	}
	return nil
}

// setFrontier notes a key of the bucket behind last, nil for none.
func (w *Walk) setFrontier(key []byte) {
	w.state = absent
	if key != nil {
		w.state = found
		w.frontier = append(w.frontier[:0], key...)
	}
}

// setLast makes bucket the last one, whose frontier is not known.
func (w *Walk) setLast(bucket []byte) {
	w.spare = append(w.spare[:0], bucket...)
	w.last, w.spare = w.spare, w.last
	w.any, w.state = true, unknown
}

// cut returns the position in bucket that divides its keys into those below
// key, which come before it, and the others.
func (w *Walk) cut(bucket, key []byte) Position {
	n := len(bucket)
	switch {
	case bytes.Compare(bucket, key) >= 0:
		return Position{Bucket: bucket}
	case !bytes.HasPrefix(key, bucket) || key[n] > '/':
		return w.behind(bucket)
	case key[n] == '/':
		return Position{Bucket: bucket, Slash: true, Rest: key[n+1:]}
	default:
		return Position{Bucket: bucket, Slash: true}
	}
}

// behind returns the position behind the keys of bucket: no bucket lies between
// it and the bucket that has one more byte, the least that is in a key.
func (w *Walk) behind(bucket []byte) Position {
	w.scratch = append(append(w.scratch[:0], bucket...), 1)
	return Position{Bucket: w.scratch}
}
