package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// blockBytes is the size from which a block is written.
const blockBytes = 256 << 10

// Writer writes a stream. It calls Write of the stream once for the header and
// once for each frame. It is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	hash   hash.Hash
	zstd   *zstd.Encoder
	offset int64
	blocks uint64

	block, frame []byte
	last         []byte // key added last
	sum          Summary
	err          error
}

// NewWriter returns a Writer that has written the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	bw := &Writer{w: w, hash: sha256.New(), zstd: enc}
	return bw, bw.write(appendHeader(nil, h))
}

// Add adds a row; its key comes after that of the row before. Errors of the
// stream are returned as they are, and are final.
func (w *Writer) Add(key, value []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case w.sum.Records > 0 && bytes.Compare(key, w.last) <= 0:
		w.err = fmt.Errorf("backup: key %q does not come after %q", key, w.last)
		return w.err
	case len(key)+len(value) > BlockBytesMax/2:
		w.err = fmt.Errorf("backup: the row %q has %d bytes", key, len(value))
		return w.err
	}
	if size := len(w.block) + len(key) + len(value); len(w.block) > 0 && size > blockBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.block = binary.AppendUvarint(w.block, uint64(len(key)))
	w.block = binary.AppendUvarint(w.block, uint64(len(value)))
	w.block = append(w.block, key...)
	w.block = append(w.block, value...)
	w.last = append(w.last[:0], key...)
	w.sum.Records++
	w.sum.RawBytes += int64(len(key) + len(value))
	return nil
}

// Close writes the trailer. Of the summary it sets Records and RawBytes itself.
// Without it the stream is no backup.
func (w *Writer) Close(s Summary) (Summary, error) {
	if err := w.flush(); err != nil {
		return s, err
	}
	s.Records, s.RawBytes = w.sum.Records, w.sum.RawBytes
	body := appendSummary(nil, &s)
	body = binary.LittleEndian.AppendUint64(body, w.blocks)
	body = w.hash.Sum(body)
	return s, w.write(appendFrame(nil, w.offset, kindTrailer, codecNone, len(body), body))
}

// Bytes returns how long the stream is so far, in bytes.
func (w *Writer) Bytes() int64 { return w.offset }

func (w *Writer) flush() error {
	if w.err != nil || len(w.block) == 0 {
		return w.err
	}
	codec, body := byte(codecZstd), w.zstd.EncodeAll(w.block, nil)
	if len(body) >= len(w.block) {
		codec, body = codecNone, w.block
	}
	w.frame = appendFrame(w.frame[:0], w.offset, kindBlock, codec, len(w.block), body)
	w.blocks++
	w.block = w.block[:0]
	if cap(w.block) > 4*blockBytes { // one large row
		w.block = nil
	}
	err := w.write(w.frame)
	if cap(w.frame) > 4*blockBytes {
		w.frame = nil
	}
	return err
}

func (w *Writer) write(b []byte) error {
	w.hash.Write(b)
	w.offset += int64(len(b))
	_, w.err = w.w.Write(b)
	return w.err
}

// appendFrame appends the frame that begins at offset in the stream.
func appendFrame(b []byte, offset int64, kind, codec byte, raw int, body []byte) []byte {
	start := len(b)
	b = append(b, kind, codec, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(raw))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, sum(offset, b[start:]))
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, sum(offset, b[start:]))
}
