package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// recover reads the log of the directory: it checks everything, and changes
// nothing until that is done. It returns the names of files that are not
// needed.
func (l *Log) recover() (garbage []string, err error) {
	names, err := l.opts.FS.List(l.opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	slices.Sort(names)
	var seqs []uint64
	for _, name := range names {
		if seq, ok := segmentSeq(name); ok {
			seqs = append(seqs, seq)
		} else if strings.HasSuffix(name, spareSuffix) {
			garbage = append(garbage, name)
		}
	}
	if len(seqs) == 0 {
		if l.opts.MustExist {
			return nil, fmt.Errorf("%w: no segment is in %s", ErrMissing, l.opts.Dir)
		}
		return garbage, nil
	}
	slices.Sort(seqs)

	rec := recovery{log: l, gaps: make(map[*Group]error)}
	defer rec.close()
	last, lastFrame, err := rec.readLast(seqs[len(seqs)-1])
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		if seq <= l.obsolete {
			garbage = append(garbage, segmentName(seq))
		}
	}
	if err := rec.readAll(last); err != nil {
		return nil, err
	}
	if err := rec.settle(last, lastFrame); err != nil {
		return nil, err
	}
	l.segments, rec.segments = rec.segments, nil
	return garbage, nil
}

// recovery is the reading of a log.
type recovery struct {
	log      *Log
	segments []*segment // held until they are the log's
	prevSalt uint64     // as the header read last says
	prevEnd  int64
	gaps     map[*Group]error // where entries began behind a gap
}

func (rec *recovery) close() {
	for _, s := range rec.segments {
		s.release()
	}
}

// open opens a segment and reads its header.
func (rec *recovery) open(seq uint64, forWriting bool) (*segment, error) {
	l := rec.log
	s := &segment{seq: seq, path: l.path(segmentName(seq))}
	var err error
	if forWriting {
		s.file, err = l.opts.FS.OpenReadWrite(s.path, diskCategory)
	} else {
		s.file, err = l.opts.FS.Open(s.path)
	}
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	s.refs.Store(1)
	rec.segments = append(rec.segments, s)
	info, err := s.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	s.size = info.Size()
	b := make([]byte, headerBytes)
	if n, err := s.file.ReadAt(b, 0); n < headerBytes {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, s.corrupt(0, "shorter than a header")
		}
		return nil, fmt.Errorf("raftlog: reading %s: %w", s.path, err)
	}
	h, ok := parseHeader(b)
	switch {
	case !ok:
		return nil, s.corrupt(0, "the header's checksum does not fit")
	case h.version != formatVersion:
		return nil, &VersionError{File: s.path, Version: h.version}
	case h.store != 0 && l.opts.StoreID != 0 && h.store != l.opts.StoreID:
		return nil, &StrangerError{File: s.path, StoreID: h.store, Want: l.opts.StoreID}
	case h.seq != seq:
		return nil, s.corrupt(0, fmt.Sprintf("header of segment %d", h.seq))
	}
	s.salt, rec.prevSalt, rec.prevEnd = h.salt, h.prevSalt, h.prevEnd
	return s, nil
}

