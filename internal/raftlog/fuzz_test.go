package raftlog

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fuzzSalt is the salt of the segments that FuzzOpen starts from, so that the
// corpus stays valid.
const fuzzSalt = 0x6b616875

// fuzzSegment makes the bytes of a segment with these frames.
func fuzzSegment(seq uint64, bodies ...[]byte) []byte {
	b := (&header{version: formatVersion, seq: seq, salt: fuzzSalt}).append(nil)
	for _, body := range bodies {
		start := len(b)
		b = append(append(b, make([]byte, frameBytes)...), body...)
		b = finishFrame(b, start, place{seq, fuzzSalt, int64(start)})
	}
	return append(b, make([]byte, 256)...)
}

// reseal gives a segment of the fuzzer valid checksums, so that what is behind
// them is reached.
func reseal(b []byte) {
	if len(b) < headerBytes {
		return
	}
	h := header{version: formatVersion, seq: 1, salt: fuzzSalt}
	copy(b, h.append(nil))
	for off := headerBytes; off+frameBytes < len(b); {
		n := int(b[off+8]) | int(b[off+9])<<8
		if n == 0 || off+frameBytes+n > len(b) {
			return
		}
		finishFrame(b[:off+frameBytes+n:off+frameBytes+n], off, place{1, fuzzSalt, int64(off)})
		off = int(frameEnd(int64(off), int64(n)))
	}
}

// FuzzOpen opens a log of one arbitrary segment: either it is refused and left
// alone, or the log works.
func FuzzOpen(f *testing.F) {
	state := appendRecord(nil, kindObsolete, 0, 0)
	ents := func(off int64, first uint64, data string) []byte {
		b, _ := appendEntries(nil, place{1, fuzzSalt, off}, 1, entries(first, 1, 2, data))
		return b
	}
	at := frameEnd(headerBytes, int64(len(state))) + frameBytes
	for _, seed := range [][]byte{
		{},
		fuzzSegment(1),
		fuzzSegment(1, state),
		fuzzSegment(1, state, ents(at, 1, "a")),
		fuzzSegment(1, state, ents(at, 5, "gap")),
		fuzzSegment(1, state, append(appendRecord(nil, kindMark, 1, 9, 1), appendHardState(nil, 1, hardState{1, 2, 3})...)),
		fuzzSegment(1, state, append(appendRecord(nil, kindReset, 1, 9, 1), appendRecord(nil, kindDrop, 1)...)),
		fuzzSegment(1, state, appendRecord(nil, kindSealed, 0)),
		fuzzSegment(1, state, appendRecord(nil, kindClosed, 0)),
		fuzzSegment(1, state, appendRecord(nil, kindObsolete, 0, 1)),
		fuzzSegment(2, state),
		fuzzSegment(1, state, []byte{99, 1, 0, 0, 0, 0}),
		fuzzSegment(1, state, []byte{1, 1, 255, 255, 255, 255}),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		disk := vfs.NewMem()
		if err := disk.MkdirAll(testDir, 0o755); err != nil {
			t.Fatal(err)
		}
		data = append([]byte(nil), data...)
		if sealed {
			reseal(data)
		}
		path := disk.PathJoin(testDir, segmentName(1))
		writeFile(t, disk, path, data)
		l, err := Open(testOptions(Options{FS: disk, SegmentBytes: segmentMinBytes}))
		if err != nil {
			var ce *CorruptError
			var ve *VersionError
			if !errors.As(err, &ce) && !errors.As(err, &ve) {
				t.Fatal(err)
			}
			if len(segmentNames(t, disk, testDir)) != 1 || string(readFile(t, disk, path)) != string(data) {
				t.Fatal("a refused log was changed")
			}
			return
		}
		for _, id := range l.Groups() {
			g := l.Group(id)
			first, _ := g.FirstIndex()
			last, _ := g.LastIndex()
			if _, err := g.Term(first - 1); err != nil {
				t.Fatal(err)
			}
			if first <= last {
				// The checksum of a record may be wrong in a frame that the
				// fuzzer gave a good one.
				var ce *CorruptError
				if got, err := g.Entries(first, last+1, 1<<10); err == nil && len(got) == 0 || err != nil && !errors.As(err, &ce) {
					t.Fatal(got, err)
				}
				if _, err := g.Term(last); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := show(l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, Options{FS: disk, SegmentBytes: segmentMinBytes})
		defer closeLog(t, l)
		if got := show(l); got != before {
			t.Fatalf("got %s, want %s", got, before)
		}
	})
}
