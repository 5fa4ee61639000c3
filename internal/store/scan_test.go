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

// put is the first version of a key.
func put(key, value string, at hlc.Timestamp) kv.Op {
	return kv.Op{Kind: kv.Put, Key: key, Row: kv.Row{Value: value, Prev: -1, Modified: at}}
}

// next is the version after revision prev.
func next(key, value string, prev int64, at hlc.Timestamp) kv.Op {
	return kv.Op{Kind: kv.Put, Key: key, Row: kv.Row{Value: value, Revision: prev + 1, Prev: prev, Modified: at}}
}

// remove is the tombstone after revision prev.
func remove(key string, prev int64, at hlc.Timestamp) kv.Op {
	op := next(key, "", prev, at)
	op.Row.Deleted = true
	return op
}

// apply applies ops as the next entry of group 1.
func apply(t fataler, s *store.Store, at hlc.Timestamp, ops ...kv.Op) {
	index, _, err := s.Applied(1)
	if err == nil {
		err = s.Apply(1, index+1, &kv.Batch{Time: at, Ops: ops})
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func scanKeys(t fataler, s *store.Store, prefix bool, text string) []string {
	var keys []string
	err := s.Scan(prefix, text, func(key string, row kv.Row) error {
		if row.Value != "value of "+key {
			return fmt.Errorf("%q has the value %q", key, row.Value)
		}
		keys = append(keys, key)
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return keys
}

func TestScanOrder(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	// In the order of the store: by bucket, then by rest.
	want := []string{"/", "/x", "//y", "a", "a/", "a/b", "a/ü", "a-b/y", "a/b/", "a/b/c", "ab", "b", "ä", "ä/ö", "日本/語"}
	if !slices.IsSortedFunc(want, order) {
		t.Fatal("not the order that the model has")
	}
	var ops []kv.Op
	for _, k := range want {
		ops = append(ops, put(k, "value of "+k, 1))
	}
	slices.Reverse(ops)
	apply(t, s, 1, ops...)
	for _, c := range []struct {
		prefix bool
		text   string
		want   string
	}{
		{true, "", strings.Join(want, " ")},
		{false, "a", "a/ a/b a/ü"},
		{false, "a/", ""},
		{false, "a/b", "a/b/ a/b/c"},
		{false, "", "/ /x"},
		{false, "/", "//y"},
		{false, "b", ""},
		{false, "ä", "ä/ö"},
		{true, "a", "a a/ a/b a/ü a-b/y a/b/ a/b/c ab"},
		{true, "a/", "a/ a/b a/ü a/b/ a/b/c"},
		{true, "a/b", "a/b a/b/ a/b/c"},
		{true, "a/b/", "a/b/ a/b/c"},
		{true, "a-", "a-b/y"},
		{true, "/", "/ /x //y"},
		{true, "//", "//y"},
		{true, "\xc3", "ä ä/ö"},
		{true, "日本/", "日本/語"},
		{true, "zz", ""},
	} {
		if got := strings.Join(scanKeys(t, s, c.prefix, c.text), " "); got != c.want {
			t.Errorf("scan prefix=%v %q: %q, want %q", c.prefix, c.text, got, c.want)
		}
	}
}

// Scan agrees with the definitions for random keys and operands.
func TestScanProperty(t *testing.T) {
	piece := rapid.StringOfN(rapid.RuneFrom([]rune("a/-é\x01\x02\U0010ffff")), 0, 5, -1)
	rapid.Check(t, func(rt *rapid.T) {
		s := openMem(t, vfs.NewMem(), -1)
		defer s.Close()
		keys := rapid.SliceOfNDistinct(piece.Filter(func(k string) bool { return k != "" }), 0, 30, rapid.ID[string]).Draw(rt, "keys")
		var ops []kv.Op
		for _, k := range keys {
			ops = append(ops, put(k, "value of "+k, 1))
		}
		apply(rt, s, 1, ops...)
		slices.SortFunc(keys, order)
		for range 8 {
			prefix, text := rapid.Bool().Draw(rt, "prefix"), piece.Draw(rt, "text")
			var want []string
			for _, k := range keys {
				if prefix && strings.HasPrefix(k, text) || !prefix && kv.InBucket(k, text) {
					want = append(want, k)
				}
			}
			if got := scanKeys(rt, s, prefix, text); !slices.Equal(got, want) {
				rt.Fatalf("scan prefix=%v %q\n got %q\nwant %q", prefix, text, got, want)
			}
		}
	})
}

func TestScanStops(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	apply(t, s, 1, put("a/1", "", 1), put("a/2", "", 1))
	enough := errors.New("enough")
	n := 0
	err := s.Scan(false, "a", func(string, kv.Row) error { n++; return enough })
	if err != enough || n != 1 {
		t.Fatalf("%d visits, %v", n, err)
	}
}