// readLast checks the last segment and finds where it ends, where its last
// frame begins, and which segments are obsolete.
func (rec *recovery) readLast(seq uint64) (s *segment, lastFrame int64, err error) {
	if s, err = rec.open(seq, true); err != nil {
		return nil, 0, err
	}
	sealed := false
	end, lastFrame, err := s.scan(s.size, func(r record) error {
		switch r.kind {
		case kindObsolete:
			rec.log.obsolete = max(rec.log.obsolete, r.mark.Index)
		case kindSealed:
			sealed = true
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, 0, err
	case lastFrame == 0:
		return nil, 0, s.corrupt(headerBytes, "bad first frame")
	case sealed:
		return nil, 0, &CorruptError{
			File:   rec.log.path(segmentName(seq + 1)),
			Detail: "the segment is missing: the one before it says that it exists",
		}
	case rec.log.obsolete >= seq:
		return nil, 0, s.corrupt(lastFrame, "the segment says that it is obsolete")
	}
	behind, err := s.findFrame(end + frameAlign)
	if err != nil {
		return nil, 0, err
	}
	if behind > 0 {
		return nil, 0, s.corrupt(end, fmt.Sprintf("bad frame, with a valid one behind it at %d", behind))
	}
	s.end = end
	return s, lastFrame, nil
}

// readAll reads the segments that are not obsolete and builds the groups.
func (rec *recovery) readAll(last *segment) error {
	l := rec.log
	l.stats.RecoveredFrom = l.obsolete + 1
	// Backwards, since each segment says where the one before it ended.
	for seq := last.seq - 1; seq > l.obsolete; seq-- {
		prevSalt, prevEnd := rec.prevSalt, rec.prevEnd
		path := l.path(segmentName(seq))
		if _, err := l.opts.FS.Stat(path); oserror.IsNotExist(err) {
			return &CorruptError{File: path, Detail: "the segment is missing"}
		}
		s, err := rec.open(seq, false)
		if err != nil {
			return err
		}
		if s.salt != prevSalt {
			return s.corrupt(0, "not the file that the next segment continues")
		}
		s.end = prevEnd
	}
	slices.Reverse(rec.segments)
	for _, s := range rec.segments {
		end, _, err := s.scan(s.end, func(r record) error { return rec.apply(s, &r) })
		if err != nil {
			return err
		}
		if end != s.end {
			return s.corrupt(end, fmt.Sprintf("bad frame before the end at %d", s.end))
		}
	}
	for g, gap := range rec.gaps {
		if g.state.base > g.state.mark.Index {
			return gap
		}
	}
	return nil
}

// apply changes the state of a group as a record says.
func (rec *recovery) apply(s *segment, r *record) error {
	l := rec.log
	switch r.kind {
	case kindObsolete, kindSealed, kindClosed:
		return nil
	}
	g := l.group(r.group)
	switch r.kind {
	case kindDrop:
		g.state.drop(&l.cache)
	case kindReset:
		g.state.reset(&l.cache, r.mark)
	case kindMark:
		g.state.compact(&l.cache, r.mark)
	case kindHardState:
		g.state.hs = r.hs
	case kindEntries:
		var terms []termRun
		ok := eachEntry(r.payload, func(index, term uint64, _ raftpb.EntryType, _ []byte) {
			if k := len(terms); k == 0 || terms[k-1].term != term {
				terms = append(terms, termRun{index, term})
			}
		})
		if !ok {
			return errRecord
		}
		x := &run{first: r.first, count: r.count, seg: s, off: r.off, size: len(r.payload)}
		if g.state.add(&l.cache, x, terms) {
			rec.gaps[g] = s.corrupt(r.off, fmt.Sprintf("group %d: entries before %d are missing", g.id, r.first))
		}
	}
	return nil
}

// settle makes sure that what was read stays. A process that was killed, or
// whose sync failed, may have left the last frame in the page cache only;
// after a failed sync another one does not write it, so it is written again.
func (rec *recovery) settle(last *segment, lastFrame int64) error {
	n := min(last.end, last.size) - lastFrame
	b := make([]byte, n)
	_, err := last.file.ReadAt(b, lastFrame)
	if err == nil || errors.Is(err, io.EOF) {
		_, err = last.file.WriteAt(b, lastFrame)
	}
	if err == nil {
		err = rec.log.syncAll(last.file)
	}
	if err != nil {
		return fmt.Errorf("raftlog: writing the end of %s again: %w", last.path, err)
	}
	if torn, err := last.tornBytes(); err != nil {
		return err
	} else if torn > 0 {
		rec.log.stats.CutTailBytes = torn
		rec.log.warn("left out a frame that was not written to its end",
			"file", last.path, "offset", last.end, "bytes", torn)
	}
	return nil
}

// tornBytes returns how many bytes behind the end belong to a frame that was
// begun. Of a frame whose beginning is missing nothing is known.
func (s *segment) tornBytes() (int64, error) {
	w := window{file: s.file, path: s.path, size: s.size}
	b, err := w.at(s.end, frameBytes)
	if err != nil || b == nil || binary.LittleEndian.Uint64(b) != s.at(s.end).tag() {
		return 0, err
	}
	return frameBytes + int64(binary.LittleEndian.Uint32(b[8:])), nil
}

// scan calls fn for the records of all frames from the first on, up to limit
// or a bad frame. It returns where the good ones end and where the last of
// them begins, 0 if there is none.
func (s *segment) scan(limit int64, fn func(record) error) (end, last int64, err error) {
	w := window{file: s.file, path: s.path, size: s.size}
	end = headerBytes
	for end < limit {
		body, err := s.frame(&w, end)
		if err != nil {
			return 0, 0, err
		}
		if body == nil {
			break
		}
		size := int64(len(body))
		for off := end + frameBytes; len(body) > 0; {
			r, rest, err := parseRecord(body, off)
			if err == nil {
				err = fn(r)
			}
			if err != nil {
				return 0, 0, s.corrupt(off, err.Error())
			}
			off += int64(len(body) - len(rest))
			body = rest
		}
		end, last = frameEnd(end, size), end
	}
	return end, last, nil
}

// frame returns the body of the frame at off, nil if there is no valid one.
func (s *segment) frame(w *window, off int64) ([]byte, error) {
	b, err := w.at(off, frameBytes)
	if err != nil || b == nil {
		return nil, err
	}
	p := s.at(off)
	n := int64(binary.LittleEndian.Uint32(b[8:]))
	sum := binary.LittleEndian.Uint32(b[12:])
	if binary.LittleEndian.Uint64(b) != p.tag() || n == 0 || n > frameMaxBytes {
		return nil, nil
	}
	body, err := w.at(off+frameBytes, n)
	if err != nil || body == nil || frameSum(p, body) != sum {
		return nil, err
	}
	return body, nil
}

// findFrame returns the offset of the first valid frame at off or behind it,
// 0 if there is none.
func (s *segment) findFrame(off int64) (int64, error) {
	w := window{file: s.file, path: s.path, size: s.size}
	for ; off+frameBytes <= s.size; off += frameAlign {
		b, err := w.at(off, frameBytes)
		if err != nil {
			return 0, err
		}
		if binary.LittleEndian.Uint64(b) != s.at(off).tag() {
			continue
		}
		// Frames are read through a window of their own, or each candidate
		// would move this one.
		body, err := s.frame(&window{file: s.file, path: s.path, size: s.size}, off)
		if err != nil {
			return 0, err
		}
		if body != nil {
			return off, nil
		}
	}
	return 0, nil
}

// window reads a file through a buffer.
type window struct {
	file vfs.File
	path string
	size int64
	buf  []byte
	off  int64 // of buf in the file
}

const windowBytes = 1 << 20

// at returns n bytes at off, valid until the next call; nil when the file ends
// before them.
func (w *window) at(off, n int64) ([]byte, error) {
	if off < 0 || n > w.size-off {
		return nil, nil
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		size := min(max(n, windowBytes), w.size-off)
		if int64(cap(w.buf)) < size {
			w.buf = make([]byte, size)
		}
		w.buf, w.off = w.buf[:size], off
		if k, err := w.file.ReadAt(w.buf, off); int64(k) < size {
			w.buf = w.buf[:0]
			return nil, fmt.Errorf("raftlog: reading %s at %d: %w", w.path, off, err)
		}
	}
	from := off - w.off
	return w.buf[from : from+n : from+n], nil
}
