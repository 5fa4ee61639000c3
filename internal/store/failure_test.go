package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// failing is a disk on which the operations that match fail once broken.
func failing(fs vfs.FS, broken *atomic.Bool, match func(errorfs.Op) bool) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && match(op) {
			return &vfsError{op.Path}
		}
		return nil
	}))
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

type vfsError struct{ path string }

func (e *vfsError) Error() string { return "disk full: " + e.path }
func (e *vfsError) Unwrap() error { return syscall.ENOSPC }

// image is the names and sizes of all files.
func image(t *testing.T, fs vfs.FS) string {
	t.Helper()
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		info, err := fs.Stat(fs.PathJoin("db", n))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, n, info.Size())
	}
	return b.String()
}

// Whatever write fails: the store says so, keeps answering reads, refuses
// writes without hanging, leaves the disk alone, and opens again on a healed
// disk with everything that was flushed.
func TestInvariantSTORE3(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"create table": func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") },
		"write table":  func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") },
		"sync table":   func(op errorfs.Op) bool { return isSync(op) && strings.HasSuffix(op.Path, ".sst") },
		"write manifest": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
		},
		"sync manifest":  func(op errorfs.Op) bool { return isSync(op) && strings.Contains(op.Path, "MANIFEST") },
		"sync directory": func(op errorfs.Op) bool { return isSync(op) && op.Path == "db" },
		"everything":     func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			var broken atomic.Bool
			s, err := store.Open(store.Options{FS: failing(mem, &broken, match), Dir: "db", HistoryRevisions: -1, MemTableBytes: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			apply(t, s, 1, put("flushed", "v", 1))
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			if n := s.FlushedIndex(1); n != 1 {
				t.Fatalf("flushed index %d", n)
			}
			broken.Store(true)
			var index uint64 = 1
			for err == nil {
				index++
				err = s.Apply(1, index, &kv.Batch{Ops: []kv.Op{put(fmt.Sprint(index), strings.Repeat("v", 900), 1)}})
				if index > 100_000 {
					t.Fatal("a broken disk is never noticed")
				}
			}
			if !errors.Is(err, store.ErrFailed) {
				t.Fatalf("Apply on a broken disk: %v", err)
			}
			<-s.Failed()
			if !errors.Is(s.Err(), store.ErrFailed) || !strings.Contains(s.Err().Error(), "disk full") {
				t.Fatal(s.Err())
			}
			if err := s.Flush(); !errors.Is(err, store.ErrFailed) {
				t.Fatalf("Flush: %v", err)
			}
			if n := s.FlushedIndex(1); n != 1 {
				t.Fatalf("flushed index %d after the failure", n)
			}
			if _, ok, err := s.Get("2"); !ok || err != nil {
				t.Fatal("reads have stopped", ok, err)
			}
			broken.Store(false)
			left := image(t, mem)
			if err := s.Close(); !errors.Is(err, store.ErrFailed) {
				t.Fatalf("Close: %v", err)
			}
			if after := image(t, mem); after != left {
				t.Fatalf("files changed after the failure\n%s\n%s", left, after)
			}
			for _, fs := range []vfs.FS{mem.CrashClone(vfs.CrashCloneCfg{}), mem} {
				again := openMem(t, fs, -1)
				first, _, err := again.Applied(1)
				if err != nil || first < 1 || first >= index {
					t.Fatalf("applied %d: %v", first, err)
				}
				if _, ok, err := again.Get("flushed"); !ok || err != nil {
					t.Fatal(ok, err)
				}
				if rows := again.Metrics().Rows; rows != int64(first) {
					t.Fatalf("%d rows at index %d", rows, first)
				}
				apply(t, again, 1, put("healed", "", 1))
				if err := again.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Opening on a broken disk is an error, not the end of the process, and lets
// go of the directory.
func TestOpenFails(t *testing.T) {
	for n := range 40 {
		mem := vfs.NewMem()
		var writes atomic.Int64
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) > int64(n) {
				return &vfsError{op.Path}
			}
			return nil
		}))
		s, err := store.Open(store.Options{FS: fs, Dir: "db"})
		if err == nil {
			s.Close()
			if n == 0 {
				t.Fatal("opened without a single write")
			}
			continue
		}
		if s, err = store.Open(store.Options{FS: mem, Dir: "db"}); err != nil {
			t.Fatalf("after a failure at write %d: %v", n, err)
		}
		apply(t, s, 1, put("k", "", 1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What a failed sync, or a process that was killed, has left in the page cache
// only is read by the next Open and counts from then on: it must survive a
// power failure from then on (Invariant STORE-2).
func TestOpenSettles(t *testing.T) {
	for range 50 {
		if openSettles(t) {
			return
		}
	}
	t.Fatal("the sync that failed was never that of the flush")
}

// openSettles reports whether the failed sync was that of the flush: a
// compaction may meet it first.
func openSettles(t *testing.T) bool {
	mem := vfs.NewCrashableMem()
	var broken atomic.Bool
	fs := failing(mem, &broken, func(op errorfs.Op) bool { return isSync(op) && strings.Contains(op.Path, "MANIFEST") })
	s, err := store.Open(store.Options{FS: fs, Dir: "db", HistoryRevisions: -1})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, 1, put("a", "v", 1))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := s.Apply(1, 2, &kv.Batch{Ops: []kv.Op{put("b", "v", 2)}}); err == nil {
		_ = s.Flush()
	}
	<-s.Failed()
	if err := s.Close(); !errors.Is(err, store.ErrFailed) {
		t.Fatal(err)
	}

	again := openMem(t, mem, -1)
	flushed := again.FlushedIndex(1)
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	left := openMem(t, image, -1)
	defer left.Close()
	if n, _, err := left.Applied(1); n < flushed || err != nil {
		t.Fatalf("applied %d after a crash, %d counted as flushed before it: %v", n, flushed, err)
	}
	return flushed == 2
}

// Opening a store on a disk that fails at any write, once or from then on, ends
// with an error, changes nothing that was on the disk, and goes well when the
// disk is healed. Pebble writes when it opens, and repeats what failed for ever.
func TestReopenFails(t *testing.T) {
	for _, once := range []bool{false, true} {
		for n := int64(1); ; n++ {
			mem := vfs.NewMem()
			s := openMem(t, mem, -1)
			apply(t, s, 1, put("k", strings.Repeat("v", 5000), 1))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			var writes atomic.Int64
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpRemove {
					return nil
				}
				if w := writes.Add(1); w == n || w > n && !once {
					return &vfsError{op.Path}
				}
				return nil
			}))
			s, err := store.Open(store.Options{FS: fs, Dir: "db", HistoryRevisions: -1})
			failed := writes.Load() >= n
			if err == nil {
				s.Close()
			}
			if s = openMem(t, mem, -1); versions(t, s, "k") != "r0=vvvv" {
				t.Fatalf("write %d: %s", n, versions(t, s, "k"))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if failed {
				continue
			}
			if n < 10 {
				t.Fatalf("only %d writes", n)
			}
			break
		}
	}
}

