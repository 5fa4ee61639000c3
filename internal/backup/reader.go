package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a stream and checks all of it. It is not safe for concurrent
// use.
type Reader struct {
	r      io.Reader
	hash   hash.Hash // of all frames but the trailer
	zstd   *zstd.Decoder
	offset int64 // of what is read next
	header Header

	stored bytes.Buffer
	raw    []byte
	block  []byte // what is left of the block at hand
	at     int64  // where that block begins in the stream
	blocks uint64
	last   []byte // key handed out last
	sum    Summary
	end    error // io.EOF after the trailer, or the first error
}

// NewReader returns a Reader that has read the header. Errors are
// ErrNotBackup, *VersionError, *DamageError and *ReadError.
func NewReader(r io.Reader) (*Reader, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(BlockBytesMax))
	if err != nil {
		return nil, err
	}
	br := &Reader{r: r, hash: sha256.New(), zstd: dec}
	head, err := br.read(headerBytes)
	if err != nil {
		if begun := head[:min(len(head), len(magic))]; isCut(err) && (len(begun) == 0 || !strings.HasPrefix(magic, string(begun))) {
			err = ErrNotBackup
		}
		return nil, err
	}
	if br.header, err = parseHeader(head); err != nil {
		return nil, err
	}
	br.hash.Write(head)
	return br, nil
}

// Header returns how the stream begins.
func (r *Reader) Header() Header { return r.header }

// Summary returns how the stream ends. It is there after the io.EOF of Next.
func (r *Reader) Summary() Summary { return r.sum }

// Bytes returns how much of the stream was read, in bytes.
func (r *Reader) Bytes() int64 { return r.offset }

// Next returns the next row, valid until the next call. At the end, when the
// stream has been found to be whole, it returns io.EOF; before that a
// *DamageError or a *ReadError. All of them are final (Invariant BACKUP-1).
func (r *Reader) Next() (key, value []byte, err error) {
	for len(r.block) == 0 && r.end == nil {
		r.end = r.frame()
	}
	if r.end != nil {
		return nil, nil, r.end
	}
	if key, value, r.end = r.row(); r.end != nil {
		return nil, nil, r.end
	}
	return key, value, nil
}

// row cuts the next row from the block.
func (r *Reader) row() (key, value []byte, err error) {
	keyLen, n := binary.Uvarint(r.block)
	valueLen, m := uint64(0), 0
	if n > 0 {
		valueLen, m = binary.Uvarint(r.block[n:])
	}
	if m <= 0 {
		return nil, nil, r.damaged(r.at, "a row of the block has no length")
	}
	rest := r.block[n+m:]
	if keyLen > uint64(len(rest)) || valueLen > uint64(len(rest))-keyLen {
		return nil, nil, r.damaged(r.at, "a row of the block is longer than the block")
	}
	key, value, r.block = rest[:keyLen], rest[keyLen:keyLen+valueLen], rest[keyLen+valueLen:]
	if r.sum.Records > 0 && bytes.Compare(key, r.last) <= 0 {
		return nil, nil, r.damaged(r.at, "the rows of the block are out of order")
	}
	r.last = append(r.last[:0], key...)
	r.sum.Records++
	r.sum.RawBytes += int64(keyLen + valueLen)
	return key, value, nil
}

// frame reads the next frame: a block, or the trailer and what is behind it.
func (r *Reader) frame() error {
	r.at = r.offset
	head, err := r.read(frameBytes)
	if err != nil {
		return err
	}
	head = bytes.Clone(head)
	if binary.LittleEndian.Uint32(head[12:]) != sum(r.at, head[:12]) {
		return r.damaged(r.at, "wrong checksum in front of a block")
	}
	kind, codec, raw, stored := head[0], head[1], binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	if kind != kindBlock && kind != kindTrailer || codec > codecZstd || raw > BlockBytesMax || stored > raw ||
		codec == codecNone && raw != stored {
		return r.damaged(r.at, "no block that this program knows")
	}
	body, err := r.read(int64(stored) + sumBytes)
	if err != nil {
		return err
	}
	if check := body[stored:]; binary.LittleEndian.Uint32(check) != sum(r.at, head, body[:stored]) {
		return r.damaged(r.at, "wrong checksum of a block")
	}
	if kind == kindTrailer {
		return r.trailer(body[:stored])
	}
	r.hash.Write(head)
	r.hash.Write(body)
	r.blocks++
	return r.unpack(codec, int(raw), body[:stored])
}

func (r *Reader) unpack(codec byte, raw int, body []byte) error {
	if cap(r.raw) > 4*blockBytes { // of one large row
		r.raw = nil
	}
	switch codec {
	case codecNone:
		r.raw = append(r.raw[:0], body...)
	case codecZstd:
		var err error
		if r.raw, err = r.zstd.DecodeAll(body, r.raw[:0]); err != nil {
			return r.damaged(r.at, "the block cannot be unpacked: "+err.Error())
		}
	}
	if len(r.raw) != raw || raw == 0 {
		return r.damaged(r.at, fmt.Sprintf("the block has %d bytes, not the %d it should", len(r.raw), raw))
	}
	r.block = r.raw
	return nil
}

// trailer compares what was read with what there should be. It returns io.EOF
// when all is well.
func (r *Reader) trailer(body []byte) error {
	if len(body) != trailerBytes {
		return r.damaged(r.at, "the trailer has another length")
	}
	s := parseSummary(body)
	switch blocks := binary.LittleEndian.Uint64(body[summaryBytes:]); {
	case blocks != r.blocks:
		return r.damaged(r.at, fmt.Sprintf("there are %d blocks, not the %d of the trailer", r.blocks, blocks))
	case s.Records != r.sum.Records || s.RawBytes != r.sum.RawBytes:
		return r.damaged(r.at, fmt.Sprintf("there are %d rows of %d bytes, not the %d of %d bytes of the trailer",
			r.sum.Records, r.sum.RawBytes, s.Records, s.RawBytes))
	case !bytes.Equal(body[summaryBytes+8:], r.hash.Sum(nil)):
		return r.damaged(r.at, "wrong checksum of the whole")
	}
	r.sum = s
	end := r.offset
	switch b, err := r.read(1); {
	case len(b) > 0:
		return r.damaged(end, "something follows the end of the backup")
	case isCut(err):
		return io.EOF
	default:
		return err
	}
}

// read returns the next n bytes, valid until the next call. It returns fewer
// with an error: a *DamageError when the stream ends, else a *ReadError. The
// memory it takes grows with what there is to read, not with n.
func (r *Reader) read(n int64) ([]byte, error) {
	if r.stored.Cap() > 4*blockBytes {
		r.stored = bytes.Buffer{}
	}
	r.stored.Reset()
	k, err := io.CopyN(&r.stored, r.r, n)
	r.offset += k
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		err = &DamageError{Offset: r.offset, Cut: true, Detail: "its end is missing"}
	case err != nil:
		err = &ReadError{Offset: r.offset, Err: err}
	}
	return r.stored.Bytes(), err
}

func isCut(err error) bool {
	var d *DamageError
	return errors.As(err, &d) && d.Cut
}

func (r *Reader) damaged(offset int64, detail string) error {
	return &DamageError{Offset: offset, Detail: detail}
}
