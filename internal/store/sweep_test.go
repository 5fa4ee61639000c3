package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

func TestDying(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	expiring := func(key string, at int64) kv.Op {
		op := put(key, "", 1)
		op.Row.Expires = at
		return op
	}
	apply(t, s, 1, expiring("c", 30), expiring("b/1", 10), expiring("a", 20), expiring("b", 10), put("stays", "", 1))
	apply(t, s, hlc.At(15), remove("stays", 0, hlc.At(15)))
	var got []string
	dying := func(before int64, after store.DyingCursor, limit int) store.DyingCursor {
		t.Helper()
		err := s.Dying(before, after, limit, func(key string, at int64) error {
			got = append(got, fmt.Sprintf("%s@%d", key, at))
			after = store.DyingCursor{At: at, Key: key}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	want := []string{"b@10", "b/1@10", "stays@15", "a@20"}
	dying(29, store.DyingCursor{}, 100)
	if !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	got = nil
	var after store.DyingCursor
	for range want {
		after = dying(29, after, 1)
	}
	if dying(29, after, 1); !slices.Equal(got, want) {
		t.Fatalf("one by one: %q", got)
	}
	got = nil
	dying(9, store.DyingCursor{}, 100)
	dying(-1, store.DyingCursor{}, 100)
	dying(100, store.DyingCursor{}, 0)
	if got != nil {
		t.Fatalf("%q", got)
	}
	// A key that lives on leaves the index, one that moves moves.
	touch := kv.Op{Kind: kv.Touch, Key: "b"}
	apply(t, s, hlc.At(16), touch, next("stays", "again", 1, hlc.At(16)), kv.Op{Kind: kv.Purge, Key: "a"},
		kv.Op{Kind: kv.Touch, Key: "c", Row: kv.Row{Expires: 1 << 50}})
	dying(1<<60, store.DyingCursor{}, 100)
	if want := []string{"b/1@10", fmt.Sprintf("c@%d", int64(1)<<50)}; !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	enough := errors.New("enough")
	if err := s.Dying(100, store.DyingCursor{}, 100, func(string, int64) error { return enough }); err != enough {
		t.Fatal(err)
	}
}

// oldVersions is one whole round.
func oldVersions(t *testing.T, s *store.Store, before hlc.Timestamp, budget int) (found []string, calls int) {
	t.Helper()
	after := ""
	for {
		next, err := s.OldVersions(before, after, budget, func(key string, revision int64) error {
			found = append(found, fmt.Sprintf("%s<%d", key, revision))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if calls++; next == "" {
			return found, calls
		}
		after = next
	}
}

func TestOldVersions(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, -1)
	large := string(make([]byte, 4000))
	apply(t, s, 10, put("a", "", 10), put("b", large, 10), put("b/x", "", 10), put("only", large, 10))
	for i := int64(0); i < 6; i++ {
		at := hlc.Timestamp(20 + 10*i)
		apply(t, s, at, next("a", "", i, at), next("b", large, i, at))
	}
	apply(t, s, 90, next("b/x", "", 0, 90))
	// a and b: revisions 0 to 5, superseded at 20, 30, … 70; b/x: 0 at 90.
	for _, c := range []struct {
		before hlc.Timestamp
		want   []string
	}{
		{19, nil},
		{20, []string{"a<1", "b<1"}},
		{49, []string{"a<3", "b<3"}},
		{70, []string{"a<6", "b<6"}},
		{90, []string{"a<6", "b<6", "b/x<1"}},
	} {
		got, _ := oldVersions(t, s, c.before, 1000)
		if !slices.Equal(got, c.want) {
			t.Errorf("before %d: %q, want %q", c.before, got, c.want)
		}
	}
	// Bounded work: with one row at a time the oldest come first, and all in the
	// end, since those found are pruned in between.
	for round := 0; ; round++ {
		got, calls := oldVersions(t, s, 70, 1)
		if round == 0 && calls < 3 {
			t.Fatalf("%d calls for four keys with history", calls)
		}
		if got == nil {
			break
		}
		if round > 5 {
			t.Fatalf("round %d still finds %q", round, got)
		}
		var ops []kv.Op
		for _, f := range got {
			var op kv.Op
			op.Kind = kv.Prune
			fmt.Sscanf(f, "%1s<%d", &op.Key, &op.Row.Revision)
			ops = append(ops, op)
		}
		apply(t, s, 100, ops...)
	}
	for _, key := range []string{"a", "b"} {
		n := 0
		if err := s.Versions(key, func(kv.Row) bool { n++; return true }); err != nil || n != 1 {
			t.Fatalf("%d versions of %s left, %v", n, key, err)
		}
	}
	// A lower number of revisions takes effect for histories that are there, block by block.
	apply(t, s, 200, next("a", "", 6, 200), next("a", "", 7, 200), next("a", "", 8, 200), next("a", "", 9, 200))
	s.Close()
	s = openMem(t, fs, 2)
	defer s.Close()
	got, _ := oldVersions(t, s, 0, 100)
	if want := []string{"a<8"}; !slices.Equal(got, want) {
		t.Fatalf("kept number lowered: %q, want %q", got, want)
	}
	enough := errors.New("enough")
	if _, err := s.OldVersions(0, "", 100, func(string, int64) error { return enough }); err != enough {
		t.Fatal(err)
	}
}

// TestOldVersionsMoment: what is written while a round goes on is not mistaken
// for the state in which it began. Here the only block of a key leaves its row.
func TestOldVersionsMoment(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	apply(t, s, 1, put("a", "", 1), next("a", "", 0, 2), put("k", "", 1000))
	for i := int64(0); i < 7; i++ {
		apply(t, s, 1000, next("k", "", i, 1000))
	}
	var found []string
	_, err := s.OldVersions(10, "", 1000, func(key string, revision int64) error {
		found = append(found, fmt.Sprintf("%s<%d", key, revision))
		apply(t, s, 1001, next("k", "", 7, 1001))
		return nil
	})
	if want := []string{"a<1"}; err != nil || !slices.Equal(found, want) {
		t.Fatalf("%q, want %q; %v", found, want, err)
	}
}

// TestOldVersionsOfAll: a round names exactly the versions that are old, in
// whatever rows they are, and pruned they are gone.
func TestOldVersionsOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := openMem(t, vfs.NewMem(), -1)
		defer s.Close()
		m := newModel(-1)
		for range rapid.IntRange(1, 30).Draw(rt, "batches") {
			b := genBareBatch(rt, m)
			if err := s.Apply(1, m.index, b); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		before := hlc.Timestamp(rapid.Uint64Range(0, uint64(m.time)).Draw(rt, "before"))
		var want []string
		var ops []kv.Op
		for _, key := range m.sorted() {
			below := int64(0)
			for i, r := range m.keys[key][1:] {
				if r.Modified > before {
					break
				}
				below = m.keys[key][i].Revision + 1
			}
			if below > 0 {
				want = append(want, fmt.Sprintf("%s<%d", key, below))
				ops = append(ops, kv.Op{Kind: kv.Prune, Key: key, Row: kv.Row{Revision: below}})
			}
		}
		got, _ := oldVersions(t, s, before, 1000)
		got = slices.DeleteFunc(got, func(f string) bool { // those with nothing but a marker
			key, _, _ := strings.Cut(f, "<")
			return len(m.keys[key]) == 1
		})
		if !slices.Equal(got, want) {
			rt.Fatalf("before %d: %q, want %q", before, got, want)
		}
		b := &kv.Batch{Time: m.time, Ops: ops}
		m.apply(m.index+1, b)
		if err := s.Apply(1, m.index, b); err != nil {
			rt.Fatalf("%v", err)
		}
		compare(rt, s, m)
	})
}

func TestResults(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	result := func(key string, at hlc.Timestamp) kv.StoredResult {
		return kv.StoredResult{Key: key, Time: at, Request: [32]byte{1, 2}, Result: []byte("of " + key)}
	}
	apply := func(index uint64, b *kv.Batch) {
		t.Helper()
		if err := s.Apply(1, index, b); err != nil {
			t.Fatal(err)
		}
	}
	old := func(from, to hlc.Timestamp, limit int, want ...string) {
		t.Helper()
		var got []string
		err := s.OldResults(kv.Period{From: from, To: to}, limit, func(key string, at hlc.Timestamp) error {
			got = append(got, key)
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("old results %q %v, want %q", got, err, want)
		}
	}
	apply(1, &kv.Batch{Results: []kv.StoredResult{result("y", 5), result("x", 5), result("z", 3)}})
	old(0, 5, 10, "z")
	old(0, 6, 10, "z", "x", "y")
	old(5, 6, 10, "x", "y")
	old(0, 6, 2, "z", "x")
	old(0, 6, 0)
	old(6, 3, 10)
	r, found, err := s.Result("x")
	if err != nil || !found || r.Key != "x" || r.Time != 5 || string(r.Result) != "of x" || r.Request != [32]byte{1, 2} {
		t.Fatalf("%+v %v %v", r, found, err)
	}
	// Overwritten and forgotten ones leave both indexes, also within one batch.
	apply(2, &kv.Batch{
		Forget:  kv.Period{From: 3, To: 5},
		Results: []kv.StoredResult{result("x", 8), result("x", 9), result("y", 7)},
	})
	old(0, 100, 10, "y", "x")
	// What was stored anew is not as old as what was there.
	apply(3, &kv.Batch{Forget: kv.Period{To: 9}, Results: []kv.StoredResult{result("y", 12)}})
	old(0, 100, 10, "x", "y")
	apply(4, &kv.Batch{Forget: kv.Period{From: 9, To: 12}})
	old(0, 100, 10, "y")
	if _, found, err := s.Result("x"); found || err != nil {
		t.Fatal(found, err)
	}
}