// A compaction that can not read its tables fails the store and is not tried
// again and again.
func TestFailedCompactionStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		var refused atomic.Int64
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpFileReadAt || op.Kind == errorfs.OpOpen) {
				refused.Add(1)
				return &vfsError{op.Path}
			}
			return nil
		}))
		s, err := store.Open(store.Options{FS: fs, Dir: "db", CacheBytes: 1, HistoryRevisions: -1})
		if err != nil {
			t.Fatal(err)
		}
		for index := uint64(1); s.Err() == nil; index++ {
			broken.Store(index > 1)
			if err := s.Apply(1, index, &kv.Batch{Ops: []kv.Op{put(fmt.Sprint("k", index%2), "v", 1)}}); err != nil && s.Err() == nil {
				t.Fatal(err)
			}
			_ = s.Flush()
			synctest.Wait()
			if index == 100 {
				t.Fatal("no compaction failed")
			}
		}
		before := refused.Load()
		time.Sleep(time.Minute)
		if n := refused.Load() - before; n > 100 {
			t.Errorf("%d reads in the minute after the failure", n)
		}
		if err := s.Close(); !errors.Is(err, store.ErrFailed) {
			t.Fatal(err)
		}
	})
}

// Pebble collects statistics of tables after it has opened. When it can not read
// them, it tries again at once and for ever, and must be held back.
func TestFailedStatisticsPause(t *testing.T) {
	failures := 0
	for n := int64(1); ; n++ {
		mem := vfs.NewMem()
		s := openMem(t, mem, -1)
		for i := range uint64(3) {
			apply(t, s, hlc.Timestamp(i+1), put(fmt.Sprint("k", i), strings.Repeat("v", 5000), 1))
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var reads atomic.Int64 // of the statistics
		synctest.Test(t, func(t *testing.T) {
			opened := make(chan struct{})
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				// While it makes the reader of a table, others may wait for that.
				if op.Kind != errorfs.OpFileReadAt || !calledBy("loadTableStats") || calledBy("sstable.NewReader") {
					return nil
				}
				<-opened
				if reads.Add(1) >= n {
					return &vfsError{op.Path}
				}
				return nil
			}))
			s, err := store.Open(store.Options{FS: fs, Dir: "db", CacheBytes: 1, HistoryRevisions: -1})
			if err != nil {
				t.Fatal(err)
			}
			close(opened)
			time.Sleep(time.Minute) // of the bubble's time: it passes when nothing runs
			if reads.Load() >= n {
				failures++
				if s.Err() == nil {
					t.Errorf("read %d of the statistics has failed, and the store has not", n)
				}
			}
			if refused := reads.Load() - n + 1; refused > 5000 {
				t.Errorf("read %d: %d reads in the minute after the failure", n, refused)
			}
			if err := s.Close(); s.Err() != nil && !errors.Is(err, store.ErrFailed) {
				t.Error(err)
			}
		})
		if reads.Load() < n {
			break
		}
	}
	if failures == 0 {
		t.Error("no failed read was one of the statistics")
	}
}

