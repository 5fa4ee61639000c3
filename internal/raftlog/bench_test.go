package raftlog

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BenchmarkAppend compares the log with what the disk can do: a write and a
// fdatasync of 4 KiB in a file that was written before.
//
//	go test ./internal/raftlog -run '^$' -bench Append
//
// The time of a sync differs much from one run to the next. What the log adds
// to it is ns/frame less sync-ns/frame, which are of the same run.
//
// Set KAHUNA_BENCH_DIR to measure another disk than that of the temporary
// directory.
func BenchmarkAppend(b *testing.B) {
	b.Run("fdatasync", func(b *testing.B) { benchFdatasync(b) })
	for _, c := range []struct {
		name    string
		waiters int
	}{{"waiters=1", 1}, {"waiters=64", 64}} {
		b.Run(c.name, func(b *testing.B) { benchAppend(b, c.waiters) })
	}
}

func benchDir(b *testing.B) string {
	if base := os.Getenv("KAHUNA_BENCH_DIR"); base != "" {
		dir, err := os.MkdirTemp(base, "raftlog")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return b.TempDir()
}

func benchFdatasync(b *testing.B) {
	f, err := vfs.Default.OpenReadWrite(filepath.Join(benchDir(b), "file"), vfs.WriteCategoryUnspecified)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size, block = 64 << 20, 4 << 10
	if _, err := f.Write(make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, block)
	off := int64(0)
	for b.Loop() {
		buf[0]++
		if _, err := f.WriteAt(buf, off); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
		off = (off + block) % size
	}
}

func benchAppend(b *testing.B, waiters int) {
	l, err := Open(Options{Dir: benchDir(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	data := string(make([]byte, 4000))
	var wg sync.WaitGroup
	before := l.Stats()
	start := time.Now()
	b.ResetTimer()
	for w := range waiters {
		wg.Go(func() {
			id := uint64(w + 1)
			g := l.Group(id)
			done := make(chan error, 1)
			for i := w; i < b.N; i += waiters {
				index := uint64(i/waiters) + 1
				l.Append(Write{
					Group: id, Entries: entries(index, 1, 1, data),
					Done: func(err error) { done <- err },
				})
				if err := <-done; err != nil {
					b.Error(err)
					return
				}
				if index%1000 == 0 {
					if err := g.Compact(index - 100); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	s := l.Stats()
	frames := float64(s.Frames - before.Frames)
	b.ReportMetric(float64(time.Since(start).Nanoseconds())/frames, "ns/frame")
	b.ReportMetric(float64((s.SyncTime-before.SyncTime).Nanoseconds())/frames, "sync-ns/frame")
	b.ReportMetric(float64(b.N)/frames, "writes/frame")
}

// BenchmarkEncode is the log without a disk.
func BenchmarkEncode(b *testing.B) {
	l, err := Open(Options{FS: vfs.NewMem(), Dir: testDir, SegmentBytes: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	data := string(make([]byte, 4000))
	index := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		index++
		l.Append(Write{Group: 1, Entries: entries(index, 1, 1, data), Done: func(err error) { done <- err }})
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		if index%100 == 0 {
			if err := l.Group(1).Compact(index); err != nil {
				b.Fatal(err)
			}
		}
	}
}
