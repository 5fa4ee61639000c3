package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// frameAt is where a frame stands, without its padding.
type frameAt struct {
	file     string
	off, end int64
}

// filled is the disk of a log that was killed: writes of one frame each, and
// where these are.
type filled struct {
	fs     *vfs.MemFS
	model  *model
	frames []frameAt // of write i
}

func fill(t testing.TB, writes int) *filled {
	t.Helper()
	mem := vfs.NewCrashableMem()
	f := &filled{model: &model{}}
	l := openTest(t, Options{FS: mem})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range uint64(writes) {
		w := Write{
			Group:     1 + i%2,
			HardState: hard(1, 1, i),
			Entries:   entries(1+i/2, 1, 1, strings.Repeat("x", rng.IntN(900))),
		}
		f.model.append(l, w, func(err error) { t.Error(err) })
		f.model.wait(l)
		l.mu.RLock()
		s := l.segments[len(l.segments)-1]
		f.frames = append(f.frames, frameAt{file: s.path, end: s.end})
		l.mu.RUnlock()
	}
	f.fs = crash(mem)
	closeLog(t, l)
	for i := range f.frames {
		fr := &f.frames[i]
		if i > 0 && f.frames[i-1].file == fr.file {
			fr.off = (f.frames[i-1].end + frameAlign - 1) / frameAlign * frameAlign
		} else {
			b := readFile(t, f.fs, fr.file)
			fr.off = frameEnd(headerBytes, int64(binary.LittleEndian.Uint32(b[headerBytes+8:])))
		}
		b := readFile(t, f.fs, fr.file)
		fr.end = fr.off + frameBytes + int64(binary.LittleEndian.Uint32(b[fr.off+8:]))
	}
	return f
}

// withChange returns the disk with one file changed; nil removes it.
func (f *filled) withChange(t testing.TB, path string, change func([]byte) []byte) *vfs.MemFS {
	t.Helper()
	disk := crash(f.fs)
	b := change(readFile(t, disk, path))
	if b == nil {
		if err := disk.Remove(path); err != nil {
			t.Fatal(err)
		}
		return disk
	}
	writeFile(t, disk, path, b)
	return disk
}

// TestTornTail cuts or garbles the last segment at every kind of byte: what
// was whole before is there, and nothing else.
func TestTornTail(t *testing.T) {
	f := fill(t, 40)
	last := f.frames[len(f.frames)-1]
	rng := rand.New(rand.NewPCG(2, 2))
	first := slices.IndexFunc(f.frames, func(fr frameAt) bool { return fr.file == last.file })
	from := f.frames[first].off
	for i := range 300 {
		cut := from + rng.Int64N(last.end-from+1)
		garble := i%2 == 0
		disk := f.withChange(t, last.file, func(b []byte) []byte {
			if !garble {
				return b[:cut]
			}
			for j := cut; j < int64(len(b)); j++ {
				b[j] = ^b[j] ^ byte(rng.IntN(255)&0xf0)
			}
			return b
		})
		whole := 0
		for whole < len(f.frames) && (f.frames[whole].file != last.file || f.frames[whole].end <= cut) {
			whole++
		}
		l, err := Open(testOptions(Options{FS: disk}))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want := snapshot{writes: f.model.writes[:whole], acked: whole}
		if err := want.check(l); err != nil {
			t.Fatalf("cut at %d, %d whole frames: %v", cut, whole, err)
		}
		// The log goes on behind it.
		w := Write{Group: 77, Entries: entries(1, 1, 3, "more")}
		want.writes = append(slices.Clone(want.writes), modelWrite{Write: w})
		want.acked++
		mustAppend(t, l, w)
		again := crash(disk)
		closeLog(t, l)
		l = openTest(t, Options{FS: again})
		if err := want.check(l); err != nil {
			t.Fatalf("cut at %d, reopened: %v", cut, err)
		}
		closeLog(t, l)
	}
}

