package store_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

type pair struct{ key, value string }

// export returns all of a store, read with many iterators. It calls at with
// the number of rows seen so far.
func export(t fataler, s *store.Store, chunk int, at func(n int)) ([]pair, store.Contents) {
	var all []pair
	c, err := s.ExportChunks(chunk, func(key, value []byte) error {
		all = append(all, pair{string(key), string(value)})
		at(len(all))
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all, c
}

func build(fs vfs.FS, keep int64, all []pair) (store.Contents, error) {
	return store.Build(store.Options{FS: fs, Dir: "db", HistoryRevisions: keep, MemTableBytes: 64 << 10, CacheBytes: 1 << 20},
		func(add func(key, value []byte) error) error {
			for _, p := range all {
				if err := add([]byte(p.key), []byte(p.value)); err != nil {
					return err
				}
			}
			return nil
		})
}

// TestCopy: what Build makes of an Export is the store of that moment, however
// much is written while Export runs, and it is on disk when Build returns. Only
// its log begins anew.
func TestCopy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keep := rapid.SampledFrom([]int64{-1, 1, 5}).Draw(rt, "keep")
		s := openMem(t, vfs.NewMem(), keep)
		defer s.Close()
		m := newModel(keep)
		step := func(s *store.Store, m *model) {
			b := genBareBatch(rt, m)
			if err := s.Apply(1, m.index, b); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		if err := s.SetConfState(1, 0, []byte("members")); err != nil {
			rt.Fatalf("%v", err)
		}
		for range rapid.IntRange(0, 15).Draw(rt, "batches") {
			step(s, m)
		}
		then := m.clone()
		all, found := export(rt, s, rapid.SampledFrom([]int{0, 100, 1 << 20}).Draw(rt, "chunk"), func(n int) {
			if n%7 == 1 {
				step(s, m)
			}
		})
		compare(rt, s, m)
		want := store.Contents{Index: then.index, Time: then.time, Rows: int64(len(then.keys)), Results: int64(len(then.results))}
		for _, v := range then.keys {
			want.Versions += int64(len(v))
		}
		// A block goes when all of it is beyond the kept number.
		if late := found.Versions - want.Versions; keep >= 0 && late > 0 && late < 8*want.Rows {
			want.Versions = found.Versions
		}
		if found != want {
			rt.Fatalf("contents %+v, want %+v", found, want)
		}
		fs := vfs.NewCrashableMem()
		if got, err := build(fs, keep, all); err != nil || got != found {
			rt.Fatalf("built %+v, %v; want %+v", got, err, found)
		}
		copied := openMem(t, fs.CrashClone(vfs.CrashCloneCfg{}), keep)
		defer copied.Close()
		then.index = 0
		compare(rt, copied, then)
		if members, err := copied.ConfState(1); err != nil || members != nil {
			rt.Fatalf("members %q, %v", members, err)
		}
		for range 3 {
			step(copied, then)
		}
		compare(rt, copied, then)
	})
}

