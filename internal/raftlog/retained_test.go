package raftlog

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestRetained: Retained counts what is above the last compacted index, also
// after entries were overwritten, and after Open.
func TestRetained(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, Options{FS: fs})
	check := func(what string, want uint64, least, most int64) {
		t.Helper()
		if entries, bytes := l.Group(1).Retained(); entries != want || bytes < least || bytes > most {
			t.Errorf("%s: %d entries of %d bytes, want %d of %d to %d", what, entries, bytes, want, least, most)
		}
	}
	check("new", 0, 0, 0)
	for i := range uint64(10) {
		mustAppend(t, l, Write{Group: 1, Entries: entries(1+i, 1, 1, strings.Repeat("x", 100))})
	}
	check("ten entries", 10, 1000, 1300)
	mustAppend(t, l, Write{Group: 1, Entries: entries(6, 2, 2, strings.Repeat("x", 100))})
	check("overwritten", 7, 700, 910)
	closeLog(t, l)
	l = openTest(t, Options{FS: fs})
	check("opened", 7, 700, 910)
	if err := l.Group(1).Compact(5); err != nil {
		t.Fatal(err)
	}
	check("compacted", 2, 200, 260)
	if err := l.Group(1).Compact(7); err != nil {
		t.Fatal(err)
	}
	check("all compacted", 0, 0, 0)
	closeLog(t, l)
}

// TestCloseRemoves: what is compacted before Close is gone after it.
func TestCloseRemoves(t *testing.T) {
	fs := vfs.NewMem()
	for i := range uint64(20) {
		l := openTest(t, Options{FS: fs})
		mustAppend(t, l, Write{Group: 1, Entries: entries(1+i, 1, 1, "x")})
		if err := l.Group(1).Compact(1 + i); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		if names, err := fs.List(testDir); err != nil || len(segmentNames(t, fs, testDir)) != 1 {
			t.Fatalf("after %d times: %v %v", i+1, names, err)
		}
	}
}
