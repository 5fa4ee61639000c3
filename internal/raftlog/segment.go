package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	segmentSuffix = ".rlog"
	spareSuffix   = ".tmp"
	lockName      = "LOCK"

	// firstSegmentBytes is the size of the first segment after Open.
	firstSegmentBytes = 256 << 10
	segmentGrowth     = 4

	// diskCategory is what the file system accounts the writes to.
	diskCategory vfs.DiskWriteCategory = "kahuna-raftlog"
)

func segmentName(seq uint64) string { return fmt.Sprintf("%06d%s", seq, segmentSuffix) }

// segmentSeq returns the number of a segment's name.
func segmentSeq(name string) (seq uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil && seq > 0 && segmentName(seq) == name
}

// segment is one file of the log.
type segment struct {
	seq, salt uint64
	path      string
	file      vfs.File
	size      int64 // of the file
	end       int64 // of what is valid; written by the writer under log.mu
	reusable  bool  // the file was zeroed by this process and is open for writing
	live      int   // runs that are needed, guarded by log.mu

	refs    atomic.Int32 // the log's own and one per reader
	retired *janitor     // set before the log gives up its reference, or nil
}

// at returns the place of offset off.
func (s *segment) at(off int64) place { return place{s.seq, s.salt, off} }

func (s *segment) hold() { s.refs.Add(1) }

// release gives a reference up. The last one closes the file, or gives it to
// the janitor when the log does not need it any more.
func (s *segment) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	if s.retired == nil || !s.retired.retire(s) {
		_ = s.file.Close()
	}
}

func (s *segment) corrupt(off int64, detail string) error {
	return &CorruptError{File: s.path, Offset: off, Detail: detail}
}

// read returns the entries [lo, hi) of the record whose payload of size bytes
// is at off.
func (s *segment) read(off int64, size int, lo, hi uint64) ([]*raftpb.Entry, error) {
	b := make([]byte, size)
	if n, err := s.file.ReadAt(b, off); n < size {
		if errors.Is(err, io.EOF) {
			return nil, s.corrupt(off, "the file ends within a record")
		}
		return nil, fmt.Errorf("raftlog: reading %s: %w", s.path, err)
	}
	if s.at(off).sum(b[4:]) != binary.LittleEndian.Uint32(b) {
		return nil, s.corrupt(off, "wrong checksum of a record")
	}
	ents, ok := decodeEntries(b, lo, hi)
	if !ok {
		return nil, s.corrupt(off, "malformed record")
	}
	return ents, nil
}
