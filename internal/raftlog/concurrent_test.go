package raftlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3"
)

// Many groups append, read and compact at once; each sees its own log, and
// they share syncs.
func TestConcurrentGroups(t *testing.T) {
	const groups, writes = 16, 120
	fs := vfs.NewCrashableMem()
	l := openTest(t, Options{FS: fs, SegmentBytes: 32 << 10, CacheBytes: 8 << 10, QueueBytes: 4 << 10})
	var wg sync.WaitGroup
	for id := uint64(1); id <= groups; id++ {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(id, id))
			g := l.Group(id)
			data := strings.Repeat("x", 100)
			for i := uint64(1); i <= writes; i++ {
				w := Write{Group: id, HardState: hard(1, id, i-1), Entries: entries(i, 1, 1, fmt.Sprint(id, data))}
				if err := appendWait(l, w); err != nil {
					t.Error(err)
					return
				}
				first, _ := g.FirstIndex()
				lo := first + rng.Uint64N(i-first+1)
				got, err := g.Entries(lo, i+1, 1<<10)
				if err != nil || len(got) == 0 || !sameEntry(got[0], entries(lo, 1, 1, fmt.Sprint(id, data))[0]) {
					t.Error(id, lo, got, err)
					return
				}
				if i%10 == 0 {
					if err := g.Compact(i - 5); err != nil {
						t.Error(err)
					}
				}
			}
		})
		// A reader beside it, and one that looks at everything.
		wg.Go(func() {
			g := l.Group(id)
			for last := uint64(0); last < writes; last, _ = g.LastIndex() {
				if first, _ := g.FirstIndex(); first <= last {
					if _, err := g.Entries(first, last+1, 500); err != nil && err != raft.ErrCompacted {
						t.Error(err)
						return
					}
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = l.Stats()
				_ = l.Groups()
			}
		}
	})
	wg.Wait()
	close(stop)
	watcher.Wait()
	// A group that was done early holds its last entries in an early segment,
	// until it is compacted too.
	for id := uint64(1); id <= groups; id++ {
		if err := l.Group(id).Compact(writes); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, l, Write{Group: 1, Entries: entries(writes+1, 1, 3, "end")})
	if s := l.Stats(); s.Writes != groups*writes+1 || s.SegmentsGone == 0 {
		t.Errorf("%+v", s)
	}
	before := show(l)
	closeLog(t, l)
	l = openTest(t, Options{FS: crash(fs)})
	defer closeLog(t, l)
	if got := show(l); got != before {
		t.Errorf("got %s, want %s", got, before)
	}
}
