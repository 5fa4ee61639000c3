package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

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

// TestOldVersions: a block is named when the version after it is old enough,
// whether its versions have rows of their own or not.
func TestOldVersions(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, -1)
	large := string(make([]byte, 4000))
	apply(t, s, 10, put("a", "", 10), put("b", large, 10), put("b/x", "", 10), put("only", large, 10), put("c", large, 10))
	for i := int64(0); i < 25; i++ {
		at := hlc.Timestamp(20 + 10*i)
		mixed := ""
		if i%3 == 0 {
			mixed = large
		}
		apply(t, s, at, next("a", "", i, at), next("b", large, i, at), next("c", mixed, i, at))
	}
	for i := int64(0); i < 8; i++ {
		at := hlc.Timestamp(1000 + i)
		apply(t, s, at, next("b/x", "", i, at))
	}
	// Revision n is superseded at 20+10n: 7, the last of a block, at 90, 15 at
	// 170, 23 at 250. 24 and 25 are in the block of the newest one.
	for _, c := range []struct {
		before hlc.Timestamp
		want   []string
	}{
		{89, nil},
		{90, []string{"a<8", "b<8"}},
		{110, []string{"a<8", "b<8", "c<8"}}, // revision 9 has the oldest row of its own
		{169, []string{"a<8", "b<8", "c<8"}},
		{170, []string{"a<16", "b<16", "c<16"}},
		{260, []string{"a<24", "b<24", "c<24"}},
		{1006, []string{"a<24", "b<24", "c<24"}},
		{1007, []string{"a<24", "b<24", "b/x<8", "c<24"}},
	} {
		got, _ := oldVersions(t, s, c.before, 1000)
		if !slices.Equal(got, c.want) {
			t.Errorf("before %d: %q, want %q", c.before, got, c.want)
		}
	}
	// Bounded work: with two rows at a time the oldest come first, and all in
	// the end, since those found are pruned in between.
	for round := 0; ; round++ {
		got, calls := oldVersions(t, s, 260, 2)
		if round == 0 && (calls < 4 || slices.Contains(got, "b<24")) {
			t.Fatalf("%d calls found %q", calls, got)
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
		apply(t, s, 2000, ops...)
	}
	for _, key := range []string{"a", "b", "c"} {
		n := 0
		if err := s.Versions(key, func(kv.Row) bool { n++; return true }); err != nil || n != 2 {
			t.Fatalf("%d versions of %s left, %v", n, key, err)
		}
	}
	// A lower number of revisions takes effect for histories that are there.
	var more []kv.Op
	for i := int64(25); i < 34; i++ {
		more = append(more, next("a", "", i, 3000))
	}
	apply(t, s, 3000, more...)
	s.Close()
	s = openMem(t, fs, 2)
	defer s.Close()
	got, _ := oldVersions(t, s, 0, 100)
	if want := []string{"a<32"}; !slices.Equal(got, want) {
		t.Fatalf("kept number lowered: %q, want %q", got, want)
	}
	enough := errors.New("enough")
	if _, err := s.OldVersions(0, "", 100, func(string, int64) error { return enough }); err != enough {
		t.Fatal(err)
	}
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
	old := func(before hlc.Timestamp, limit int, want ...string) {
		t.Helper()
		if got, err := s.OldResults(before, limit); err != nil || !slices.Equal(got, want) {
			t.Fatalf("old results %q %v, want %q", got, err, want)
		}
	}
	apply(1, &kv.Batch{Results: []kv.StoredResult{result("y", 5), result("x", 5), result("z", 3)}})
	old(5, 10, "z")
	old(6, 10, "z", "x", "y")
	old(6, 2, "z", "x")
	old(6, 0)
	r, found, err := s.Result("x")
	if err != nil || !found || r.Key != "x" || r.Time != 5 || string(r.Result) != "of x" || r.Request != [32]byte{1, 2} {
		t.Fatalf("%+v %v %v", r, found, err)
	}
	// Overwritten and dropped ones leave both indexes, also within one batch.
	apply(2, &kv.Batch{
		DropResults: []string{"z", "absent", "y"},
		Results:     []kv.StoredResult{result("x", 8), result("x", 9), result("y", 7)},
	})
	old(100, 10, "y", "x")
	apply(3, &kv.Batch{DropResults: []string{"x", "x"}})
	old(100, 10, "y")
	if _, found, err := s.Result("x"); found || err != nil {
		t.Fatal(found, err)
	}
}
