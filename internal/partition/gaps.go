package partition

import (
	"slices"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
)

// Rows that are deleted or have expired stay until they are collected. A read
// that wants the first rows of a range would pass by all of them each time, so
// the first one to do so leaves a note: in these keys of the range no row is
// live. A write into the keys takes the note back, for its key.
//
// Notes are in memory only, and few. Reads of the past do not use them. Without
// a note a read is as good, and takes longer.
const (
	gapMin      = 16  // how many rows make a gap worth noting
	gapsOfRange = 8   // notes of one bucket or prefix
	gapRanges   = 256 // buckets and prefixes with notes
)

// gap is an interval of the keys of a range in which no row is live.
type gap struct {
	keyorder.Range
	now int64  // when that was so, and since then
	dep uint64 // as Tx.dep
}

// gaps are the notes, by bucket or prefix. The zero value is ready.
//
// Invariant PART-9: no row in a gap is live, for who reads at the gap's time or
// later, and whoever passes it by depends on all that the rows in it depend on.
type gaps struct {
	of map[Range][]gap
	// prefixes counts, for every length, the prefixes of it.
	prefixes map[int]int
}

// clear takes all notes back.
func (g *gaps) clear() { g.of, g.prefixes = nil, nil }

// forget takes back the notes of a range.
func (g *gaps) forget(r Range) {
	delete(g.of, r)
	if r.Prefix {
		if n := len(r.Text); g.prefixes[n] > 1 {
			g.prefixes[n]--
		} else {
			delete(g.prefixes, n)
		}
	}
}

// skip returns what is left of b, the keys of k that are to be read, behind the
// gap in which it begins, if there is one, and the dep of that. Held: mu.
func (g *gaps) skip(k *Part, b keyorder.Range, now int64) (keyorder.Range, uint64) {
	if len(g.of) == 0 {
		return b, 0
	}
	for _, o := range g.of[k.whole()] {
		switch {
		case o.now > now:
		case !k.Desc && o.Start <= b.Start && (o.End == "" || b.Start < o.End):
			if o.End == "" || b.End != "" && o.End > b.End {
				return keyorder.Range{Start: "\x01", End: "\x01"}, o.dep
			}
			return keyorder.Range{Start: o.End, End: b.End}, o.dep
		case k.Desc && (o.End == "" || b.End != "" && b.End <= o.End) && (b.End == "" || o.Start < b.End):
			if o.Start <= b.Start {
				return keyorder.Range{Start: "\x01", End: "\x01"}, o.dep
			}
			return keyorder.Range{Start: b.Start, End: o.Start}, o.dep
		}
	}
	return b, 0
}

// add notes a gap of a range, joined with those that it touches. Held: mu.
func (g *gaps) add(r Range, o gap) {
	list, ok := g.of[r]
	if !ok {
		if len(g.of) == gapRanges {
			for other := range g.of {
				g.forget(other)
				break
			}
		}
		if g.of == nil {
			g.of, g.prefixes = map[Range][]gap{}, map[int]int{}
		}
		if r.Prefix {
			g.prefixes[len(r.Text)]++
		}
	}
	list = slices.DeleteFunc(list, func(p gap) bool {
		if p.End != "" && p.End < o.Start || o.End != "" && o.End < p.Start {
			return false
		}
		o.Start = min(o.Start, p.Start)
		if p.End == "" || o.End != "" && p.End > o.End {
			o.End = p.End
		}
		o.now, o.dep = max(o.now, p.now), max(o.dep, p.dep)
		return true
	})
	if len(list) == gapsOfRange {
		list = list[1:]
	}
	g.of[r] = append(list, o)
}

// note takes note of a write. Held: mu.
func (g *gaps) note(space kv.Space, key string) {
	if bucket, _, slash := kv.SplitKey(key); slash {
		g.cut(Range{Space: space, Text: bucket}, key)
	}
	for n := range g.prefixes {
		if n <= len(key) {
			g.cut(Range{Space: space, Prefix: true, Text: key[:n]}, key)
		}
	}
}

// cut takes key out of the gaps of a range.
func (g *gaps) cut(r Range, key string) {
	list := g.of[r]
	for i, o := range list {
		if key < o.Start || o.End != "" && key >= o.End {
			continue
		}
		list = slices.Delete(list, i, i+1)
		if o.Start < key {
			list = append(list, gap{keyorder.Range{Start: o.Start, End: key}, o.now, o.dep})
		}
		if next := key + "\x00"; o.End == "" || next < o.End {
			list = append(list, gap{keyorder.Range{Start: next, End: o.End}, o.now, o.dep})
		}
		if len(list) > gapsOfRange {
			list = slices.Delete(list, 0, 1)
		}
		g.of[r] = list
		if len(list) == 0 {
			g.forget(r)
		}
		return
	}
}

// gapFinder looks for gaps in what one reader reads of a part.
type gapFinder struct {
	p    *Partition
	part *Part
	all  keyorder.Range // what the part is read from
	now  int64
	live string // the last live row, "" for none
	last string // the last row
	n    int    // rows since live
	// watch notes what is written in the part since the reading began; nil when
	// nobody writes.
	watch *rangeRead
}

// row takes note of a row. dep is that of the rows until now. The mutex is held
// if held.
func (f *gapFinder) row(key string, live bool, dep uint64, held bool) {
	if !live {
		f.n++
		f.last = key
		return
	}
	if f.n >= gapMin {
		f.note(key, dep, held)
	}
	f.live, f.n = key, 0
}

// end takes note of where the reading ended: with the last row, or if through,
// behind all of the part.
func (f *gapFinder) end(through bool, dep uint64, held bool) {
	if f.n < gapMin {
		return
	}
	until := f.last // which is left out, for simplicity
	if through {
		until = ""
	}
	f.note(until, dep, held)
}

// note notes the gap between live and the key until, "" for the end.
func (f *gapFinder) note(until string, dep uint64, held bool) {
	o := gap{Range: f.all, now: f.now, dep: dep}
	if f.live != "" {
		o.Range = o.After(f.live, f.part.Desc)
	}
	switch {
	case until == "":
	case f.part.Desc:
		o.Start = max(o.Start, until+"\x00")
	default:
		o.End = until
	}
	if !held {
		f.p.mu.Lock()
		defer f.p.mu.Unlock()
	}
	if f.watch != nil && f.watch.wrote(o.Range) {
		return
	}
	f.p.gaps.add(f.part.whole(), o)
}