// TestDamage changes one byte anywhere in a log and expects to be told where,
// with nothing changed on disk (LOG-2).
func TestDamage(t *testing.T) {
	f := fill(t, 40)
	last := f.frames[len(f.frames)-1]
	rng := rand.New(rand.NewPCG(3, 3))
	expect := func(path string, at, want int64) {
		t.Helper()
		disk := f.withChange(t, path, func(b []byte) []byte {
			b[at] ^= byte(1 << rng.IntN(8))
			return b
		})
		before := files(t, disk, testDir)
		_, err := Open(testOptions(Options{FS: disk}))
		var ce *CorruptError
		if !errors.As(err, &ce) {
			t.Fatalf("byte %d of %s changed: %v", at, path, err)
		}
		if ce.File != path || ce.Offset != want {
			t.Fatalf("byte %d of %s changed, in the frame at %d: %v", at, path, want, err)
		}
		if !maps.Equal(before, files(t, disk, testDir)) {
			t.Fatalf("byte %d of %s changed: Open changed the directory", at, path)
		}
	}
	for range 300 {
		fr := f.frames[rng.IntN(len(f.frames)-1)]
		expect(fr.file, fr.off+rng.Int64N(fr.end-fr.off), fr.off)
	}
	for _, name := range segmentNames(t, f.fs, testDir) {
		path := f.fs.PathJoin(testDir, name)
		for at := range int64(headerBytes) {
			expect(path, at, 0)
		}
		expect(path, headerBytes+rng.Int64N(frameBytes), headerBytes)
	}
	// The last frame may be torn, but not when a closing frame is behind it.
	disk := crash(f.fs)
	closeLog(t, openTest(t, Options{FS: disk}))
	l := openTest(t, Options{FS: disk})
	mustAppend(t, l, Write{Group: 1, HardState: hard(9, 9, 9)})
	path, off := l.segments[len(l.segments)-1].path, l.segments[len(l.segments)-1].end
	off -= frameEnd(0, int64(len(appendHardState(nil, 1, hardState{9, 9, 9}))))
	closeLog(t, l)
	f = &filled{fs: disk, frames: []frameAt{last}}
	expect(path, off+frameBytes, off)
}

