package raftlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

func TestAppendReopen(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs})
	for i := range uint64(200) {
		mustAppend(t, l, Write{Group: 1 + i%3, HardState: hard(1, 2, i), Entries: entries(1+i/3, 1, 1, "a")})
	}
	if s := l.Stats(); s.Segments < 2 || s.Groups != 3 || s.Writes != 200 {
		t.Fatalf("%+v", s)
	}
	for name, b := range files(t, fs, testDir) { // written in place, never longer
		if strings.HasSuffix(name, segmentSuffix) && len(b) != 8<<10 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	closeLog(t, l)
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := appendWait(l, Write{Group: 1, MustSync: true}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := l.Group(1).Entries(1, 2, 1); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}

	l = openTest(t, Options{FS: crash(fs)})
	defer closeLog(t, l)
	for id := uint64(1); id <= 3; id++ {
		g := l.Group(id)
		last, _ := g.LastIndex()
		got, err := g.Entries(1, last+1, ^uint64(0))
		if err != nil || uint64(len(got)) != last {
			t.Fatal(err, len(got), last)
		}
		for i, e := range got {
			if want := entry(uint64(i)+1, 1, fmt.Sprintf("a/%d", i+1)); !sameEntry(e, want) {
				t.Fatal(e, want)
			}
		}
		if hs, cs, err := g.InitialState(); err != nil || hs.GetTerm() != 1 || hs.GetVote() != 2 || cs == nil {
			t.Fatal(hs, cs, err)
		}
	}
}

func TestStorageContract(t *testing.T) {
	l := openTest(t, Options{FS: vfs.NewMem()})
	defer closeLog(t, l)
	g := l.Group(7)
	if hs, cs, err := g.InitialState(); hs != nil || cs == nil || err != nil {
		t.Fatal(hs, cs, err)
	}
	g.SetConfState(&raftpb.ConfState{Voters: []uint64{1, 2}})
	if _, cs, _ := g.InitialState(); len(cs.GetVoters()) != 2 {
		t.Fatal(cs)
	}
	if _, err := g.Snapshot(); err != raft.ErrSnapshotTemporarilyUnavailable {
		t.Fatal(err)
	}
	want := &raftpb.Snapshot{Data: []byte("x")}
	g.SetSnapshot(func() (*raftpb.Snapshot, error) { return want, nil })
	if s, err := g.Snapshot(); s != want || err != nil {
		t.Fatal(s, err)
	}
	if term, err := g.Term(0); term != 0 || err != nil {
		t.Fatal(term, err)
	}
	if _, err := g.Term(1); err != raft.ErrUnavailable {
		t.Fatal(err)
	}

	mustAppend(t, l, Write{Group: 7, Entries: entries(1, 1, 5, "a")})
	mustAppend(t, l, Write{Group: 7, Entries: entries(6, 3, 5, "b")})
	if err := g.Compact(11); err != raft.ErrUnavailable {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Compact(3); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		lo, hi uint64
		err    error
	}{{3, 5, raft.ErrCompacted}, {4, 12, raft.ErrUnavailable}, {4, 11, nil}, {10, 11, nil}, {5, 5, nil}, {11, 11, nil}} {
		got, err := g.Entries(c.lo, c.hi, ^uint64(0))
		if err != c.err || err == nil && uint64(len(got)) != c.hi-c.lo {
			t.Errorf("[%d,%d): %v %v", c.lo, c.hi, got, err)
		}
	}
	if got, err := g.Entries(4, 11, 0); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	for i, want := range map[uint64]uint64{3: 1, 4: 1, 5: 1, 6: 3, 10: 3} {
		if term, err := g.Term(i); err != nil || term != want {
			t.Errorf("term of %d: %d %v", i, term, err)
		}
	}
	if _, err := g.Term(2); err != raft.ErrCompacted {
		t.Fatal(err)
	}
	if err := g.Compact(10); err != nil {
		t.Fatal(err)
	}
	if term, err := g.Term(10); term != 3 || err != nil {
		t.Fatal(term, err)
	}
	if first, _ := g.FirstIndex(); first != 11 {
		t.Fatal(first)
	}

	// A snapshot that was installed, and the entry behind it.
	mustAppend(t, l, Write{Group: 7, Reset: Mark{100, 9}, HardState: hard(9, 0, 100), Entries: entries(101, 9, 1, "c")})
	if first, _ := g.FirstIndex(); first != 101 {
		t.Fatal(first)
	}
	if term, err := g.Term(100); term != 9 || err != nil {
		t.Fatal(term, err)
	}
	// What is compacted already is skipped.
	mustAppend(t, l, Write{Group: 7, Entries: entries(99, 9, 4, "d")})
	if got, err := g.Entries(101, 103, ^uint64(0)); err != nil || string(got[0].GetData()) != "d/101" {
		t.Fatal(got, err)
	}
	mustAppend(t, l, Write{Group: 7, Drop: true})
	if ids := l.Groups(); len(ids) != 0 {
		t.Fatal(ids)
	}
}

