package store

import (
	"encoding/binary"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// largeBytes is the size from which a value is written to its H row at once
// (see the package comment). Below it the copy at superseding is cheaper than
// the second lookup of every read.
const largeBytes = 1 << 10

const (
	flagDeleted = 1 << iota
	flagNoRev
	flagExpires
	flagApart       // an L row whose value is in the H row of its revision
	flagPrevExpires // has the last expiry of the touched version it superseded
	flagTouched     // an L row with flagApart whose expiry is not that of the H row
	flagGap         // follows norev versions: kv.Gap
	flagMore        // a second byte of flags follows
)

// The second byte, in L rows only.
const (
	moreBlock  = 1 << iota // the older versions of the block of this one follow
	moreSingle             // meta.singles
	moreMarked             // meta.marked
)

// headBytesMax is about how long a version gets without its value, at most;
// more would only be slower.
const headBytesMax = 96

// meta is a stored version without the bytes of its value.
type meta struct {
	row         kv.Row // Value stays empty
	apart       bool   // L row: the value is in the H row of the same revision
	touched     bool   // apart, and the H row has an earlier expiry
	hasPrev     bool   // prevExpires is present
	prevExpires int64  // of the version row.KeptPrev, a large one
	singles     bool   // L row: versions of the key may be in H rows of their own
	marked      bool   // L row: the key has a marker among the H rows
}

// appendMeta appends the encoding of a version up to its value, which follows
// to the end of the row, or is absent when apart. With older versions behind it,
// more has moreBlock, and the caller appends the length of the value first.
//
//	flags(1) [more(1)] revision Δprev modified [expires] [prevExpires] [Δgap Δprev] [[length] value] [block]
//
// The Gap is relative: its Since to modified, its Prev to prev.
func appendMeta(b []byte, m *meta, more byte) []byte {
	var flags byte
	if m.row.Deleted {
		flags |= flagDeleted
	}
	if m.row.NoRev {
		flags |= flagNoRev
	}
	if m.row.Expires != 0 {
		flags |= flagExpires
	}
	if m.apart {
		flags |= flagApart
	}
	if m.touched {
		flags |= flagTouched
	}
	if m.hasPrev {
		flags |= flagPrevExpires
	}
	gap := m.row.Gap
	if gap.Since != 0 {
		flags |= flagGap
	}
	if more != 0 {
		b = append(b, flags|flagMore, more)
	} else {
		b = append(b, flags)
	}
	b = binary.AppendUvarint(b, uint64(m.row.Revision))
	b = binary.AppendVarint(b, m.row.Revision-1-m.row.Prev)
	b = binary.AppendUvarint(b, uint64(m.row.Modified))
	if m.row.Expires != 0 {
		b = binary.AppendVarint(b, m.row.Expires)
	}
	if m.hasPrev {
		b = binary.AppendVarint(b, m.prevExpires)
	}
	if gap.Since != 0 {
		b = binary.AppendVarint(b, int64(m.row.Modified-gap.Since))
		b = binary.AppendVarint(b, m.row.Prev-gap.Prev)
	}
	return b
}

// decodeRow reads a stored version, and the encoded older ones of its block.
// Both the value and the block alias b.
func decodeRow(b []byte) (m meta, value, block []byte, ok bool) {
	if len(b) == 0 {
		return m, nil, nil, false
	}
	flags, more := b[0], byte(0)
	b = b[1:]
	if flags&flagMore != 0 {
		if len(b) == 0 {
			return m, nil, nil, false
		}
		more = b[0]
		b = b[1:]
	}
	good := true
	unsigned := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			good = false
			return 0
		}
		b = b[n:]
		return v
	}
	signed := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			good = false
			return 0
		}
		b = b[n:]
		return v
	}
	m.row.Deleted = flags&flagDeleted != 0
	m.row.NoRev = flags&flagNoRev != 0
	m.apart = flags&flagApart != 0
	m.touched = flags&flagTouched != 0
	m.hasPrev = flags&flagPrevExpires != 0
	m.singles = more&moreSingle != 0
	m.marked = more&moreMarked != 0
	m.row.Revision = int64(unsigned())
	m.row.Prev = m.row.Revision - 1 - signed()
	m.row.Modified = hlc.Timestamp(unsigned())
	if flags&flagExpires != 0 {
		m.row.Expires = signed()
	}
	if m.hasPrev {
		m.prevExpires = signed()
	}
	if flags&flagGap != 0 {
		m.row.Gap.Since = m.row.Modified - hlc.Timestamp(signed())
		m.row.Gap.Prev = m.row.Prev - signed()
	}
	if more&moreBlock != 0 {
		n := unsigned()
		if !good || n > uint64(len(b)) {
			return m, nil, nil, false
		}
		b, block = b[:n:n], b[n:]
	}
	return m, b, block, good
}

// dyingAt returns when, in Unix milliseconds, the row begins to be of no use:
// its expiry, or the time of the deletion.
func dyingAt(r *kv.Row) (at int64, ok bool) {
	if r.Deleted {
		return r.Modified.Millis(), true
	}
	return r.Expires, r.Expires != 0
}
