package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// view is the Storage as Raft sees it: the owner's, with the initial state that
// New has checked and repaired, and with a tail of entries kept in memory.
//
// The tail holds what was handed out to be appended and not yet handed out to
// be applied. Raft applies only what Storage has, so without it every entry
// would be read back from the log right after it was written there.
//
// The tail is one run of consecutive entries and agrees with Storage wherever
// Raft may ask: Raft reads index i from Storage only when the last write of i
// is complete, and the tail has the last write of i.
type view struct {
	raft.Storage
	hard *raftpb.HardState
	conf *raftpb.ConfState

	tail    []*raftpb.Entry
	size    int
	sizeMax int
}

func entrySize(e *raftpb.Entry) int { return len(e.GetData()) + 64 }

// InitialState implements raft.Storage.
func (v *view) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return v.hard, v.conf, nil
}

// Entries implements raft.Storage.
func (v *view) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if len(v.tail) == 0 || lo < v.tail[0].GetIndex() || hi > v.tail[len(v.tail)-1].GetIndex()+1 {
		return v.Storage.Entries(lo, hi, maxSize)
	}
	first := v.tail[0].GetIndex()
	ents := v.tail[lo-first : hi-first]
	var size uint64
	for i, e := range ents {
		size += uint64(proto.Size(e))
		if size > maxSize && i > 0 {
			ents = ents[:i]
			break
		}
	}
	return ents[:len(ents):len(ents)], nil
}

// Term implements raft.Storage.
func (v *view) Term(i uint64) (uint64, error) {
	if n := len(v.tail); n > 0 && i >= v.tail[0].GetIndex() && i <= v.tail[n-1].GetIndex() {
		return v.tail[i-v.tail[0].GetIndex()].GetTerm(), nil
	}
	return v.Storage.Term(i)
}

// append notes entries handed out to be appended, which overwrite those at and
// above their first index. What exceeds sizeMax is left to Storage.
func (v *view) append(ents []*raftpb.Entry) {
	if len(ents) == 0 {
		return
	}
	if n := len(v.tail); n > 0 {
		switch first, next := v.tail[0].GetIndex(), ents[0].GetIndex(); {
		case next <= first:
			v.reset()
		case next < first+uint64(n):
			// Slices of the old entries may be in other hands: cap the slice, so
			// that the append below copies.
			keep := next - first
			for _, e := range v.tail[keep:] {
				v.size -= entrySize(e)
			}
			v.tail = v.tail[:keep:keep]
		case next > first+uint64(n):
			return // some were left out for sizeMax; Storage serves from there
		}
	}
	for i, e := range ents {
		if v.size += entrySize(e); v.size > v.sizeMax && i+len(v.tail) > 0 {
			v.size -= entrySize(e)
			ents = ents[:i]
			break
		}
	}
	v.tail = append(v.tail, ents...)
}

// applied forgets the entries up to index.
func (v *view) applied(index uint64) {
	i := 0
	for i < len(v.tail) && v.tail[i].GetIndex() <= index {
		v.size -= entrySize(v.tail[i])
		i++
	}
	if v.tail = v.tail[i:]; len(v.tail) == 0 {
		v.reset()
	}
}

func (v *view) reset() { v.tail, v.size = nil, 0 }