// calledBy reports whether a function with such a name is among the callers.
func calledBy(name string) bool {
	pcs := make([]uintptr, 64)
	for frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)]); ; {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, name) {
			return true
		}
		if !more {
			return false
		}
	}
}

// stuckFS is a disk on which tables can not be made until released.
type stuckFS struct {
	vfs.FS
	release chan struct{}
}

// heldBack is a log handler that tells when writes have to wait.
type heldBack struct {
	slog.Handler
	told chan struct{}
}

func (h heldBack) Enabled(context.Context, slog.Level) bool { return true }

func (h heldBack) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "writes wait") {
		h.told <- struct{}{}
	}
	return nil
}

func (fs *stuckFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") {
		<-fs.release
	}
	return fs.FS.Create(name, c)
}

// A slow disk holds Apply back while memory is bounded, and Close ends the
// wait.
func TestBackpressure(t *testing.T) {
	fs := &stuckFS{FS: vfs.NewMem(), release: make(chan struct{})}
	held := heldBack{slog.DiscardHandler, make(chan struct{}, 1)}
	s, err := store.Open(store.Options{FS: fs, Dir: "db", HistoryRevisions: -1, MemTableBytes: 64 << 10, Logger: slog.New(held)})
	if err != nil {
		t.Fatal(err)
	}
	var index atomic.Uint64
	refused := make(chan error, 1)
	go func() {
		for {
			i := index.Load() + 1
			err := s.Apply(1, i, &kv.Batch{Ops: []kv.Op{put(fmt.Sprint(i), strings.Repeat("v", 900), hlc.Timestamp(1))}})
			if err != nil {
				refused <- err
				return
			}
			index.Store(i)
		}
	}()
	<-held.told
	if n := s.Metrics().Stalls; n != 1 {
		t.Fatalf("%d stalls", n)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	if err := <-refused; err != store.ErrClosed {
		t.Fatalf("held back Apply: %v", err)
	}
	if n := index.Load() * 900; n > 6*(64<<10) {
		t.Fatalf("%d bytes taken without a flush", n)
	}
	close(fs.release)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	s = openMem(t, fs.FS, -1)
	defer s.Close()
	if n, _, err := s.Applied(1); n != index.Load() || err != nil {
		t.Fatalf("applied %d of %d: %v", n, index.Load(), err)
	}
}