func TestTruncatedMiddle(t *testing.T) {
	f := fill(t, 40)
	for i, fr := range f.frames {
		if fr.file == f.frames[len(f.frames)-1].file {
			break
		}
		disk := f.withChange(t, fr.file, func(b []byte) []byte { return b[:fr.end-1] })
		var ce *CorruptError
		if _, err := Open(testOptions(Options{FS: disk})); !errors.As(err, &ce) || ce.File != fr.file || ce.Offset != fr.off {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
}

// A segment has its name only when its first frame is on disk, so the last one
// without it is damaged, not torn.
func TestFirstFrameMissing(t *testing.T) {
	f := fill(t, 40)
	path := f.frames[len(f.frames)-1].file
	for _, size := range []int64{0, headerBytes - 1, headerBytes, headerBytes + frameBytes} {
		disk := f.withChange(t, path, func(b []byte) []byte { return append([]byte{}, b[:size]...) })
		want := int64(0)
		if size >= headerBytes {
			want = headerBytes
		}
		var ce *CorruptError
		if _, err := Open(testOptions(Options{FS: disk})); !errors.As(err, &ce) || ce.File != path || ce.Offset != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestMissingSegment(t *testing.T) {
	f := fill(t, 60)
	names := segmentNames(t, f.fs, testDir)
	if len(names) < 4 {
		t.Fatal(names)
	}
	for _, name := range names {
		path := f.fs.PathJoin(testDir, name)
		disk := f.withChange(t, path, func([]byte) []byte { return nil })
		before := files(t, disk, testDir)
		var ce *CorruptError
		if _, err := Open(testOptions(Options{FS: disk})); !errors.As(err, &ce) || ce.File != path {
			t.Errorf("without %s: %v", name, err)
		}
		if !maps.Equal(before, files(t, disk, testDir)) {
			t.Error("Open changed the directory")
		}
	}
	// A segment of the same number from another log is no replacement.
	other := fill(t, 60)
	for _, name := range names[:len(names)-1] {
		path := f.fs.PathJoin(testDir, name)
		disk := f.withChange(t, path, func([]byte) []byte { return readFile(t, other.fs, path) })
		var ce *CorruptError
		if _, err := Open(testOptions(Options{FS: disk})); !errors.As(err, &ce) || ce.File != path {
			t.Errorf("foreign %s: %v", name, err)
		}
	}
}

// TestMustExist: a log that must be there is not begun anew.
func TestMustExist(t *testing.T) {
	disk := vfs.NewMem()
	_, err := Open(testOptions(Options{FS: disk, MustExist: true}))
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), testDir) {
		t.Fatal(err)
	}
	if names := segmentNames(t, disk, testDir); len(names) > 0 {
		t.Fatal(names)
	}
	closeLog(t, openTest(t, Options{FS: disk}))
	closeLog(t, openTest(t, Options{FS: disk, MustExist: true}))
}

// TestVersion: a version that is not known is told from damage by the checksum
// of the header, which every version has in its place.
func TestVersion(t *testing.T) {
	f := fill(t, 3)
	path := f.frames[0].file
	disk := f.withChange(t, path, func(b []byte) []byte {
		b[8] = 9
		binary.LittleEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
		return b
	})
	before := files(t, disk, testDir)
	_, err := Open(testOptions(Options{FS: disk}))
	var ve *VersionError
	if !errors.As(err, &ve) || ve.Version != 9 || ve.File != path || !strings.Contains(err.Error(), "newer") {
		t.Fatal(err)
	}
	if !maps.Equal(before, files(t, disk, testDir)) {
		t.Fatal("Open changed the directory")
	}
}

// TestForeignFrames puts frames where they do not belong behind the end of a
// log: none of them is taken for its own, nor for damage.
func TestForeignFrames(t *testing.T) {
	f := fill(t, 30)
	other := fill(t, 30)
	last := f.frames[len(f.frames)-1]
	end := (last.end + frameAlign - 1) / frameAlign * frameAlign
	want := snapshot{writes: f.model.writes, acked: len(f.model.writes)}
	check := func(name string, change func(b []byte) []byte) {
		t.Helper()
		l, err := Open(testOptions(Options{FS: f.withChange(t, last.file, change)}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer closeLog(t, l)
		if err := want.check(l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	check("nothing", func(b []byte) []byte { return b })
	check("a frame of its own, moved", func(b []byte) []byte {
		for _, fr := range f.frames[:len(f.frames)-2] { // would undo what came after it
			if n := fr.end - fr.off; fr.file == last.file && end+n <= int64(len(b)) {
				copy(b[end:], b[fr.off:fr.end])
				return b
			}
		}
		t.Fatal("the test proves nothing: no frame fits")
		return nil
	})
	check("the frame of an older segment", func(b []byte) []byte {
		for _, fr := range f.frames {
			if fr.file != last.file && end+fr.end-fr.off <= int64(len(b)) {
				copy(b[end:], readFile(t, f.fs, fr.file)[fr.off:fr.end])
			}
		}
		return b
	})
	check("the end of another log's segment of this number, in its place", func(b []byte) []byte {
		copy(b[end:], readFile(t, other.fs, last.file)[end:])
		return b
	})
	rng := rand.New(rand.NewPCG(4, 4))
	check("the same of a longer one", func(b []byte) []byte {
		longer := fill(t, 60)
		copy(b[end:], readFile(t, longer.fs, last.file)[end:])
		return b
	})
	check("noise", func(b []byte) []byte {
		for i := end; i < int64(len(b)); i++ {
			b[i] = byte(rng.Uint32())
		}
		return b
	})
}

// TestForgedFrame stores a value that is a valid frame but for the salt, which
// a client cannot know, and tears the frame around it. With the salt, it would
// look like damage.
func TestForgedFrame(t *testing.T) {
	for _, knowsSalt := range []bool{false, true} {
		disk := vfs.NewCrashableMem()
		l := openTest(t, Options{FS: disk})
		s := l.active()
		salt := s.salt
		if !knowsSalt {
			salt++
		}
		const before = frameBytes + 16 // what stands before the value
		at := s.end + before
		value := append(make([]byte, frameBytes), appendHardState(nil, 1, hardState{66, 66, 66})...)
		value = finishFrame(value, 0, place{s.seq, salt, at})
		value = append(value, make([]byte, 1024)...)
		mustAppend(t, l, Write{Group: 1, Entries: []*raftpb.Entry{entry(1, 1, string(value))}})
		image := crash(disk)
		closeLog(t, l)

		b := readFile(t, image, s.path)
		if string(b[at:at+64]) != string(value[:64]) {
			t.Fatal("the value is not where the test believes")
		}
		b[at+500] ^= 1
		writeFile(t, image, s.path, b)
		l, err := Open(testOptions(Options{FS: image}))
		if knowsSalt {
			if ce := (*CorruptError)(nil); !errors.As(err, &ce) {
				t.Fatal("the control failed: ", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if ids := l.Groups(); len(ids) != 0 {
			t.Fatal("something was made of a torn frame: ", ids)
		}
		if l.Stats().CutTailBytes == 0 {
			t.Fatal("the torn frame was not noticed")
		}
		closeLog(t, l)
	}
}

// Entries that follow on nothing are damage, unless a mark behind them covers
// the gap: then their predecessors were in a segment that is gone.
func TestGap(t *testing.T) {
	for _, covered := range []bool{false, true} {
		state := appendRecord(nil, kindObsolete, 0, 0)
		at := frameEnd(headerBytes, int64(len(state))) + frameBytes
		body, payload := appendEntries(nil, place{1, fuzzSalt, at}, 1, entries(5, 1, 3, "a"))
		if covered {
			body = appendRecord(body, kindMark, 1, 6, 1)
		}
		disk := vfs.NewMem()
		if err := disk.MkdirAll(testDir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := disk.PathJoin(testDir, segmentName(1))
		writeFile(t, disk, path, fuzzSegment(1, state, body))
		l, err := Open(testOptions(Options{FS: disk}))
		if !covered {
			var ce *CorruptError
			if !errors.As(err, &ce) || ce.File != path || ce.Offset != at+int64(payload) {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.Group(1).Entries(7, 8, 100); err != nil || !sameEntry(got[0], entry(7, 1, "a/7")) {
			t.Fatal(got, err)
		}
		closeLog(t, l)
	}
}

// A mark that is written twice, the second time with an older value, does not
// bring entries back.
func TestOldMark(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll(testDir, 0o755); err != nil {
		t.Fatal(err)
	}
	state := appendRecord(nil, kindMark, 1, 9, 4)
	writeFile(t, disk, disk.PathJoin(testDir, segmentName(1)), fuzzSegment(1, state, appendRecord(nil, kindMark, 1, 5, 3)))
	l := openTest(t, Options{FS: disk})
	defer closeLog(t, l)
	if first, _ := l.Group(1).FirstIndex(); first != 10 {
		t.Fatal(first)
	}
}

// A read of old entries checks them again.
func TestDamageWhileOpen(t *testing.T) {
	disk := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: disk, CacheBytes: 1})
	defer closeLog(t, l)
	mustAppend(t, l, Write{Group: 1, Entries: entries(1, 1, 2, strings.Repeat("value", 20))})
	g := l.Group(1)
	if _, err := g.Entries(1, 3, 100); err != nil {
		t.Fatal(err)
	}
	s := l.active()
	if _, err := s.file.WriteAt([]byte("?"), s.end-20); err != nil {
		t.Fatal(err)
	}
	var ce *CorruptError
	if _, err := g.Entries(1, 3, 100); !errors.As(err, &ce) || ce.File != s.path || ce.Error() == "" {
		t.Fatal(err)
	}
}

// Segments that nobody needs may be there or not, whole or not.
func TestObsoleteSegments(t *testing.T) {
	mem := vfs.NewCrashableMem()
	stuck := &hookFS{FS: mem, before: func(o op, path string) error {
		if o == opRemove || o == opRename && strings.HasSuffix(path, spareSuffix) {
			return errors.New("stuck")
		}
		return nil
	}}
	l := openTest(t, Options{FS: stuck})
	for i := range uint64(100) {
		mustAppend(t, l, Write{Group: 1, Entries: entries(1+i, 1, 1, strings.Repeat("x", 500))})
		if i%10 == 9 {
			if err := l.Group(1).Compact(i + 1); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, Write{MustSync: true, Group: 1, HardState: hard(1, 1, i)})
		}
	}
	disk := crash(mem)
	closeLog(t, l)
	names := segmentNames(t, disk, testDir)
	if len(names) < 6 {
		t.Fatal(names)
	}
	for i, name := range names[:4] {
		path := disk.PathJoin(testDir, name)
		if i%2 == 0 {
			if err := disk.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			writeFile(t, disk, path, []byte(fmt.Sprint("reused ", i)))
		}
	}
	l = openTest(t, Options{FS: disk})
	defer closeLog(t, l)
	if last, _ := l.Group(1).LastIndex(); last != 100 {
		t.Fatal(last)
	}
	for _, name := range segmentNames(t, disk, testDir) {
		if slices.Contains(names[:4], name) {
			t.Error("left: ", name)
		}
	}
}
