package raftlog

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/raft/v3/raftpb"
)

// kind says what a record is.
type kind byte

const (
	kindEntries kind = iota + 1
	kindHardState
	kindMark
	kindReset
	kindDrop
	kindObsolete
	kindSealed
	kindClosed
)

const (
	// recordBytes bounds a record without its payload, and with it, when it
	// has no data.
	recordBytes = 64
	// entryBytes bounds an entry without its data.
	entryBytes = 24
	// runMaxBytes is where a run of entries is cut into several records, so
	// that reading one old entry does not read megabytes.
	runMaxBytes = 256 << 10
)

var errRecord = errors.New("malformed record")

// Mark is a point in a group's log.
type Mark struct {
	Index uint64
	Term  uint64
}

// hardState is a raftpb.HardState as a comparable value; zero when there is
// none.
type hardState struct{ term, vote, commit uint64 }

func hardStateOf(hs *raftpb.HardState) hardState {
	return hardState{hs.GetTerm(), hs.GetVote(), hs.GetCommit()}
}

// record is one decoded record; which fields are set depends on the kind.
type record struct {
	kind    kind
	group   uint64
	payload []byte // entries; aliases the frame
	off     int64  // of the payload in the segment
	first   uint64 // entries
	count   uint64 // entries
	mark    Mark   // mark, reset; Index only for obsolete
	hs      hardState
}

func appendRecord(b []byte, k kind, group uint64, numbers ...uint64) []byte {
	b = append(b, byte(k))
	b = binary.AppendUvarint(b, group)
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendHardState(b []byte, group uint64, hs hardState) []byte {
	return appendRecord(b, kindHardState, group, hs.term, hs.vote, hs.commit)
}

// appendEntries adds a record of ents, which are consecutive and not empty.
// p is the place of b[0] in the segment. It returns where the payload begins
// in b.
func appendEntries(b []byte, p place, group uint64, ents []*raftpb.Entry) (_ []byte, payload int) {
	b = appendRecord(b, kindEntries, group)
	payload = len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, ents[0].GetIndex())
	b = binary.AppendUvarint(b, uint64(len(ents)))
	for _, e := range ents {
		b = binary.AppendUvarint(b, e.GetTerm())
		b = binary.AppendUvarint(b, uint64(uint32(e.GetType())))
		b = binary.AppendUvarint(b, uint64(len(e.GetData())))
		b = append(b, e.GetData()...)
	}
	binary.LittleEndian.PutUint32(b[payload-4:], uint32(len(b)-payload))
	p.off += int64(payload)
	binary.LittleEndian.PutUint32(b[payload:], p.sum(b[payload+4:]))
	return b, payload
}

// numbers takes varints off the front of a payload.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) next() uint64 {
	v, k := binary.Uvarint(n.b)
	if k <= 0 {
		n.bad, n.b = true, nil
		return 0
	}
	n.b = n.b[k:]
	return v
}

func (n *numbers) take(size uint64) []byte {
	if size > uint64(len(n.b)) {
		n.bad, n.b = true, nil
		return nil
	}
	v := n.b[:size:size]
	n.b = n.b[size:]
	return v
}

// parseRecord takes a record off the front of a frame's body, whose rest is
// b, standing at offset off of the segment.
func parseRecord(b []byte, off int64) (r record, rest []byte, err error) {
	n := numbers{b: b}
	head := n.take(1)
	if n.bad {
		return r, nil, errRecord
	}
	r.kind = kind(head[0])
	r.group = n.next()
	size := n.take(4)
	if n.bad {
		return r, nil, errRecord
	}
	r.off = off + int64(len(b)-len(n.b))
	r.payload = n.take(uint64(binary.LittleEndian.Uint32(size)))
	if n.bad {
		return r, nil, errRecord
	}
	p := numbers{b: r.payload}
	switch r.kind {
	case kindEntries:
		p.take(4)
		r.first, r.count = p.next(), p.next()
		if !p.bad && (r.first == 0 || r.count == 0 || r.count > uint64(len(p.b)) || r.first+r.count < r.first) {
			return r, nil, errRecord
		}
		p.b = nil // the entries are looked at by decodeEntries
	case kindHardState:
		r.hs = hardState{p.next(), p.next(), p.next()}
	case kindMark, kindReset:
		r.mark = Mark{p.next(), p.next()}
	case kindObsolete:
		r.mark.Index = p.next()
	case kindDrop, kindSealed, kindClosed:
	default:
		return r, nil, errRecord
	}
	if p.bad || len(p.b) > 0 {
		return r, nil, errRecord
	}
	return r, n.b, nil
}

// eachEntry calls fn for every entry of a payload written by appendEntries,
// and reports whether the payload is well formed. It does not look at the
// checksum. The data aliases the payload.
func eachEntry(payload []byte, fn func(index, term uint64, typ raftpb.EntryType, data []byte)) bool {
	n := numbers{b: payload}
	n.take(4)
	first, count := n.next(), n.next()
	for i := uint64(0); i < count && !n.bad; i++ {
		term, typ, size := n.next(), n.next(), n.next()
		data := n.take(size)
		if typ > 1<<31-1 {
			n.bad = true
		}
		if !n.bad {
			fn(first+i, term, raftpb.EntryType(typ), data)
		}
	}
	return !n.bad && len(n.b) == 0
}

// decodeEntries returns the entries of a payload with indexes in [lo, hi),
// whose checksum was verified. Their data aliases the payload.
func decodeEntries(payload []byte, lo, hi uint64) ([]*raftpb.Entry, bool) {
	// One allocation for all the numbers of an entry: the message has pointers
	// to them.
	type entry struct {
		e           raftpb.Entry
		term, index uint64
		typ         raftpb.EntryType
	}
	var ents []*raftpb.Entry
	ok := eachEntry(payload, func(index, term uint64, typ raftpb.EntryType, data []byte) {
		if index < lo || index >= hi {
			return
		}
		x := &entry{term: term, index: index, typ: typ}
		x.e.Term, x.e.Index, x.e.Type = &x.term, &x.index, &x.typ
		if len(data) > 0 {
			x.e.Data = data
		}
		ents = append(ents, &x.e)
	})
	return ents, ok && uint64(len(ents)) == hi-lo
}

// entrySize is the size of the entry as a protocol buffer, by which Raft
// limits what it asks for. proto.Size gives the same, slower.
func entrySize(e *raftpb.Entry) uint64 {
	n := 0
	if e.Term != nil {
		n += 1 + uvarintLen(*e.Term)
	}
	if e.Index != nil {
		n += 1 + uvarintLen(*e.Index)
	}
	if e.Type != nil {
		n += 1 + uvarintLen(uint64(*e.Type))
	}
	if e.Data != nil {
		n += 1 + uvarintLen(uint64(len(e.Data))) + len(e.Data)
	}
	return uint64(n)
}

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
