package raftlog

import (
	"sync/atomic"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

var _ raft.Storage = (*Group)(nil)

// Group is the log of one Raft group, as a raft.Storage. It shows what was
// written and synced; what is only queued is not seen. All methods may be
// called concurrently.
type Group struct {
	log *Log
	id  uint64

	conf     atomic.Pointer[raftpb.ConfState]
	snapshot atomic.Pointer[func() (*raftpb.Snapshot, error)]

	state groupState // guarded by log.mu
	dirty bool       // guarded by log.mu: hard state or mark are newer than the files

	// What the group will be after the writes of the batch in the making.
	// They are the writer's only.
	nextBatch, nextLast, nextMark uint64
}

// ID returns the number of the group.
func (g *Group) ID() uint64 { return g.id }

// SetConfState sets the membership that InitialState returns. It is kept with
// the group's rows, not in the log. The log keeps cs; it must not be changed.
func (g *Group) SetConfState(cs *raftpb.ConfState) { g.conf.Store(cs) }

// SetSnapshot sets who makes the snapshot for a follower that needs entries
// already compacted. Without one, Snapshot returns
// raft.ErrSnapshotTemporarilyUnavailable.
func (g *Group) SetSnapshot(fn func() (*raftpb.Snapshot, error)) { g.snapshot.Store(&fn) }

// InitialState implements raft.Storage. The hard state is nil when the group
// has none.
func (g *Group) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	g.log.mu.RLock()
	hs := g.state.hs
	g.log.mu.RUnlock()
	cs := g.conf.Load()
	if cs == nil {
		cs = &raftpb.ConfState{}
	}
	if hs == (hardState{}) {
		return nil, cs, nil
	}
	return &raftpb.HardState{Term: &hs.term, Vote: &hs.vote, Commit: &hs.commit}, cs, nil
}

// FirstIndex implements raft.Storage: one more than the last compacted index.
func (g *Group) FirstIndex() (uint64, error) {
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	return g.state.mark.Index + 1, nil
}

// LastIndex implements raft.Storage.
func (g *Group) LastIndex() (uint64, error) {
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	return g.state.last, nil
}

// Retained returns how many entries the log keeps for the group, those above the
// last compacted index, and how many bytes they take in the files.
func (g *Group) Retained() (entries uint64, bytes int64) {
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	s := &g.state
	return s.last - s.mark.Index, s.bytes
}

// Term implements raft.Storage: raft.ErrCompacted below FirstIndex()-1,
// raft.ErrUnavailable above LastIndex().
func (g *Group) Term(i uint64) (uint64, error) {
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	switch s := &g.state; {
	case i < s.mark.Index:
		return 0, raft.ErrCompacted
	case i > s.last:
		return 0, raft.ErrUnavailable
	default:
		return s.term(i), nil
	}
}

// Snapshot implements raft.Storage; see SetSnapshot.
func (g *Group) Snapshot() (*raftpb.Snapshot, error) {
	if fn := g.snapshot.Load(); fn != nil {
		return (*fn)()
	}
	return nil, raft.ErrSnapshotTemporarilyUnavailable
}

// Compact says that the entries up to index are no longer needed. They are
// unavailable at once, and their segments go away when no group needs them;
// that this is remembered over a crash is not guaranteed (see LOG-1).
// Compacting what is compacted does nothing. It returns raft.ErrUnavailable
// for an index above LastIndex, ErrClosed, or ErrFailed.
func (g *Group) Compact(index uint64) error {
	l := g.log
	l.mu.Lock()
	if err := l.refusal(); err != nil {
		l.mu.Unlock()
		return err
	}
	s := &g.state
	if index > s.last {
		l.mu.Unlock()
		return raft.ErrUnavailable
	}
	wake := false
	if index > s.mark.Index {
		s.compact(&l.cache, Mark{index, s.term(index)})
		l.soil(g)
		wake = l.disposable() > l.obsolete
	}
	l.mu.Unlock()
	if wake {
		l.queue.flush()
	}
	return nil
}

// piece is a part of the answer of Entries: entries in memory, or where they
// are on disk.
type piece struct {
	ents   []*raftpb.Entry
	seg    *segment // held while set
	off    int64
	size   int
	lo, hi uint64
}

// Entries implements raft.Storage. Recent entries come from memory, others
// from the files, where a damaged one is a *CorruptError. It returns
// raft.ErrCompacted or raft.ErrUnavailable when the range is not within
// [FirstIndex(), LastIndex()], ErrClosed after Close.
func (g *Group) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	pieces, err := g.plan(lo, hi, maxSize)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range pieces {
			if p.seg != nil {
				p.seg.release()
			}
		}
	}()
	var out []*raftpb.Entry
	size := uint64(0)
	for _, p := range pieces {
		ents := p.ents
		if p.seg != nil {
			if ents, err = p.seg.read(p.off, p.size, p.lo, p.hi); err != nil {
				return nil, err
			}
		}
		for _, e := range ents {
			size += entrySize(e)
			if len(out) > 0 && size > maxSize {
				return out, nil
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// plan says what to read for Entries, at least as much as maxSize allows. The
// caller releases the segments of the pieces.
func (g *Group) plan(lo, hi, maxSize uint64) ([]piece, error) {
	l := g.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := &g.state
	switch {
	case l.closed:
		return nil, ErrClosed
	case lo <= s.mark.Index:
		return nil, raft.ErrCompacted
	case hi > s.last+1:
		return nil, raft.ErrUnavailable
	case lo >= hi:
		return nil, nil
	}
	var pieces []piece
	planned := uint64(0)
	for _, r := range s.runs[s.find(lo):] {
		if r.first >= hi || planned > maxSize {
			break
		}
		p := piece{lo: max(lo, r.first), hi: min(hi, r.last()+1)}
		if r.ents != nil {
			from, to := p.lo-r.first, p.hi-r.first
			p.ents = r.ents[from:to:to]
			for _, e := range p.ents {
				planned += entrySize(e)
			}
		} else {
			p.seg, p.off, p.size = r.seg, r.off, r.size
			r.seg.hold()
			// Less than its entries' protocol buffers take, and known only
			// when they are all of the record's.
			if p.hi-p.lo == r.count && !r.cut {
				planned += uint64(max(0, r.size-recordBytes))
			}
		}
		pieces = append(pieces, p)
	}
	return pieces, nil
}
