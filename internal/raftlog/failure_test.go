package raftlog

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// breakable is a disk that can be told to fail.
type breakable struct {
	mem *vfs.MemFS
	fs  *hookFS

	mu   sync.Mutex
	fail func(op, string) error
}

func newBreakable() *breakable {
	b := &breakable{mem: vfs.NewCrashableMem()}
	b.fs = &hookFS{FS: b.mem, before: func(o op, path string) error {
		b.mu.Lock()
		fail := b.fail
		b.mu.Unlock()
		if fail != nil {
			return fail(o, path)
		}
		return nil
	}}
	return b
}

func (b *breakable) set(fail func(op, string) error) {
	b.mu.Lock()
	b.fail = fail
	b.mu.Unlock()
}

// TestFailureIsFinal is the test of LOG-3.
func TestFailureIsFinal(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    op
		where string // suffix of the path
		err   error
	}{
		{"write", opWrite, segmentSuffix, syscall.EIO},
		{"no space", opWrite, "", syscall.ENOSPC},
		{"sync", opSync, segmentSuffix, syscall.EIO},
		{"new file", opCreate, spareSuffix, syscall.ENOSPC},
		{"new segment", opWrite, spareSuffix, syscall.ENOSPC},
		{"sync of a new segment", opSync, spareSuffix, syscall.EIO},
		{"rename", opRename, segmentSuffix, syscall.EIO},
		{"sync of the directory", opSync, testDir, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := newBreakable()
			l := openTest(t, Options{FS: disk.fs, CacheBytes: 1})
			m := &model{}
			for i := range uint64(5) {
				m.append(l, Write{Group: 1, HardState: hard(1, 1, i), Entries: entries(1+i, 1, 1, "good")}, func(err error) { t.Error(err) })
			}
			m.wait(l)
			acked := snapshot{writes: m.writes, acked: len(m.writes)}

			disk.set(func(o op, path string) error {
				if o == c.op && strings.HasSuffix(path, c.where) {
					return c.err
				}
				return nil
			})
			var failure error
			for i := uint64(6); failure == nil && i < 100; i++ {
				w := Write{Group: 1, Entries: entries(i, 1, 1, strings.Repeat("x", 600))}
				if failure = appendWait(l, w); failure == nil {
					m.append(l, Write{}, func(error) {}) // keeps the numbers
					m.writes[len(m.writes)-1] = modelWrite{Write: w}
					m.wait(l)
				}
			}
			if !errors.Is(failure, ErrFailed) || !errors.Is(failure, c.err) {
				t.Fatal(failure)
			}
			acked = snapshot{writes: m.writes, acked: len(m.writes)}
			disk.set(nil)

			// The disk works again, the log does not; what it had is readable.
			for range 3 {
				if err := appendWait(l, Write{Group: 2, MustSync: true, HardState: hard(1, 1, 1)}); !errors.Is(err, ErrFailed) {
					t.Fatal(err)
				}
			}
			if err := l.Group(1).Compact(2); !errors.Is(err, ErrFailed) {
				t.Fatal(err)
			}
			if err := acked.check(l); err != nil {
				t.Fatal(err)
			}
			if !errors.Is(l.Stats().Failed, c.err) {
				t.Fatal(l.Stats().Failed)
			}
			if err := l.Close(); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			for _, image := range []*vfs.MemFS{crash(disk.mem), disk.mem} {
				l = openTest(t, Options{FS: image})
				got, _ := l.Group(1).LastIndex()
				if n := uint64(len(l.Groups())); n != 1 || got < 5 {
					t.Fatal(n, got)
				}
				closeLog(t, l)
			}
		})
	}
}

// What Open shows stays, also if a failed sync or a kill left it in the page
// cache only.
func TestUnsyncedTail(t *testing.T) {
	disk := newBreakable()
	l := openTest(t, Options{FS: disk.fs})
	mustAppend(t, l, Write{Group: 1, Entries: entries(1, 1, 1, "synced")})
	disk.set(func(o op, path string) error {
		if o == opSync {
			return syscall.EIO
		}
		return nil
	})
	if err := appendWait(l, Write{Group: 1, Entries: entries(2, 1, 1, "unsynced")}); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	old := l.active().path
	_ = l.Close()

	// The last frame is written again and synced before there is a segment
	// that relies on it; a crash at any time after that shows the same.
	var steps []string
	var images []*vfs.MemFS
	disk.set(func(o op, path string) error {
		switch {
		case path == old && len(images) == 0 && o != opRead:
			steps = append(steps, string(o))
		case o == opRename:
			images = append(images, crash(disk.mem))
		case len(images) > 0:
			images = append(images, crash(disk.mem))
		}
		return nil
	})
	l = openTest(t, Options{FS: disk.fs})
	shown := show(l)
	if !strings.Contains(shown, "unsynced") {
		t.Fatal("the test proves nothing: ", shown)
	}
	if got := strings.Join(steps, " "); got != "write sync" {
		t.Errorf("the old segment saw: %s", got)
	}
	images = append(images, crash(disk.mem))
	closeLog(t, l)
	if len(images) < 4 {
		t.Fatal("the test proves nothing: ", len(images))
	}
	for i, image := range images {
		l, err := Open(testOptions(Options{FS: image}))
		if err != nil {
			t.Fatalf("image %d: %v", i, err)
		}
		if got := show(l); got != shown {
			t.Errorf("image %d: got %s, want %s", i, got, shown)
		}
		closeLog(t, l)
	}
}

