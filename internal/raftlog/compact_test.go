package raftlog

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// Disk use reaches a plateau when groups are compacted, and an idle group
// loses nothing when the segments that it was written to go away (LOG-4).
func TestDiskPlateau(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs})
	mustAppend(t, l, Write{Group: 50, HardState: hard(7, 3, 2), Entries: entries(1, 7, 4, "idle")})
	mustAppend(t, l, Write{Group: 51, HardState: hard(8, 1, 0)})
	mustAppend(t, l, Write{Group: 52, Reset: Mark{40, 4}, HardState: hard(4, 4, 40)})
	mustAppend(t, l, Write{Group: 53, HardState: hard(8, 1, 0), Entries: entries(1, 1, 1, "x")})
	mustAppend(t, l, Write{Group: 53, Drop: true})
	if err := l.Group(50).Compact(4); err != nil {
		t.Fatal(err)
	}
	const keep = 20
	most := int64(0)
	for i := range uint64(1500) {
		id := 1 + i%2
		index := 1 + i/2
		mustAppend(t, l, Write{Group: id, Entries: entries(index, 1, 1, strings.Repeat("x", 300))})
		if index > keep && index%5 == 0 {
			if err := l.Group(id).Compact(index - keep); err != nil {
				t.Fatal(err)
			}
		}
		most = max(most, l.Stats().DiskBytes)
	}
	s := l.Stats()
	if most > 6*(8<<10) {
		t.Fatalf("%d bytes of disk for about %d of entries", most, 2*(keep+5)*320)
	}
	if s.SegmentsGone < 50 || s.FirstSegment < 50 {
		t.Fatalf("%+v", s)
	}
	before := show(l)
	images := []*vfs.MemFS{crash(fs)}
	closeLog(t, l)
	images = append(images, crash(fs))
	for i, image := range images {
		l = openTest(t, Options{FS: image})
		if got := show(l); i == 1 && got != before {
			t.Fatalf("got %s, want %s", got, before)
		}
		for id, want := range map[uint64]hardState{50: {7, 3, 2}, 51: {8, 1, 0}, 52: {4, 4, 40}, 53: {}} {
			if hs, _, _ := l.Group(id).InitialState(); hardStateOf(hs) != want {
				t.Errorf("group %d: %v, want %v", id, hs, want)
			}
		}
		if term, err := l.Group(50).Term(4); term != 7 || err != nil {
			t.Error(term, err)
		}
		if term, err := l.Group(52).Term(40); term != 4 || err != nil {
			t.Error(term, err)
		}
		if n := len(segmentNames(t, image, testDir)); n > 7 {
			t.Errorf("%d segments", n)
		}
		closeLog(t, l)
	}
}

// One entry that is still needed keeps its segment and those behind it, and
// nothing before it.
func TestOldestNeededSegment(t *testing.T) {
	l := openTest(t, Options{FS: vfs.NewMem()})
	defer closeLog(t, l)
	fill := func(group, from, to uint64) {
		t.Helper()
		for i := from; i <= to; i++ {
			mustAppend(t, l, Write{Group: group, Entries: entries(i, 1, 1, strings.Repeat("x", 700))})
		}
	}
	settle := func() Stats {
		t.Helper()
		for { // each frame may make another one worthwhile
			before := l.Stats().FirstSegment
			mustAppend(t, l, Write{Group: 3, MustSync: true, HardState: hard(1, 1, 1)})
			if s := l.Stats(); s.FirstSegment == before {
				return s
			}
		}
	}
	fill(1, 1, 40)
	at := l.Stats().LastSegment
	fill(2, 1, 1)
	fill(1, 41, 80)
	if err := l.Group(1).Compact(80); err != nil {
		t.Fatal(err)
	}
	if s := settle(); s.FirstSegment < at || s.FirstSegment > at+1 || s.LastSegment < at+3 {
		t.Fatalf("%d: %+v", at, s)
	}
	// Overwriting an entry frees its segment as well.
	fill(2, 1, 1)
	if s := settle(); s.FirstSegment < at+3 {
		t.Fatalf("%d: %+v", at, s)
	}
}

// What is read does not go away while it is read.
func TestReadOfOldSegment(t *testing.T) {
	disk := newBreakable()
	l := openTest(t, Options{FS: disk.fs, CacheBytes: 1})
	for i := range uint64(40) {
		mustAppend(t, l, Write{Group: 1, Entries: entries(1+i, 1, 1, strings.Repeat("x", 700))})
	}
	reading, proceed := make(chan struct{}), make(chan struct{})
	first := true
	disk.set(func(o op, path string) error {
		if o == opRead && first {
			first = false
			close(reading)
			<-proceed
		}
		return nil
	})
	type answer struct {
		ents []*raftpb.Entry
		err  error
	}
	done := make(chan answer)
	go func() {
		ents, err := l.Group(1).Entries(1, 11, ^uint64(0))
		done <- answer{ents, err}
	}()
	<-reading
	if err := l.Group(1).Compact(40); err != nil {
		t.Fatal(err)
	}
	for i := uint64(41); i < 100; i++ { // segments are made of old ones
		mustAppend(t, l, Write{Group: 1, Entries: entries(i, 1, 1, strings.Repeat("y", 700))})
		if err := l.Group(1).Compact(i); err != nil {
			t.Fatal(err)
		}
	}
	close(proceed)
	a := <-done
	if a.err != nil || len(a.ents) != 10 {
		t.Fatal(a.err, len(a.ents))
	}
	for i, e := range a.ents {
		if want := entries(uint64(i)+1, 1, 1, strings.Repeat("x", 700))[0]; !sameEntry(e, want) {
			t.Fatal(e)
		}
	}
	closeLog(t, l)
}

// The memory of entries is bounded over all groups, and its loss not visible.
func TestCacheIsBounded(t *testing.T) {
	const limit = 20 << 10
	reads := 0
	disk := newBreakable()
	l := openTest(t, Options{FS: disk.fs, CacheBytes: limit, SegmentBytes: 64 << 10})
	defer closeLog(t, l)
	for i := range uint64(300) {
		mustAppend(t, l, Write{Group: 1 + i%3, Entries: entries(1+i/3, 1, 1, strings.Repeat("x", 300))})
		if b := l.Stats().CacheBytes; b > limit {
			t.Fatal(b)
		}
	}
	disk.set(func(o op, path string) error {
		if o == opRead {
			reads++
		}
		return nil
	})
	for id := uint64(1); id <= 3; id++ {
		if got, err := l.Group(id).Entries(95, 101, ^uint64(0)); err != nil || len(got) != 6 {
			t.Fatal(got, err)
		}
		if reads > 0 {
			t.Fatal("recent entries were read from disk")
		}
	}
	for id := uint64(1); id <= 3; id++ {
		got, err := l.Group(id).Entries(1, 101, ^uint64(0))
		if err != nil || len(got) != 100 || reads == 0 {
			t.Fatal(len(got), err, reads)
		}
		for i, e := range got {
			if want := entries(uint64(i)+1, 1, 1, strings.Repeat("x", 300))[0]; !sameEntry(e, want) {
				t.Fatal(e)
			}
		}
	}
	// What is gone from the log is gone from memory.
	for id := uint64(1); id <= 3; id++ {
		if err := l.Group(id).Compact(100); err != nil {
			t.Fatal(err)
		}
	}
	if b := l.Stats().CacheBytes; b != 0 {
		t.Fatal(b)
	}
}