func TestInvalidWrites(t *testing.T) {
	l := openTest(t, Options{FS: vfs.NewMem()})
	defer closeLog(t, l)
	mustAppend(t, l, Write{Group: 1, Entries: entries(1, 1, 3, "a")})
	negative := entry(4, 1, "")
	negative.Type = raftpb.EntryType(-1).Enum()
	for name, ents := range map[string][]*raftpb.Entry{
		"gap":       entries(5, 1, 1, "x"),
		"zero":      entries(0, 1, 2, "x"),
		"hole":      {entry(4, 1, ""), entry(6, 1, "")},
		"nil":       {entry(4, 1, ""), nil},
		"type":      {negative},
		"backwards": {entry(4, 1, ""), entry(3, 1, "")},
	} {
		if err := appendWait(l, Write{Group: 1, HardState: hard(8, 8, 8), Entries: ents}); !errors.Is(err, ErrInvalidWrite) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if hs, _, _ := l.Group(1).InitialState(); hs != nil {
		t.Fatal("a refused write had an effect: ", hs)
	}
	mustAppend(t, l, Write{Group: 1, Entries: entries(4, 1, 3, "a")})
}

// A commit index alone does not cost a sync, a vote always does.
func TestLazyCommit(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs})
	g := l.Group(1)
	mustAppend(t, l, Write{Group: 1, HardState: hard(1, 1, 0)})
	before := l.Stats().Syncs
	for i := range uint64(10) {
		mustAppend(t, l, Write{Group: 1, HardState: hard(1, 1, i+1)})
	}
	if hs, _, _ := g.InitialState(); hs.GetCommit() != 10 {
		t.Fatal(hs)
	}
	if n := l.Stats().Syncs; n != before {
		t.Fatalf("%d syncs for commit indexes", n-before)
	}
	mustAppend(t, l, Write{Group: 1, HardState: hard(1, 2, 10)})
	if n := l.Stats().Syncs; n != before+1 {
		t.Fatal("a vote was not synced")
	}
	mustAppend(t, l, Write{Group: 1, HardState: hard(1, 2, 11)})
	mustAppend(t, l, Write{Group: 2, MustSync: true, HardState: hard(1, 1, 1)})
	l2 := openTest(t, Options{FS: crash(fs)})
	if hs, _, _ := l2.Group(1).InitialState(); hs.GetVote() != 2 || hs.GetCommit() != 11 {
		t.Fatal(hs)
	}
	closeLog(t, l2)
	mustAppend(t, l, Write{Group: 1, HardState: hard(1, 2, 12)})
	closeLog(t, l)
	l2 = openTest(t, Options{FS: crash(fs)})
	defer closeLog(t, l2)
	if hs, _, _ := l2.Group(1).InitialState(); hs.GetCommit() != 12 {
		t.Fatal("close forgot the commit index: ", hs)
	}
}

func TestTruncateAcrossSegments(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs})
	for i := range uint64(100) {
		mustAppend(t, l, Write{Group: 1, Entries: []*raftpb.Entry{entry(i+1, 1, string(make([]byte, 500)))}})
	}
	many := l.Stats().Segments
	if many < 4 {
		t.Fatal(many)
	}
	mustAppend(t, l, Write{Group: 1, Entries: entries(10, 2, 3, "new")})
	check := func(l *Log) {
		t.Helper()
		g := l.Group(1)
		if last, _ := g.LastIndex(); last != 12 {
			t.Fatal(last)
		}
		got, err := g.Entries(9, 13, ^uint64(0))
		if err != nil || len(got) != 4 || got[0].GetTerm() != 1 || got[1].GetTerm() != 2 || string(got[3].GetData()) != "new/12" {
			t.Fatal(got, err)
		}
	}
	check(l)
	closeLog(t, l)
	l = openTest(t, Options{FS: crash(fs)})
	defer closeLog(t, l)
	check(l)
}

func TestSecondOpen(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, Options{FS: fs})
	if _, err := Open(testOptions(Options{FS: fs})); err == nil {
		t.Fatal("opened twice")
	}
	closeLog(t, l)
	closeLog(t, openTest(t, Options{FS: fs}))
}

// A frame larger than a segment gets a segment that is large enough.
func TestLargeWrites(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs})
	big := make([]byte, 700<<10)
	for i := range big {
		big[i] = byte(i * i)
	}
	mustAppend(t, l, Write{Group: 1, Entries: []*raftpb.Entry{
		entry(1, 1, string(big)), entry(2, 1, ""), entry(3, 1, string(big[:300<<10])), entry(4, 1, "x"),
	}})
	mustAppend(t, l, Write{Group: 1, Entries: entries(5, 1, 1, "y")})
	closeLog(t, l)
	l = openTest(t, Options{FS: crash(fs)})
	defer closeLog(t, l)
	got, err := l.Group(1).Entries(1, 6, ^uint64(0))
	if err != nil || len(got) != 5 || string(got[0].GetData()) != string(big) || string(got[3].GetData()) != "x" {
		t.Fatal(len(got), err)
	}
	if got, err = l.Group(1).Entries(1, 6, 800<<10); err != nil || len(got) != 2 {
		t.Fatal(len(got), err)
	}
}

// A record of which most was overwritten counts with what is left of it.
func TestReadOfCutRecord(t *testing.T) {
	l := openTest(t, Options{FS: vfs.NewMem(), CacheBytes: 1, SegmentBytes: 64 << 10})
	defer closeLog(t, l)
	mustAppend(t, l, Write{Group: 1, Entries: entries(1, 1, 5, strings.Repeat("x", 1000))})
	for i := uint64(2); i <= 5; i++ {
		mustAppend(t, l, Write{Group: 1, Entries: entries(i, 2, 1, "small")})
	}
	if got, err := l.Group(1).Entries(1, 6, 3000); err != nil || len(got) != 5 || got[1].GetTerm() != 2 {
		t.Fatal(got, err)
	}
}
