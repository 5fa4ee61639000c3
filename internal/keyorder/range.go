package keyorder

import (
	"bytes"
	"strings"
)

// afterSlash is the least text above all that begin with a slash.
const afterSlash = "0"

// A Range is the keys from Start on, Start included, and before End. An empty
// End is no bound: the zero Range is all keys. Start and End may be any bytes
// and need not be keys. A Range whose Start is not below its End is empty.
type Range struct{ Start, End string }

// Prefix returns the range of the keys that begin with p.
func Prefix(p string) Range {
	end := []byte(p)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) > 0 {
		end[len(end)-1]++
	}
	return Range{Start: p, End: string(end)}
}

// After returns what remains of r for a walk that goes on behind key, which
// need not exist: the keys above it, or with desc, those below it.
func (r Range) After(key string, desc bool) Range {
	switch {
	case !desc:
		r.Start = max(r.Start, key+"\x00")
	case key == "":
		return Range{Start: "\x01", End: "\x01"}
	case r.End == "" || key < r.End:
		r.End = key
	}
	return r
}

// Buckets returns bounds of the buckets that a walk of r reads: from low on
// and, unless high is empty, below high.
func (r Range) Buckets() (low, high string) {
	b := newBounds(r)
	for i := range b.start {
		if b.ancestor(b.start, i) {
			return string(b.start[:i]), string(b.end)
		}
	}
	return string(b.start), string(b.end)
}

// bounds is a Range without NUL bytes.
type bounds struct {
	start, end []byte
	endless    bool // there is no end
	least      []byte
}

func newBounds(r Range) bounds {
	return bounds{start: withoutNUL(r.Start), end: withoutNUL(r.End), endless: r.End == ""}
}

// withoutNUL returns the bound without NUL bytes that divides all keys, which
// have none, in the same way.
func withoutNUL(bound string) []byte {
	head, _, found := strings.Cut(bound, "\x00")
	if found {
		return append([]byte(head), 1)
	}
	return []byte(head)
}

func (b *bounds) empty() bool { return !b.endless && bytes.Compare(b.start, b.end) >= 0 }

// belowEnd reports whether key, or all keys of a bucket, may be below the end.
func (b *bounds) belowEnd(key []byte) bool { return b.endless || bytes.Compare(key, b.end) < 0 }

// ancestor reports whether the bucket text[:n] may have keys above text that
// are in the range: those that begin with text[:n] + "/".
func (b *bounds) ancestor(text []byte, n int) bool {
	return text[n] <= '/' && b.slashKeys(text[:n])
}

// slashKeys reports whether there can be keys of bucket, with a slash, in the
// range: whether the least one from the start on is below the end.
func (b *bounds) slashKeys(bucket []byte) bool {
	n := len(bucket)
	least := append(append(b.least[:0], bucket...), '/')
	if bytes.Compare(bucket, b.start) < 0 {
		if !bytes.HasPrefix(b.start, bucket) || b.start[n] > '/' {
			return false
		}
		if b.start[n] == '/' {
			// A rest has no slash: when the start goes on with "x/y", the
			// least rest is "x0".
			rest, _, deeper := bytes.Cut(b.start[n+1:], []byte{'/'})
			least = append(least, rest...)
			if deeper {
				least = append(least, afterSlash...)
			}
		}
	}
	b.least = least
	return b.belowEnd(least)
}
