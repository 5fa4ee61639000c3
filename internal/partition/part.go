package partition

import (
	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
	"kahuna/script"
)

// A Part is what one range read asks for: the first live rows of a range, or all
// of them, in the order of the keys' bytes.
type Part struct {
	Range
	Desc  bool // in descending order
	Limit int  // how many rows, 0 for all
	// Bytes, when not 0, ends the part with the row with which its keys and
	// values have so many bytes. It needs a Limit.
	Bytes int
}

// A portion counts what was read of a part.
type portion struct{ rows, bytes int }

// add counts a row, and reports whether it is the last one of part.
func (n *portion) add(part *Part, key, value string) (last bool) {
	n.rows++
	n.bytes += len(key) + len(value)
	return n.full(part)
}

func (n *portion) full(part *Part) bool {
	return n.rows == part.Limit && part.Limit > 0 || part.Bytes > 0 && n.bytes >= part.Bytes
}

// Keys returns the range of all keys from start on and before end. An empty end
// is no bound.
func Keys(space kv.Space, start, end string) Range {
	n := 0
	for n < len(start) && n < len(end) && start[n] == end[n] {
		n++
	}
	return Range{Space: space, Prefix: true, Text: start[:n], Start: start, End: end}
}

// bounds returns the interval that the keys of the range are in. For a bucket it
// has keys of others too.
func (r *Range) bounds() keyorder.Range {
	text := r.Text
	if !r.Prefix {
		text += "/"
	}
	b := keyorder.Prefix(text)
	b.Start = max(b.Start, r.Start)
	if r.End != "" && (b.End == "" || r.End < b.End) {
		b.End = r.End
	}
	return b
}

// within returns those keys of the range that are in b too.
func (r Range) within(b keyorder.Range) Range {
	r.Start = max(r.Start, b.Start)
	if b.End != "" && (r.End == "" || b.End < r.End) {
		r.End = b.End
	}
	return r
}

// ends returns the bounds of the range itself.
func (r *Range) ends() keyorder.Range { return keyorder.Range{Start: r.Start, End: r.End} }

// whole returns the bucket or prefix that the range is in.
func (r Range) whole() Range {
	r.Start, r.End = "", ""
	return r
}

// bounded reports whether the range is not all of its bucket or prefix.
func (r *Range) bounded() bool { return r.Start != "" || r.End != "" }

// contains reports whether all keys of o, of the same bucket or prefix, are in r.
func (r *Range) contains(o *Range) bool {
	return r.whole() == o.whole() && r.Start <= o.Start && (r.End == "" || o.End != "" && o.End <= r.End)
}

// touches reports whether r and o, of the same bucket or prefix, are one interval
// together.
func (r *Range) touches(o *Range) bool {
	return r.whole() == o.whole() && (r.End == "" || o.Start <= r.End) && (o.End == "" || r.Start <= o.End)
}

// hull returns the least interval with the keys of r and o, which are of the same
// bucket or prefix.
func (r Range) hull(o *Range) Range {
	r.Start = min(r.Start, o.Start)
	if o.End == "" || r.End != "" && r.End < o.End {
		r.End = o.End
	}
	return r
}

// After returns what is behind key, which need not exist, in the order of the
// part.
func (k Part) After(key string) Part {
	r := keyorder.Range{Start: k.Start, End: k.End}.After(key, k.Desc)
	k.Start, k.End = r.Start, r.End
	return k
}

// until returns the keys of the part up to the key last, all of them when that
// is "".
func (k *Part) until(last string) Range {
	switch {
	case last == "":
		return k.Range
	case k.Desc:
		return k.within(keyorder.Range{Start: last})
	}
	return k.within(keyorder.Range{End: last + "\x00"})
}

// before reports whether a comes before b in the order of the part.
func (k *Part) before(a, b string) bool {
	if k.Desc {
		return b < a
	}
	return a < b
}

// compare is before for sorting.
func (k *Part) compare(a, b string) int {
	switch {
	case a == b:
		return 0
	case k.before(a, b):
		return -1
	}
	return 1
}

// partOf returns what a script asks for.
func partOf(p *script.Part) Part {
	k := Part{Range: Range{Space: p.Space, Prefix: p.Prefix, Text: p.Text}, Desc: p.Desc, Limit: max(p.Limit, 0)}
	if p.HasAfter {
		k = k.After(p.After)
	}
	return k
}