// Build refuses what no store could read, and a directory with a store.
// TestForgetOldFormat: results whose J rows do not tell their length, as those of
// earlier builds, are forgotten as well.
func TestForgetOldFormat(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	b := &kv.Batch{}
	for i := range 10 {
		b.Results = append(b.Results, kv.StoredResult{Key: fmt.Sprint(i), Time: hlc.Timestamp(i + 1), Result: make([]byte, 10*i)})
	}
	if err := s.Apply(1, 1, b); err != nil {
		t.Fatal(err)
	}
	mem := vfs.NewMem()
	_, err := store.Build(store.Options{FS: mem, Dir: "db", HistoryRevisions: -1}, func(add func(key, value []byte) error) error {
		_, err := s.Export(func(key, value []byte) error {
			if key[0] == 'J' {
				value = nil
			}
			return add(key, value)
		})
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openMem(t, mem, -1)
	defer s.Close()
	if err := s.Apply(1, 2, &kv.Batch{Forget: kv.Period{To: 6}}); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Results(); n != 5 {
		t.Errorf("%d results, want 5", n)
	}
	if err := s.Apply(1, 3, &kv.Batch{Forget: kv.Period{From: 6, To: 11}}); err != nil {
		t.Fatal(err)
	}
	if n, bytes := s.Results(); n != 0 || bytes != 0 {
		t.Errorf("%d results of %d bytes, want none", n, bytes)
	}
}

func TestBuildRefuses(t *testing.T) {
	good := pair{"L\x00k\x00\x01", "\x00\x00\x00\x01v"}
	if c, err := build(vfs.NewMem(), 1, []pair{good}); err != nil || c.Rows != 1 || c.Versions != 1 {
		t.Fatal(c, err)
	}
	for _, bad := range []pair{
		{"", ""}, {"Q", ""}, {"L", good.value}, {"L\x00k", good.value}, {good.key, ""}, {good.key, "\x00\x80"},
		{"H\x00k\x00\x01", good.value}, {"H\x00k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xfe", good.value},
		{"H\x00k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xf8\xff", ""},                      // an empty block
		{"H\x00k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xf8\xff", "\x05\x00\x08\x00\x01v"}, // with a version of another
		{"H\x00k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xf8\xff", "\x06\x00\x00\x00\x01v"}, // cut short
		{"H\x00k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xf9\xff", "\x05\x00\x00\x00\x01v"}, // not where a block ends
		{good.key, "\x80"}, {good.key, "\x80\x01\x01\x00\x01"}, {good.key, "\x80\x01\x01\x00\x01\x02v"},
		{good.key, "\x80\x01\x01\x00\x01\x01v\x05\x00\x08\x00\x01v"},
		{"I", ""}, {"Ikey", "short"}, {"J1", ""}, {"X1", ""},
		{"R", ""}, {"R?", ""}, {"Ra\x00", ""}, {"Ra\x00\x00\x00\x00\x00\x00\x00\x01", "\x80"}, {"Rv\x00\x00\x00\x00\x00\x00\x00\x00", "\x04"},
	} {
		if c, err := build(vfs.NewMem(), 1, []pair{bad}); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%q: %+v, %v", bad, c, err)
		}
	}
	fs := vfs.NewMem()
	s := openMem(t, fs, 1)
	apply(t, s, 1, put("k", "v", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := build(fs, 1, []pair{good}); err == nil {
		t.Error("built into a store")
	}
}

func TestExportEnds(t *testing.T) {
	s := openMem(t, vfs.NewMem(), 1)
	apply(t, s, 1, put("a", "", 1), put("b", "", 1))
	enough := errors.New("enough")
	calls := 0
	if _, err := s.Export(func(_, _ []byte) error { calls++; return enough }); err != enough || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Export(func(_, _ []byte) error { return nil }); err != store.ErrClosed {
		t.Error(err)
	}
}

// TestBuildFails: a disk that fails at any write is an error, and whoever built
// is told.
func TestBuildFails(t *testing.T) {
	var all []pair
	s := openMem(t, vfs.NewMem(), 1)
	for i := range 50 {
		apply(t, s, hlc.Timestamp(i+1), kv.Op{Kind: kv.Put, Key: string(rune('a' + i)),
			Row: kv.Row{Value: string(make([]byte, 5000)), Prev: -1, Modified: hlc.Timestamp(i + 1)}})
	}
	all, _ = export(t, s, 1<<20, func(int) {})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for n := int64(0); ; n++ {
		var writes atomic.Int64
		var failed errorfs.Op
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			// A file that is no longer needed may stay.
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove && writes.Add(1) == n+1 {
				failed = op
				return &vfsError{op.Path}
			}
			return nil
		}))
		_, err := build(fs, 1, all)
		if writes.Load() <= n {
			if err != nil || n < 20 {
				t.Errorf("%d writes: %v", n, err)
			}
			return
		}
		if err == nil {
			t.Errorf("%v failed, and nobody was told", failed)
		}
	}
}
