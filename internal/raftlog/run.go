package raftlog

import (
	"sort"

	"go.etcd.io/raft/v3/raftpb"
)

// run is a range of consecutive entries of a group that one record holds. A
// record may hold more: entries behind the run were overwritten since, those
// up to the group's mark are compacted.
type run struct {
	first, count uint64
	seg          *segment
	off          int64 // of the record's payload
	size         int   // of the record's payload
	cut          bool  // the record holds more entries than the run

	// The entries from first on, when they are in memory. Then the run is in
	// the cache's list.
	ents       []*raftpb.Entry
	bytes      int64
	prev, next *run
}

func (r *run) last() uint64 { return r.first + r.count - 1 }

// entriesBytes is about what entries take in memory.
func entriesBytes(ents []*raftpb.Entry) int64 {
	n := int64(0)
	for _, e := range ents {
		n += int64(len(e.GetData())) + 160
	}
	return n
}

// cache bounds the entries in memory over all groups: the runs that have
// theirs, in the order they were appended. The oldest are dropped first.
type cache struct {
	oldest, newest *run
	bytes, max     int64
}

func (c *cache) add(r *run) {
	r.bytes = entriesBytes(r.ents)
	c.bytes += r.bytes
	r.prev = c.newest
	if c.newest != nil {
		c.newest.next = r
	} else {
		c.oldest = r
	}
	c.newest = r
	for c.bytes > c.max {
		c.remove(c.oldest)
	}
}

// remove drops the entries of r from memory, if they are there.
func (c *cache) remove(r *run) {
	if r.ents == nil {
		return
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		c.oldest = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		c.newest = r.prev
	}
	c.bytes -= r.bytes
	r.ents, r.prev, r.next, r.bytes = nil, nil, nil, 0
}

// shorten keeps the first n entries of r.
func (c *cache) shorten(r *run, n uint64) {
	r.count, r.cut = n, true
	if r.ents != nil {
		r.ents = r.ents[:n:n]
		c.bytes -= r.bytes
		r.bytes = entriesBytes(r.ents)
		c.bytes += r.bytes
	}
}

// termRun says that the entries from first up to the next termRun have term.
type termRun struct{ first, term uint64 }

// groupState is what the log knows of a group. The entries known are those
// of (base, last]; base is mark.Index, except while a log is read whose
// earlier segments are gone.
type groupState struct {
	mark  Mark
	hs    hardState
	base  uint64
	last  uint64
	runs  []*run
	bytes int64 // of the records of runs
	terms []termRun
}

// empty reports whether nothing was ever written, or all of it dropped.
func (s *groupState) empty() bool {
	return s.mark == Mark{} && s.hs == hardState{} && s.last == 0
}

// clear forgets all entries.
func (s *groupState) clear(c *cache) {
	for _, r := range s.runs {
		c.remove(r)
		r.seg.live--
	}
	s.runs, s.bytes, s.terms = nil, 0, nil
}

// reset makes the log begin behind m, with no entries.
func (s *groupState) reset(c *cache, m Mark) {
	s.clear(c)
	s.mark, s.base, s.last = m, m.Index, m.Index
}

// drop makes the group as new.
func (s *groupState) drop(c *cache) {
	s.clear(c)
	*s = groupState{}
}

// truncate forgets the entries from index from on.
func (s *groupState) truncate(c *cache, from uint64) {
	if from > s.last {
		return
	}
	for len(s.runs) > 0 {
		r := s.runs[len(s.runs)-1]
		if r.last() < from {
			break
		}
		if r.first < from {
			c.shorten(r, from-r.first)
			break
		}
		c.remove(r)
		r.seg.live--
		s.bytes -= int64(r.size)
		s.runs[len(s.runs)-1] = nil
		s.runs = s.runs[:len(s.runs)-1]
	}
	for len(s.terms) > 0 && s.terms[len(s.terms)-1].first >= from {
		s.terms = s.terms[:len(s.terms)-1]
	}
	s.last = from - 1
	s.base = min(s.base, s.last)
}

// add appends the entries of r, whose terms are terms, in place of those from
// r.first on. It reports whether there is a gap before them; then the entries
// known begin with them.
func (s *groupState) add(c *cache, r *run, terms []termRun) (gap bool) {
	if r.last() <= s.mark.Index {
		r.ents = nil
		return false
	}
	s.truncate(c, r.first)
	if gap = r.first > s.last+1; gap {
		s.clear(c)
		s.base = r.first - 1
	}
	s.last = r.last()
	s.runs = append(s.runs, r)
	s.bytes += int64(r.size)
	r.seg.live++
	for _, t := range terms {
		if k := len(s.terms); k == 0 || s.terms[k-1].term != t.term {
			s.terms = append(s.terms, t)
		}
	}
	if r.ents != nil {
		c.add(r)
	}
	return gap
}

// compact moves the mark to m, if that is forward.
func (s *groupState) compact(c *cache, m Mark) {
	if m.Index <= s.mark.Index {
		return
	}
	if m.Index >= s.last {
		s.reset(c, m)
		return
	}
	s.mark = m
	s.base = max(s.base, m.Index)
	k := 0
	for k < len(s.runs) && s.runs[k].last() <= m.Index {
		c.remove(s.runs[k])
		s.runs[k].seg.live--
		s.bytes -= int64(s.runs[k].size)
		s.runs[k] = nil
		k++
	}
	s.runs = s.runs[k:]
	k = 0
	for k+1 < len(s.terms) && s.terms[k+1].first <= m.Index+1 {
		k++
	}
	s.terms = s.terms[k:]
}

// term returns the term of an index in [mark.Index, last].
func (s *groupState) term(i uint64) uint64 {
	if i == s.mark.Index {
		return s.mark.Term
	}
	k := sort.Search(len(s.terms), func(k int) bool { return s.terms[k].first > i })
	return s.terms[k-1].term
}

// find returns the position of the run that holds index i of (mark.Index,
// last].
func (s *groupState) find(i uint64) int {
	return sort.Search(len(s.runs), func(k int) bool { return s.runs[k].last() >= i })
}

// termRuns returns the terms of consecutive entries.
func termRuns(ents []*raftpb.Entry) []termRun {
	var ts []termRun
	for _, e := range ents {
		if k := len(ts); k == 0 || ts[k-1].term != e.GetTerm() {
			ts = append(ts, termRun{e.GetIndex(), e.GetTerm()})
		}
	}
	return ts
}