// What fails in the background does not stop the log.
func TestBackgroundFailures(t *testing.T) {
	disk := newBreakable()
	warned := make(chan string, 1000)
	logger := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		warned <- string(b)
		return len(b), nil
	}), nil))
	l := openTest(t, Options{FS: disk.fs, Logger: logger})
	last := uint64(0)
	add := func() {
		t.Helper()
		last++
		mustAppend(t, l, Write{Group: 1, Entries: entries(last, 1, 1, strings.Repeat("x", 600))})
	}
	for range 3 {
		// The janitor cannot make a segment; later the writer can.
		disk.set(func(o op, path string) error {
			if o == opCreate || o == opRemove || o == opRename {
				return syscall.ENOSPC
			}
			return nil
		})
		l.janitor.requireNoSpare(t)
		for s := l.active(); s.end <= s.size/2; {
			add()
		}
		for !strings.Contains(<-warned, "prepare") {
		}
		disk.set(func(o op, path string) error {
			if o == opRemove || o == opRename && strings.HasSuffix(path, spareSuffix) {
				return syscall.EIO
			}
			return nil
		})
		for made := l.Stats().SegmentsMade; l.Stats().SegmentsMade == made; {
			add()
		}
		if err := l.Group(1).Compact(last); err != nil {
			t.Fatal(err)
		}
		for !strings.Contains(<-warned, "remove") {
		}
	}
	closeLog(t, l)
	disk.set(nil)
	l = openTest(t, Options{FS: disk.fs})
	defer closeLog(t, l)
	if got, _ := l.Group(1).LastIndex(); got != last {
		t.Fatal(got, last)
	}
	if n := len(segmentNames(t, disk.mem, testDir)); n > 3 {
		t.Fatalf("%d segments left", n)
	}
}

// requireNoSpare fails the test when there is a spare already, which would keep the
// janitor from making one.
func (j *janitor) requireNoSpare(t *testing.T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.spare != nil {
		t.Fatal("there is a spare")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// blocked opens a log whose writer hangs in a sync, with a full queue and a
// number of callers waiting in Append. It returns what lets the sync go on,
// with an error or without.
func blocked(t *testing.T, callers int) (l *Log, results chan error, resume func(error)) {
	t.Helper()
	disk := newBreakable()
	l = openTest(t, Options{FS: disk.fs, QueueBytes: 1 << 10})
	entered := make(chan struct{})
	leave := make(chan error)
	var once sync.Once
	disk.set(func(o op, path string) (err error) {
		if o == opSync && strings.HasSuffix(path, segmentSuffix) {
			once.Do(func() {
				close(entered)
				err = <-leave
			})
		}
		return err
	})
	results = make(chan error, callers+1)
	l.Append(Write{Group: 1, Entries: entries(1, 1, 1, strings.Repeat("x", 2000)), Done: func(err error) { results <- err }})
	<-entered
	for i := range callers {
		go l.Append(Write{
			Group: uint64(10 + i), HardState: hard(1, 1, 1),
			Done: func(err error) { results <- err },
		})
	}
	return l, results, func(err error) { leave <- err }
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, results, resume := blocked(t, 20)
		synctest.Wait() // everybody hangs
		if q := l.Stats().QueueBytes; q < 2000 || q > 3000 {
			t.Error(q)
		}
		resume(nil)
		for range 21 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		closeLog(t, l)
		if q := l.Stats().QueueBytes; q != 0 {
			t.Error(q)
		}
	})
}

// Enqueue does not wait when Append would, also on the log's own goroutine,
// and keeps the order; what it adds counts.
func TestEnqueueNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, results, resume := blocked(t, 1)
		synctest.Wait() // the one in Append hangs
		data := strings.Repeat("x", 2000)
		var order []uint64
		var chain func(i uint64) Write
		chain = func(i uint64) Write {
			return Write{Group: 1, Entries: entries(i, 1, 1, data), Done: func(err error) {
				if order = append(order, i); err != nil {
					t.Error(i, err)
				}
				if i < 20 {
					l.Enqueue(chain(i + 10)) // up to 29
				}
			}}
		}
		for i := uint64(2); i <= 11; i++ {
			l.Enqueue(chain(i))
		}
		if q := l.Stats().QueueBytes; q < 11*2000 {
			t.Error(q)
		}
		resume(nil)
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		for k, i := range order {
			if i != uint64(k)+2 {
				t.Fatal(order)
			}
		}
		if len(order) != 28 {
			t.Error(len(order), "writes are done, want 28")
		}
		closeLog(t, l)
	})
}

func TestFailureReleasesAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, results, resume := blocked(t, 20)
		synctest.Wait()
		resume(syscall.EIO)
		for range 21 {
			if err := <-results; !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Error(err)
			}
		}
		if err := l.Close(); !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
	})
}

func TestCloseReleasesAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, results, resume := blocked(t, 20)
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		// Those that wait get ErrClosed while the sync still hangs.
		for range 20 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		resume(nil)
		if err := <-results; err != nil {
			t.Error("what was queued before Close: ", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// Done comes once for each write, in order.
func TestDoneOrder(t *testing.T) {
	l := openTest(t, Options{FS: vfs.NewMem()})
	defer closeLog(t, l)
	var got []int
	done := make(chan struct{})
	const n = 500
	for i := range n {
		w := Write{Group: 1, HardState: hard(1, 1, uint64(i)), Done: func(error) {
			if got = append(got, i); len(got) == n {
				close(done)
			}
		}}
		if i%7 == 0 {
			w.Entries = entries(1000, 1, 1, "gap") // refused, in its place
		}
		l.Append(w)
	}
	<-done
	for i, x := range got {
		if i != x {
			t.Fatal(fmt.Sprint("out of order: ", got))
		}
	}
}
