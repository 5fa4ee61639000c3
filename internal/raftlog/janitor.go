package raftlog

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// zeroChunkBytes is how much is zeroed with one write, and zeroSyncBytes
	// with one sync: a sync of the whole file would hold up those of the
	// active segment.
	zeroChunkBytes = 256 << 10
	zeroSyncBytes  = 2 << 20
)

var errStopped = errors.New("raftlog: stopped")

// spare is a file whose blocks are allocated and written, to become a segment.
// What is in it does not matter.
type spare struct {
	path string
	file vfs.File
	size int64
}

// janitor prepares the next segment and gets rid of old ones, in a goroutine
// of its own. What it fails at costs space or time, never data: errors are
// logged, and files left are removed by the next Open.
type janitor struct {
	log  *Log
	done chan struct{}

	mu      sync.Mutex
	cond    sync.Cond // anything below changed
	stopped bool
	want    int64      // size of the spare to make, 0 for none
	busy    bool       // making one
	spare   *spare     // ready
	old     []*segment // nobody needs them, nobody reads them
	named   int        // spares named so far
}

func newJanitor(l *Log) *janitor {
	j := &janitor{log: l, done: make(chan struct{})}
	j.cond.L = &j.mu
	return j
}

// prepare orders a spare of size bytes, if there is none.
func (j *janitor) prepare(size int64) {
	j.mu.Lock()
	if j.spare == nil && !j.busy {
		j.want = size
		j.cond.Broadcast()
	}
	j.mu.Unlock()
}

// take returns a spare of at least size bytes. It waits for one in the making
// and makes one if there is none.
func (j *janitor) take(size, minimum int64) (*spare, error) {
	j.mu.Lock()
	for j.busy {
		j.cond.Wait()
	}
	if s := j.spare; s != nil && s.size >= minimum {
		j.spare = nil
		j.mu.Unlock()
		return s, nil
	}
	j.want = 0
	j.mu.Unlock()
	return j.create(max(size, minimum), func() bool { return false })
}

// retire takes over a segment. It reports false when the janitor has gone.
func (j *janitor) retire(s *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return false
	}
	j.old = append(j.old, s)
	j.cond.Broadcast()
	return true
}

// stop ends the goroutine, waits for it, and removes the spare and the segments
// that are left to remove.
func (j *janitor) stop() {
	j.mu.Lock()
	j.stopped = true
	j.cond.Broadcast()
	j.mu.Unlock()
	<-j.done
	if len(j.old) > 0 {
		j.dispose(j.old)
		j.old = nil
	}
	if j.spare != nil {
		_ = j.spare.file.Close()
		_ = j.log.opts.FS.Remove(j.spare.path)
		j.spare = nil
	}
}

func (j *janitor) run() {
	defer close(j.done)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch {
		case j.stopped:
			return
		case len(j.old) > 0:
			old := j.old
			j.old = nil
			j.mu.Unlock()
			j.dispose(old)
			j.mu.Lock()
		case j.want > 0 && j.spare == nil:
			size := j.want
			j.want, j.busy = 0, true
			j.mu.Unlock()
			s, err := j.create(size, j.isStopped)
			if err != nil && err != errStopped {
				j.log.warn("cannot prepare the next segment", "err", err)
			}
			j.mu.Lock()
			j.spare, j.busy = s, false
			j.cond.Broadcast()
		default:
			j.want = 0
			j.cond.Wait()
		}
	}
}

func (j *janitor) isStopped() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stopped
}

func (j *janitor) name() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.named++
	return j.log.path(fmt.Sprintf("next-%d%s", j.named, spareSuffix))
}

// create makes a spare, unless stop says so meanwhile.
func (j *janitor) create(size int64, stop func() bool) (*spare, error) {
	fs, path := j.log.opts.FS, j.name()
	f, err := fs.Create(path, diskCategory)
	if err != nil {
		return nil, err
	}
	if err = j.zero(f, size, stop); err == nil {
		// WriteAt is promised for files from OpenReadWrite only, Write at
		// the end is what Create is for.
		if err = f.Close(); err == nil {
			f, err = fs.OpenReadWrite(path, diskCategory)
		}
		if err == nil {
			return &spare{path: path, file: f, size: size}, nil
		}
	} else {
		_ = f.Close()
	}
	_ = fs.Remove(path)
	return nil, err
}

func (j *janitor) zero(f vfs.File, size int64, stop func() bool) error {
	// Write may change the bytes it is given, so they are cleared each time.
	chunk := make([]byte, min(size, zeroChunkBytes))
	unsynced := int64(0)
	for done := int64(0); done < size; {
		if stop() {
			return errStopped
		}
		n := min(size-done, int64(len(chunk)))
		clear(chunk)
		if _, err := f.Write(chunk[:n]); err != nil {
			return err
		}
		done += n
		if unsynced += n; unsynced >= zeroSyncBytes {
			if err := j.log.syncData(f); err != nil {
				return err
			}
			unsynced = 0
		}
	}
	return j.log.syncAll(f)
}

// dispose removes segments, but one of them may become the spare.
func (j *janitor) dispose(old []*segment) {
	l := j.log
	for _, s := range old {
		if j.recycle(s) {
			continue
		}
		_ = s.file.Close()
		if err := l.opts.FS.Remove(s.path); err != nil {
			l.warn("cannot remove an old segment", "file", s.path, "err", err)
		}
	}
	if err := l.syncDir(); err != nil {
		l.warn("cannot sync the directory", "err", err)
	}
}

// recycle makes the segment the spare, if there is use for it.
func (j *janitor) recycle(s *segment) bool {
	l := j.log
	j.mu.Lock()
	useful := j.spare == nil && !j.stopped && s.reusable && s.size == l.opts.SegmentBytes
	j.mu.Unlock()
	if !useful {
		return false
	}
	path := j.name()
	if err := l.opts.FS.Rename(s.path, path); err != nil {
		return false
	}
	// The old name must be gone before the file gets new contents, or a crash
	// could leave them under both names.
	if err := l.syncDir(); err != nil {
		l.warn("cannot sync the directory", "err", err)
		_ = s.file.Close()
		_ = l.opts.FS.Remove(path)
		return true
	}
	j.mu.Lock()
	j.spare = &spare{path: path, file: s.file, size: s.size}
	j.cond.Broadcast()
	j.mu.Unlock()
	l.recycled.Add(1)
	return true
}
