package backup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"kahuna/internal/hlc"
)

// Version is the version of the stream. A Reader takes no other.
const Version = 1

// BlockBytesMax is the longest block, in bytes before compression. The largest
// row a store takes is a quarter of it.
const BlockBytesMax = 1 << 30

const (
	magic = "\x8bKAHUNA\n"

	headerBytes  = 32
	frameBytes   = 16 // in front of the body
	sumBytes     = 4  // behind it
	summaryBytes = 8 * 7
	trailerBytes = summaryBytes + 8 + 32

	kindBlock   = 1
	kindTrailer = 2

	codecNone = 0
	codecZstd = 1
)

// Header begins a stream.
type Header struct {
	RowsFormat uint32 // version of what is in keys and values
	TakenMs    int64  // when the backup was begun, in Unix milliseconds
}

// Summary ends a stream: what is in it.
type Summary struct {
	Index    uint64        // of the newest log entry
	Time     hlc.Timestamp // highest clock reading
	Rows     int64         // keys, also those deleted or expired that are still kept
	Versions int64         // rows and their history
	Results  int64         // remembered results
	Records  int64         // keys and values in the stream, of all kinds
	RawBytes int64         // keys and values
}

// ErrNotBackup is the answer to a stream that does not begin like a backup.
var ErrNotBackup = errors.New("this is no backup")

// VersionError says that a backup was written in a format that this program
// does not know.
type VersionError struct{ Found uint32 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the backup has format version %d, this program reads %d", e.Found, Version)
}

// DamageError says that a stream is not as it was written.
type DamageError struct {
	Offset int64 // in the stream, of the first byte of what is bad
	Detail string
	Cut    bool // the stream ends before its trailer
}

func (e *DamageError) Error() string {
	if e.Cut {
		return fmt.Sprintf("the backup is cut off at offset %d: %s", e.Offset, e.Detail)
	}
	return fmt.Sprintf("the backup is damaged at offset %d: %s", e.Offset, e.Detail)
}

// ReadError says that the stream could not be read on.
type ReadError struct {
	Offset int64
	Err    error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("reading the backup at offset %d: %v", e.Offset, e.Err)
}

// Unwrap returns the error of the stream.
func (e *ReadError) Unwrap() error { return e.Err }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the checksum of bytes of the frame that begins at offset.
func sum(offset int64, b ...[]byte) uint32 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(offset))
	crc := crc32.Checksum(seed[:], castagnoli)
	for _, part := range b {
		crc = crc32.Update(crc, castagnoli, part)
	}
	return crc
}

func appendHeader(b []byte, h Header) []byte {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint32(b, h.RowsFormat)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.TakenMs))
	b = append(b, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, sum(0, b))
}

// parseHeader undoes appendHeader; b has headerBytes.
func parseHeader(b []byte) (Header, error) {
	if string(b[:len(magic)]) != magic {
		return Header{}, ErrNotBackup
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != Version {
		return Header{}, &VersionError{v}
	}
	if binary.LittleEndian.Uint32(b[headerBytes-4:]) != sum(0, b[:headerBytes-4]) {
		return Header{}, &DamageError{Detail: "wrong checksum of the header"}
	}
	return Header{binary.LittleEndian.Uint32(b[12:]), int64(binary.LittleEndian.Uint64(b[16:]))}, nil
}

func appendSummary(b []byte, s *Summary) []byte {
	for _, n := range []uint64{s.Index, uint64(s.Time), uint64(s.Rows), uint64(s.Versions), uint64(s.Results),
		uint64(s.Records), uint64(s.RawBytes)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// parseSummary undoes appendSummary.
func parseSummary(b []byte) Summary {
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return Summary{n(0), hlc.Timestamp(n(1)), int64(n(2)), int64(n(3)), int64(n(4)), int64(n(5)), int64(n(6))}
}
