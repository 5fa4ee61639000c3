package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// walked closes rows, and returns their keys.
func walked(t fataler, rows *store.Rows, err error) (keys []string) {
	if err != nil {
		t.Fatalf("%v", err)
	}
	for {
		key, ok, err := rows.Next()
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !ok {
			break
		}
		row, err := rows.Row()
		if err != nil || row.Value != "value of "+string(key) {
			t.Fatalf("%q has the value %q, %v", key, row.Value, err)
		}
		keys = append(keys, string(key))
	}
	if err := rows.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	return keys
}

// Walks over Pebble agree with sorting.
func TestWalkProperty(t *testing.T) {
	piece := rapid.StringOfN(rapid.RuneFrom([]rune("a//-0é\x01\U0010ffff")), 0, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		s := openMem(t, vfs.NewMem(), -1)
		defer s.Close()
		keys := rapid.SliceOfNDistinct(piece.Filter(func(k string) bool { return k != "" }), 0, 30, rapid.ID[string]).Draw(rt, "keys")
		for i, k := range keys {
			apply(rt, s, 1, put(k, "value of "+k, 1))
			if i == len(keys)/2 && rapid.Bool().Draw(rt, "flush") {
				if err := s.Flush(); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for range 8 {
			text, desc := piece.Draw(rt, "text"), rapid.Bool().Draw(rt, "desc")
			r := keyorder.Range{Start: text, End: piece.Draw(rt, "end")}
			if rapid.Bool().Draw(rt, "prefix") {
				r = keyorder.Prefix(text)
			}
			if rapid.Bool().Draw(rt, "after") {
				r = r.After(piece.Draw(rt, "after this"), desc)
			}
			bucket, inBucket := piece.Draw(rt, "bucket"), rapid.Bool().Draw(rt, "in bucket")
			var want []string
			for _, k := range keys {
				if k >= r.Start && (r.End == "" || k < r.End) && (!inBucket || kv.InBucket(k, bucket)) {
					want = append(want, k)
				}
			}
			slices.Sort(want)
			if desc {
				slices.Reverse(want)
			}
			rows, err := s.Walk(r, desc)
			if inBucket {
				if err := rows.Close(); err != nil {
					rt.Fatal(err)
				}
				rows, err = s.WalkBucket(bucket, r, desc)
			}
			if got := walked(rt, rows, err); !slices.Equal(got, want) {
				rt.Fatalf("%q desc=%v, in bucket %q: %v\n got %q\nwant %q", r, desc, bucket, inBucket, got, want)
			}
		}
	})
}

// What is applied after a walk began is not in it, even when the cursors and
// the large values are read later.
func TestWalkIsOfOneMoment(t *testing.T) {
	for _, desc := range []bool{false, true} {
		s := openMem(t, vfs.NewMem(), 1)
		large := strings.Repeat("large", 1000)
		var ops []kv.Op
		keys := []string{"a/1", "a/1/x", "a/2", "a/2/x", "a-b/x"}
		for _, k := range keys {
			ops = append(ops, put(k, k+large, 1))
		}
		apply(t, s, 1, ops...)
		rows, err := s.Walk(keyorder.Range{}, desc)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			ops[i] = remove(k, 0, 2)
		}
		apply(t, s, 2, append(ops, put("a/1-", "", 2), put("b", "", 2))...)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(keys)
		if desc {
			slices.Reverse(keys)
		}
		for _, want := range keys {
			key, ok, err := rows.Next()
			if string(key) != want || !ok || err != nil {
				t.Fatalf("%q %v %v, want %q", key, ok, err, want)
			}
			row, err := rows.Row()
			if err != nil || row.Value != want+large || row.Revision != 0 || row.Deleted {
				t.Fatalf("%q: revision %d, %d bytes, %v", want, row.Revision, len(row.Value), err)
			}
		}
		if key, ok, err := rows.Next(); ok || err != nil {
			t.Fatalf("%q %v %v", key, ok, err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Rows that are deleted are walked like the others.
func TestWalkShowsTombstones(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	defer s.Close()
	apply(t, s, 1, put("a/1", "", 1), put("a/2", "", 1))
	apply(t, s, 2, remove("a/1", 0, 2))
	rows, err := s.WalkBucket("a", keyorder.Range{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for _, want := range []bool{true, false} {
		key, ok, err := rows.Next()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if row, err := rows.Row(); err != nil || row.Deleted != want {
			t.Fatalf("%q: deleted %v, %v", key, row.Deleted, err)
		}
	}
}

// The store closes when its walks are closed, and begins no new one.
func TestWalkOfClosedStore(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	apply(t, s, 1, put("a/1", "value of a/1", 1), put("a/1/x", "value of a/1/x", 1))
	rows, err := s.Walk(keyorder.Range{}, false)
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Bool
	open.Store(true)
	closed := make(chan error, 1)
	go func() {
		err := s.Close()
		if open.Load() {
			err = errors.New("the store was closed below a walk")
		}
		closed <- err
	}()
	for err == nil { // until Close has begun
		_, _, err = s.Get("a/1")
	}
	if err != store.ErrClosed {
		t.Fatal(err)
	}
	for _, want := range []string{"a/1", "a/1/x"} {
		if key, ok, err := rows.Next(); string(key) != want || !ok || err != nil {
			t.Fatalf("%q %v %v, want %q", key, ok, err, want)
		}
	}
	if _, err := s.Walk(keyorder.Range{}, false); err != store.ErrClosed {
		t.Fatal(err)
	}
	if _, err := s.WalkBucket("a", keyorder.Range{}, false); err != store.ErrClosed {
		t.Fatal(err)
	}
	open.Store(false)
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
}

// A row whose key is none, and a disk that cannot be read, end a walk.
func TestWalkErrors(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, -1)
	for i := range 300 {
		apply(t, s, 1, put(fmt.Sprintf("a/%03d", i), strings.Repeat("x", 900), 1))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, desc := range []bool{false, true} {
		var broken atomic.Bool
		s, err := store.Open(store.Options{FS: failing(fs, &broken, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".sst") && !calledBy("loadTableStats")
		}), Dir: "db", HistoryRevisions: -1, CacheBytes: 64 << 10, MemTableBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Walk(keyorder.Prefix("a/"), desc)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := rows.Next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		broken.Store(true)
		n, ok := 1, true
		for ; ok; n++ {
			_, ok, err = rows.Next()
		}
		if err == nil || n > 300 {
			t.Fatalf("%d keys, then %v", n, err)
		}
		rows.Close() // with the same error
		broken.Store(false)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}

	db, err := pebble.Open("db", &pebble.Options{FS: fs, Logger: quiet{}, FormatMajorVersion: pebble.FormatTableFormatV6})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte{'L', byte(kv.Persistent), 'b', 0, 9}, nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = openMem(t, fs, -1)
	defer s.Close()
	for _, desc := range []bool{false, true} {
		rows, err := s.Walk(keyorder.Prefix("b"), desc)
		if err != nil {
			t.Fatal(err)
		}
		if key, ok, err := rows.Next(); ok || !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%q %v %v", key, ok, err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
