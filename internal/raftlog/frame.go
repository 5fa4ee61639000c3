package raftlog

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	formatVersion = 1
	headerBytes   = 64
	frameBytes    = 16 // header of a frame
	frameAlign    = 8
	magic         = "kahrlog\n"

	// frameMaxBytes bounds the body of a frame.
	frameMaxBytes = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the beginning of a segment. Where its magic, its version and its
// checksum stand is the same in every version, so that a version nobody knows
// can be told from a damaged one.
type header struct {
	version  uint32
	seq      uint64 // number of the segment, from 1
	salt     uint64 // random, in every tag and checksum of the segment
	prevSalt uint64 // salt of the segment before, 0 for the first
	prevEnd  int64  // valid length of the segment before
	store    uint64 // whose log it is, 0 if that is not known
}

func (h *header) append(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, h.version)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	b = binary.LittleEndian.AppendUint64(b, h.salt)
	b = binary.LittleEndian.AppendUint64(b, h.prevSalt)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.prevEnd))
	b = binary.LittleEndian.AppendUint64(b, h.store)
	b = append(b, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseHeader reads a header. A header of another version has only its
// version set, since nothing else of it is known.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerBytes || string(b[:8]) != magic {
		return h, false
	}
	if crc32.Checksum(b[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[headerBytes-4:]) {
		return h, false
	}
	h.version = binary.LittleEndian.Uint32(b[8:])
	if h.version != formatVersion {
		return h, true
	}
	h.seq = binary.LittleEndian.Uint64(b[16:])
	h.salt = binary.LittleEndian.Uint64(b[24:])
	h.prevSalt = binary.LittleEndian.Uint64(b[32:])
	h.prevEnd = int64(binary.LittleEndian.Uint64(b[40:]))
	h.store = binary.LittleEndian.Uint64(b[48:])
	return h, h.prevEnd >= 0
}

// place is where in which segment bytes stand; checksums depend on it.
type place struct {
	seq, salt uint64
	off       int64
}

// tag marks the beginning of a frame at p. It is cheap to look for, and
// cannot be guessed without the salt.
func (p place) tag() uint64 {
	return p.salt ^ (uint64(p.off)+1)*0x9e3779b97f4a7c15
}

// sum returns the checksum of b standing at p.
func (p place) sum(b []byte) uint32 {
	var seed [24]byte
	binary.LittleEndian.PutUint64(seed[0:], p.seq)
	binary.LittleEndian.PutUint64(seed[8:], p.salt)
	binary.LittleEndian.PutUint64(seed[16:], uint64(p.off))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, b)
}

// frameSum is the checksum of a frame with this body: it covers the length
// too.
func frameSum(p place, body []byte) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(body)))
	return crc32.Update(p.sum(n[:]), castagnoli, body)
}

// finishFrame fills in the header of the frame that begins at b[start] and
// will stand at p, and pads it. Its body is b[start+frameBytes:].
func finishFrame(b []byte, start int, p place) []byte {
	body := b[start+frameBytes:]
	binary.LittleEndian.PutUint64(b[start:], p.tag())
	binary.LittleEndian.PutUint32(b[start+8:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+12:], frameSum(p, body))
	for (len(b)-start)%frameAlign != 0 {
		b = append(b, 0)
	}
	return b
}

// frameEnd returns the offset behind a frame at off with a body of n bytes.
func frameEnd(off, n int64) int64 {
	return off + (frameBytes+n+frameAlign-1)/frameAlign*frameAlign
}
