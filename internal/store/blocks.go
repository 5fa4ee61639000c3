package store

import (
	"encoding/binary"
)

// blockRevisions is how many revisions a block has, a power of two: those from
// a multiple of it on. More of them make fewer rows, and longer L rows.
const blockRevisions = 8

// smallBytes is up to how long a value is kept in a block. A longer one would
// be copied too often there.
const smallBytes = 128

// blockOf returns the first revision of the block of a revision.
func blockOf(revision int64) int64 { return revision &^ (blockRevisions - 1) }

// appendKept appends a version to those of a block, the oldest first:
//
//	length version
func appendKept(block []byte, v *version) []byte {
	var head [headBytesMax]byte
	h := appendMeta(head[:0], &v.meta, 0)
	size := len(h) + len(v.bytes) + len(v.text)
	if cap(block) == 0 {
		// Others like it will follow: with all of them it would grow three times.
		block = make([]byte, 0, blockRevisions/2*(size+2))
	}
	block = binary.AppendUvarint(block, uint64(size))
	block = append(block, h...)
	block = append(block, v.bytes...)
	return append(block, v.text...)
}

// kept is the versions of a block, in their encoding, the oldest first.
type kept struct {
	rows [blockRevisions][]byte
	n    int
}

// decodeBlock cuts a block into its versions, which alias it.
func decodeBlock(block []byte) (k kept, ok bool) {
	for len(block) > 0 {
		size, n := binary.Uvarint(block)
		if n <= 0 || size > uint64(len(block)-n) || k.n == len(k.rows) {
			return kept{}, false
		}
		block = block[n:]
		k.rows[k.n] = block[:size]
		k.n++
		block = block[size:]
	}
	return k, true
}

// newest returns the newest of the versions.
func (k *kept) newest() []byte { return k.rows[k.n-1] }

// trimBlock returns the part of a block from a revision on.
func trimBlock(block []byte, from int64) (rest []byte, ok bool) {
	k, ok := decodeBlock(block)
	for i := 0; ok && i < k.n; i++ {
		var m meta
		if m, _, _, ok = decodeRow(k.rows[i]); ok && m.row.Revision >= from {
			break
		}
		_, n := binary.Uvarint(block)
		block = block[n+len(k.rows[i]):]
	}
	return block, ok
}

// checkBlock returns how many versions are in a block, when all of them are
// versions of the block that begins at revision first, in order.
func checkBlock(block []byte, first int64) (n int, ok bool) {
	k, ok := decodeBlock(block)
	if !ok {
		return 0, false
	}
	last := first - 1
	for _, row := range k.rows[:k.n] {
		m, _, _, ok := decodeRow(row)
		if !ok || m.row.Revision <= last || blockOf(m.row.Revision) != first {
			return 0, false
		}
		last = m.row.Revision
	}
	return k.n, true
}
