package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// versions describes a key: its versions, newest first.
func versions(t testing.TB, s *store.Store, key string) string {
	t.Helper()
	var out []string
	err := s.Versions(key, func(r kv.Row) bool {
		out = append(out, fmt.Sprintf("r%d=%.4s", r.Revision, r.Value))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestTwoPutsInOneBatch(t *testing.T) {
	s := openMem(t, vfs.NewMem(), 3)
	defer s.Close()
	apply(t, s, 1, put("k", "a", 1), next("k", "b", 0, 2))
	if got := versions(t, s, "k"); got != "r1=b r0=a" {
		t.Fatal(got)
	}
	// Purged and written again, all in one.
	apply(t, s, 3, next("k", "c", 1, 3), kv.Op{Kind: kv.Purge, Key: "k"}, put("k", "d", 3), next("k", "e", 0, 3))
	if got := versions(t, s, "k"); got != "r1=e r0=d" {
		t.Fatal(got)
	}
	if s.Horizon() != 3 || s.Metrics().Rows != 1 {
		t.Fatal(s.Horizon(), s.Metrics().Rows)
	}
}

func TestHistoryCount(t *testing.T) {
	s := openMem(t, vfs.NewMem(), 3)
	defer s.Close()
	apply(t, s, 1, put("k", "0", 1))
	for i := range int64(6) {
		apply(t, s, 1, next("k", fmt.Sprint(i+1), i, 1))
	}
	if got := versions(t, s, "k"); got != "r6=6 r5=5 r4=4" {
		t.Fatal(got)
	}
	jump := next("k", "8", 6, 1)
	jump.Row.Revision = 8 // a script that wrote twice
	apply(t, s, 1, jump)
	if got := versions(t, s, "k"); got != "r8=8 r6=6" {
		t.Fatal(got)
	}
	norev := next("k", "9", 8, 1)
	norev.Row.NoRev = true
	apply(t, s, 1, norev)
	if r, ok, err := s.At("k", 9); !ok || err != nil || r.Value != "9" {
		t.Fatal("a norev version is readable while it is the newest", r, ok, err)
	}
	apply(t, s, 1, next("k", "10", 9, 1))
	if got := versions(t, s, "k"); got != "r10=10 r8=8" {
		t.Fatal(got)
	}
	if _, ok, err := s.At("k", 9); ok || err != nil {
		t.Fatal("superseded norev version found", err)
	}
	jump = next("k", "x", 10, 1)
	jump.Row.Revision = 1_000_000
	apply(t, s, 1, jump)
	if got := versions(t, s, "k"); got != "r1000000=x" {
		t.Fatal(got)
	}
	apply(t, s, 1, kv.Op{Kind: kv.Prune, Key: "k", Row: kv.Row{Revision: 1 << 40}})
	if got := versions(t, s, "k"); got != "r1000000=x" {
		t.Fatal("prune took the newest: ", got)
	}
}

// A long history goes in one piece, and only the part that was meant.
func TestPruneLongHistory(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	ops := []kv.Op{put("k", "0", 1), put("k/", "", 1), put("j", "", 1), next("j", "", 0, 1)}
	for i := range int64(500) {
		ops = append(ops, next("k", fmt.Sprint(i+1), i, 1))
	}
	apply(t, s, 1, ops...)
	apply(t, s, 1, kv.Op{Kind: kv.Prune, Key: "k", Row: kv.Row{Revision: 498}})
	if got := versions(t, s, "k"); got != "r500=500 r499=499 r498=498" {
		t.Fatal(got)
	}
	if got := versions(t, s, "j"); got != "r1= r0=" {
		t.Fatal(got)
	}
}

// Small versions stand in blocks of eight, the youngest in the row of the newest
// one; others have rows of their own. A block that is outdated as a whole goes.
func TestBlocks(t *testing.T) {
	s := openMem(t, vfs.NewMem(), 20)
	defer s.Close()
	tails := map[string]*kv.Tail{"small": {}, "medium": {}, "large": {}}
	row := map[string]kv.Row{}
	for i := range int64(100) {
		var ops []kv.Op
		for key, size := range map[string]int{"small": 128, "medium": 129, "large": 1024} {
			old := kv.Row{Revision: -1}
			op := put(key, strings.Repeat("v", size), 1)
			if i > 0 {
				old = row[key]
				op = next(key, strings.Repeat("v", size), i-1, 1)
			}
			row[key] = op.Row
			op.Old, op.Tail = &old, tails[key]
			ops = append(ops, op)
		}
		apply(t, s, 1, ops...)
	}
	rows := map[string]int{}
	_, err := s.Export(func(key, _ []byte) error {
		if key[0] == 'H' {
			rows[strings.Trim(string(key[2:8]), "\x00\x01")]++
		}
		return nil
	})
	// Revisions 80 to 99 count: 80 to 95 in two blocks, 96 to 98 with 99; and the
	// marker.
	if want := map[string]int{"small": 3, "medium": 19, "large": 20}; err != nil || !maps.Equal(rows, want) {
		t.Fatalf("rows of history %v, want %v; %v", rows, want, err)
	}
	for key := range rows {
		if got := versions(t, s, key); strings.Count(got, "r") != 20 {
			t.Errorf("%s: %.200s", key, got)
		}
	}
}

// A purged key leaves nothing behind, nor does one whose history is pruned: not
// for the next life of the key to show, and no rows. Whether its operations come
// with hints or not, in one batch or in many.
func TestNothingLeft(t *testing.T) {
	for _, end := range []kv.OpKind{kv.Purge, kv.Prune} {
		for _, hinted := range []bool{false, true} {
			for _, perBatch := range []int{1, 3, 7, 1000} {
				for _, revisions := range []int64{6, 13, 100} {
					for _, sizes := range [][]int{{1}, {1, 200, 1, 1, 1, 1}, {1, 200, 1, 1, 2000, 1, 1}} {
						testNothingLeft(t, end, hinted, perBatch, revisions, sizes)
					}
				}
			}
		}
	}
}

func testNothingLeft(t *testing.T, end kv.OpKind, hinted bool, perBatch int, revisions int64, sizes []int) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	what := fmt.Sprintf("%v, hinted %v, %d to a batch, %d revisions of sizes %d", end, hinted, perBatch, revisions, sizes)
	var ops []kv.Op
	old, tail := kv.Row{Revision: -1}, &kv.Tail{}
	add := func(op kv.Op) {
		if hinted && op.Kind != kv.Prune {
			was := old
			op.Old, op.Tail = &was, tail
		}
		ops = append(ops, op)
		switch op.Kind {
		case kv.Put:
			old = op.Row
		case kv.Purge:
			old = kv.Row{Revision: -1}
		}
	}
	for i := range revisions - 1 {
		add(next("k", strings.Repeat("o", sizes[i%int64(len(sizes))]), i-1, 1))
	}
	add(next("k", "o", revisions-2, 1))
	add(kv.Op{Kind: end, Key: "k", Row: kv.Row{Revision: revisions - 1}})
	want, rows := fmt.Sprintf("r%d=o", revisions-1), 0
	if end == kv.Purge {
		for i := range int64(3) {
			add(next("k", "new", i-1, 2))
		}
		want, rows = "r2=new r1=new r0=new", 1 // the marker
	}
	for len(ops) > 0 {
		n := min(perBatch, len(ops))
		apply(t, s, 2, ops[:n]...)
		ops = ops[n:]
	}
	if got := versions(t, s, "k"); got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
	n := 0
	if _, err := s.Export(func(key, _ []byte) error {
		if key[0] == 'H' {
			n++
		}
		return nil
	}); err != nil || n != rows {
		t.Errorf("%s: %d rows of history, want %d; %v", what, n, rows, err)
	}
}

// What a version says of the norev versions before it, and the last expiry of
// the version before those, survive: whatever the size of each, in one batch
// or several, and with a flush and a reopen in between.
func TestGap(t *testing.T) {
	for _, large := range []int{0, 1, 2, 3, 4} { // number of large values, the first ones
		for _, oneBatch := range []bool{false, true} {
			fs := vfs.NewMem()
			s := openMem(t, fs, -1)
			value := func(n int) string {
				if n < large {
					return strings.Repeat(fmt.Sprint(n), 2000)
				}
				return fmt.Sprint(n)
			}
			first := put("k", value(0), hlc.At(10))
			first.Row.Expires = 50
			ops := []kv.Op{first, {Kind: kv.Touch, Key: "k", Row: kv.Row{Expires: 90}}}
			for n := range int64(3) {
				op := next("k", value(int(n+1)), n, hlc.At(20+10*n))
				op.Row.NoRev = n < 2
				ops = append(ops, op)
			}
			if oneBatch {
				apply(t, s, hlc.At(40), ops...)
			} else {
				for _, op := range ops {
					apply(t, s, hlc.At(40), op)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openMem(t, fs, -1)
			var list []kv.Row
			if err := s.Versions("k", func(r kv.Row) bool { list = append(list, r); return true }); err != nil {
				t.Fatal(err)
			}
			want := []kv.Row{
				{Value: value(3), Revision: 3, Prev: 2, Modified: hlc.At(40), Gap: kv.Gap{Since: hlc.At(20), Prev: 0}},
				{Value: value(0), Revision: 0, Prev: -1, Modified: hlc.At(10), Expires: 90},
			}
			if !slices.Equal(list, want) {
				t.Errorf("%d large, one batch %v: %+v, want %+v", large, oneBatch, list, want)
			}
			s.Close()
		}
	}
}

// The expiry that a large version had in the end is in the history, also when
// later batches come with hints that know nothing of it.
func TestTouchLarge(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	large := put("k", strings.Repeat("l", 2000), 1)
	large.Row.Expires = 10
	apply(t, s, 1, large)
	apply(t, s, 2, kv.Op{Kind: kv.Touch, Key: "k", Row: kv.Row{Expires: 99}})
	small := next("k", "s", 0, 3)
	apply(t, s, 3, small)
	last := next("k", "t", 1, 4)
	last.Old = &small.Row
	apply(t, s, 4, last)
	var got []int64
	if err := s.Versions("k", func(r kv.Row) bool { got = append(got, r.Expires); return true }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []int64{0, 0, 99}) {
		t.Fatal(got)
	}
}

func TestBatchRefused(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	apply(t, s, 1, put("k", "v", 1))
	ephemeral := put("x", "", 1)
	ephemeral.Space = kv.Ephemeral
	wrongPrev := next("k", "", 0, 1)
	wrongPrev.Row.Prev = -1
	backwards := next("k", "", 0, 1)
	backwards.Row.Revision = 0
	negative := put("x", "", 1)
	negative.Row.Expires = -1
	full := remove("k", 0, 1)
	full.Row.Value = "v"
	before, err := storeText(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, op := range map[string]kv.Op{
		"ephemeral":    ephemeral,
		"empty key":    put("", "", 1),
		"NUL":          put("a\x00b", "", 1),
		"long key":     put(strings.Repeat("k", store.KeyBytesMax+1), "", 1),
		"kind":         {Key: "k"},
		"wrong prev":   wrongPrev,
		"backwards":    backwards,
		"expires":      negative,
		"tombstone":    full,
		"again":        put("k", "", 1),
		"out of thin":  next("new", "", 4, 1),
		"far revision": {Kind: kv.Put, Key: "k", Row: kv.Row{Revision: -5, Prev: -6}},
	} {
		var refused *store.BatchError
		err := s.Apply(1, 2, &kv.Batch{Time: 9, Ops: []kv.Op{put("good", "", 1), op}})
		if !errors.As(err, &refused) || refused.Op != 1 || refused.Index != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Apply(1, 2, &kv.Batch{Results: []kv.StoredResult{{}}}); err == nil {
		t.Error("empty idempotency key taken")
	}
	if after, err := storeText(s); after != before || err != nil {
		t.Fatalf("refused batches left a trace:\n%s\n%v", after, err)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	apply(t, s, 1, put(strings.Repeat("k", store.KeyBytesMax), "", 1)) // the longest
}

func TestIndexes(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, -1)
	applied := func(group, index uint64, time hlc.Timestamp) {
		t.Helper()
		if i, h, err := s.Applied(group); i != index || h != time || err != nil {
			t.Fatalf("group %d applied %d %d %v", group, i, h, err)
		}
	}
	apply := func(group, index uint64, time hlc.Timestamp, ops ...kv.Op) {
		t.Helper()
		if err := s.Apply(group, index, &kv.Batch{Time: time, Ops: ops}); err != nil {
			t.Fatal(err)
		}
	}
	applied(1, 0, 0)
	apply(1, 5, 50, put("a", "", 1)) // gaps are fine
	apply(2, 1, 10, put("b", "", 1))
	applied(1, 5, 50)
	applied(2, 1, 10)
	applied(3, 0, 0)
	apply(1, 5, 99, put("a", "", 1)) // no-op, not even looked at
	apply(1, 4, 99)
	applied(1, 5, 50)
	apply(1, 6, 20) // the mark does not go back
	applied(1, 6, 50)
	if err := s.Apply(1, 7, nil); err != nil {
		t.Fatal(err)
	}
	applied(1, 7, 50)
	if err := s.SetConfState(1, 0, []byte("start")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetConfState(1, 8, []byte("grown")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetConfState(1, 8, []byte("late")); err != nil {
		t.Fatal(err)
	}
	applied(1, 8, 50)
	if n := s.FlushedIndex(1); n != 0 {
		t.Fatalf("flushed index %d before any flush", n)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	apply(2, 2, 10)
	if a, b, c := s.FlushedIndex(1), s.FlushedIndex(2), s.FlushedIndex(3); a != 8 || b != 1 || c != 0 {
		t.Fatal(a, b, c)
	}
	if err := s.SetMeta("x", []byte{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openMem(t, fs, -1)
	defer s.Close()
	applied(1, 8, 50)
	applied(2, 2, 10)
	if c, err := s.ConfState(1); string(c) != "grown" || err != nil {
		t.Fatalf("%q %v", c, err)
	}
	if c, err := s.ConfState(2); c != nil || err != nil {
		t.Fatalf("%q %v", c, err)
	}
	if v, err := s.Meta("x"); v == nil || len(v) != 0 || err != nil {
		t.Fatalf("%q %v", v, err)
	}
	if err := s.SetMeta("x", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Meta("x"); v != nil || err != nil {
		t.Fatalf("%q %v", v, err)
	}
}

// FlushedIndex follows the flushes that Pebble makes by itself, and each is
// reported.
func TestInvariantSTORE2(t *testing.T) {
	fs := vfs.NewCrashableMem()
	flushed := make(chan struct{}, 1)
	s, err := store.Open(store.Options{FS: fs, Dir: "db", HistoryRevisions: -1, MemTableBytes: 64 << 10,
		OnFlush: func() {
			select {
			case flushed <- struct{}{}:
			default:
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last := uint64(0)
	for i := int64(0); last < 200; i++ {
		apply(t, s, 1, put(fmt.Sprint(i), strings.Repeat("v", 900), 1))
		select {
		case <-flushed:
		default:
			continue
		}
		n := s.FlushedIndex(1)
		if n < last || n > uint64(i+1) {
			t.Fatalf("flushed index %d after %d, applied %d", n, last, i+1)
		}
		last = n
		crashed := openMem(t, fs.CrashClone(vfs.CrashCloneCfg{}), -1)
		index, _, err := crashed.Applied(1)
		if err != nil || index < n {
			t.Fatalf("applied %d after a crash, flushed %d: %v", index, n, err)
		}
		if rows := crashed.Metrics().Rows; rows != int64(index) {
			t.Fatalf("%d rows at index %d", rows, index)
		}
		crashed.Close()
	}
}

// A value may have 16 MiB, and a batch many of them; superseding them copies
// none.
func TestLargeBatch(t *testing.T) {
	s, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: -1, DisableCompression: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	value := string(bytes.Repeat([]byte("16 MiB: "), 2<<20))
	b := &kv.Batch{Time: 1}
	var removals []kv.Op
	for i := range 6 {
		key := fmt.Sprintf("large/%d", i)
		b.Ops = append(b.Ops, put(key, value, 1))
		removals = append(removals, remove(key, 0, 2))
	}
	if err := s.Apply(1, 1, b); err != nil {
		t.Fatal(err)
	}
	row, ok, err := s.Get("large/3")
	if err != nil || !ok || row.Value != value {
		t.Fatal(len(row.Value), ok, err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	before := s.Metrics().DiskBytes
	apply(t, s, 2, removals...)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if grown := s.Metrics().DiskBytes - before; grown > 1<<20 {
		t.Fatalf("removing large values wrote %d bytes", grown)
	}
	if row, ok, err = s.At("large/5", 0); err != nil || !ok || row.Value != value {
		t.Fatal(len(row.Value), ok, err)
	}
}

// Disk use stays about the same however often the same rows are written, or
// made and purged, while there is a bound on the history.
func TestDiskPlateau(t *testing.T) {
	s, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: 3,
		MemTableBytes: 256 << 10, DisableCompression: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const keys, size = 50, 400
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < 1<<16 {
		b.WriteByte(byte(rng.Uint32()))
	}
	noise := b.String()
	round := func(prev int64) {
		var ops []kv.Op
		for k := range keys {
			at := rng.IntN(len(noise) - size)
			value := noise[at : at+size]
			ops = append(ops, next(fmt.Sprintf("counters/%d", k), value, prev, 1))
			session := put(fmt.Sprintf("sessions/%d/%d", prev, k), value, 1)
			session.Row.Expires = 1
			ops = append(ops, session)
			if prev >= 5 {
				ops = append(ops, kv.Op{Kind: kv.Purge, Key: fmt.Sprintf("sessions/%d/%d", prev-5, k)})
			}
		}
		apply(t, s, 1, ops...)
	}
	after := func(from, to int64) (bytes int64) {
		for prev := from; prev < to; prev++ {
			round(prev)
		}
		bytes, err := s.CompactedBytes()
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	early, late := after(-1, 50), after(50, 400)
	t.Logf("%d KiB after 51 rounds, %d KiB after 401", early>>10, late>>10)
	if live := int64(keys * size * (3 + 6)); early < live/2 || late > early+early/4 {
		t.Fatalf("disk use grows: %d bytes early, %d late, %d live", early, late, live)
	}
}
