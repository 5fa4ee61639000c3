package raftlog

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The defaults of Options.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultCacheBytes   = 64 << 20
	DefaultQueueBytes   = 64 << 20
)

const segmentMinBytes = 4 << 10

// Options say where and how the log is kept. Zero values mean the defaults.
type Options struct {
	FS  vfs.FS // vfs.Default
	Dir string // created when missing; used by one Log at a time

	// SegmentBytes is the size of a file, at least 4 KiB. A single larger
	// frame gets a larger file.
	SegmentBytes int64

	// CacheBytes bounds the entries kept in memory for all groups together.
	CacheBytes int64

	// QueueBytes bounds what is queued and not yet synced; Append waits above
	// it. A single larger write is let in when nothing else is queued. What
	// Enqueue adds counts, but does not wait.
	QueueBytes int64

	// StoreID is the store that the log belongs to, and every segment names; 0
	// if that does not matter. A segment of another store is a *StrangerError;
	// one that names none is taken.
	StoreID uint64

	// MustExist makes Open return ErrMissing instead of beginning a new log.
	MustExist bool

	// DisableSync leaves the syncs of files out. Then a crash loses data and
	// may look like damage. It is there to prove that the crash tests find a
	// log that does not sync.
	DisableSync bool

	// Logger hears of torn tails that were cut, and of what went wrong in the
	// background. nil discards it.
	Logger *slog.Logger
}

// Log is the log of all groups of a node. All methods may be called
// concurrently.
type Log struct {
	opts    Options
	queue   queue
	janitor *janitor
	lock    io.Closer
	done    chan struct{} // closed when the writer has ended

	dirMu sync.Mutex // one sync of the directory at a time
	dir   vfs.File

	recycled atomic.Uint64

	mu       sync.RWMutex
	groups   map[uint64]*Group
	cache    cache
	segments []*segment // ascending and without gaps; the last is written to
	obsolete uint64     // segments up to this number are not needed, as synced
	dirty    []*Group   // their state is newer than the files
	failure  error      // wraps ErrFailed, once set
	closed   bool
	stats    Stats

	// The writer's own.
	batch     uint64 // number of the batch in the making
	buf       []byte
	extra     []byte // records beside the writes
	preparing bool   // the next segment was ordered
}

// Stats are counters since Open, and the present state.
type Stats struct {
	Segments     int    // files of the log, without the one prepared
	FirstSegment uint64 // number of the oldest
	LastSegment  uint64 // number of the one written to
	DiskBytes    int64  // size of the files
	Groups       int    // groups with any state
	CacheBytes   int64  // entries in memory
	QueueBytes   int64  // queued or being written

	Writes        uint64        // acknowledged writes
	Frames        uint64        // frames written, state frames included
	BytesWritten  uint64        // bytes of frames, state frames included
	Syncs         uint64        // syncs of frames
	LastSync      time.Duration // how long the last of them took
	MaxSync       time.Duration // how long the slowest took
	SyncTime      time.Duration // how long all of them took
	SegmentsMade  uint64        // segments begun
	SegmentsGone  uint64        // segments nobody needed any more
	Recycled      uint64        // of these, used again
	CutTailBytes  int64         // torn bytes that Open left behind
	Failed        error         // why the log accepts no more writes, or nil
	RecoveredFrom uint64        // number of the first segment that Open read, 0 for a new log
}

// Open opens the log in a directory, or makes a new one. It returns a
// *CorruptError for damage, a *VersionError for an unknown format, a
// *StrangerError for the log of another store, and ErrMissing as
// Options.MustExist says, without changing anything but the lock file.
func Open(opts Options) (*Log, error) {
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.SegmentBytes <= 0 {
		opts.SegmentBytes = DefaultSegmentBytes
	}
	opts.SegmentBytes = max(opts.SegmentBytes, segmentMinBytes)
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = DefaultCacheBytes
	}
	if opts.QueueBytes <= 0 {
		opts.QueueBytes = DefaultQueueBytes
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		opts:   opts,
		done:   make(chan struct{}),
		groups: make(map[uint64]*Group),
		cache:  cache{max: opts.CacheBytes},
	}
	l.queue.init(opts.QueueBytes)
	l.janitor = newJanitor(l)
	if err := l.open(); err != nil {
		l.closeFiles()
		return nil, err
	}
	go l.janitor.run()
	go l.write()
	l.mu.RLock()
	wake := l.disposable() > l.obsolete
	l.mu.RUnlock()
	if wake {
		l.queue.flush()
	}
	return l, nil
}

func (l *Log) open() error {
	fs := l.opts.FS
	if err := makeDir(fs, l.opts.Dir); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	var err error
	if l.lock, err = fs.Lock(l.path(lockName)); err != nil {
		return fmt.Errorf("raftlog: %s is in use: %w", l.opts.Dir, err)
	}
	if l.dir, err = fs.OpenDir(l.opts.Dir); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	garbage, err := l.recover()
	if err != nil {
		return err
	}
	for _, name := range garbage {
		if err := fs.Remove(l.path(name)); err != nil {
			return fmt.Errorf("raftlog: removing %s: %w", l.path(name), err)
		}
	}
	if err := l.roll(0); err != nil {
		return fmt.Errorf("raftlog: starting a segment: %w", err)
	}
	return nil
}

// makeDir creates dir and sees to it that it is there after a crash.
func makeDir(fs vfs.FS, dir string) error {
	parents := []string{fs.PathDir(dir)}
	for p := parents[0]; fs.PathDir(p) != p; {
		if _, err := fs.Stat(p); err == nil {
			break
		}
		p = fs.PathDir(p)
		parents = append(parents, p)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		d, err := fs.OpenDir(p)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close writes what is queued and an end mark, and stops the log's
// goroutines. Append is refused from then on, reads get ErrClosed. It returns
// an error that wraps ErrFailed when not all was written, ErrClosed when it
// was called before.
func (l *Log) Close() error {
	if !l.queue.close() {
		return ErrClosed
	}
	<-l.done
	l.janitor.stop()
	l.closeFiles()
	return l.failed()
}

func (l *Log) closeFiles() {
	l.mu.Lock()
	l.closed = true
	segments := l.segments
	l.segments = nil
	l.mu.Unlock()
	for _, s := range segments {
		s.release()
	}
	if l.dir != nil {
		_ = l.dir.Close()
	}
	if l.lock != nil {
		_ = l.lock.Close()
	}
}

// Group returns the group of that number, and creates it when new. A new group
// is not on disk until something is written to it.
func (l *Log) Group(id uint64) *Group {
	l.mu.RLock()
	g := l.groups[id]
	l.mu.RUnlock()
	if g != nil {
		return g
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.group(id)
}

// group is Group with mu held.
func (l *Log) group(id uint64) *Group {
	g := l.groups[id]
	if g == nil {
		g = &Group{log: l, id: id}
		l.groups[id] = g
	}
	return g
}

// Groups returns the numbers of the groups with any state, ascending.
func (l *Log) Groups() []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var ids []uint64
	for _, id := range slices.Sorted(maps.Keys(l.groups)) {
		if !l.groups[id].state.empty() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Append queues w and returns. It waits while the queue is full, so that who
// writes without end is held back by the disk. After Close it calls w.Done
// itself, with ErrClosed.
func (l *Log) Append(w Write) { l.add(w, true) }

// Enqueue is Append that never waits, however full the queue is. It is for who
// must not wait, as a Done or the holder of a lock that a Done takes; such a
// caller bounds by itself what it has on its way.
func (l *Log) Enqueue(w Write) { l.add(w, false) }

func (l *Log) add(w Write, wait bool) {
	if !l.queue.put(pending{Write: w, bytes: w.bytesMax()}, wait) && w.Done != nil {
		w.Done(ErrClosed)
	}
}

// Stats returns a snapshot.
func (l *Log) Stats() Stats {
	l.queue.mu.Lock()
	queued := l.queue.bytes
	l.queue.mu.Unlock()
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.stats
	s.QueueBytes = queued
	s.CacheBytes = l.cache.bytes
	s.Recycled = l.recycled.Load()
	s.Failed = l.failure
	for _, g := range l.groups {
		if !g.state.empty() {
			s.Groups++
		}
	}
	s.Segments = len(l.segments)
	for _, seg := range l.segments {
		s.DiskBytes += seg.size
	}
	if s.Segments > 0 {
		s.FirstSegment = l.segments[0].seq
		s.LastSegment = l.segments[s.Segments-1].seq
	}
	return s
}

// failed returns the failure of the log, or nil.
func (l *Log) failed() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failure
}

// refusal says why the log accepts no changes; mu is held.
func (l *Log) refusal() error {
	if l.closed {
		return ErrClosed
	}
	return l.failure
}

// soil notes that g has state newer than the files; mu is held.
func (l *Log) soil(g *Group) {
	if !g.dirty {
		g.dirty = true
		l.dirty = append(l.dirty, g)
	}
}

// disposable returns the number up to which nobody needs the segments; mu is
// held.
func (l *Log) disposable() uint64 {
	seq := l.obsolete
	for _, s := range l.segments[:max(0, len(l.segments)-1)] {
		if s.live > 0 {
			break
		}
		seq = s.seq
	}
	return seq
}

func (l *Log) path(name string) string { return l.opts.FS.PathJoin(l.opts.Dir, name) }

func (l *Log) warn(msg string, args ...any) { l.opts.Logger.Warn("raftlog: "+msg, args...) }

// syncData syncs what is in a file whose size did not change.
func (l *Log) syncData(f vfs.File) error {
	if l.opts.DisableSync {
		return nil
	}
	return f.SyncData()
}

// syncAll syncs a file with its metadata.
func (l *Log) syncAll(f vfs.File) error {
	if l.opts.DisableSync {
		return nil
	}
	return f.Sync()
}

func (l *Log) syncDir() error {
	l.dirMu.Lock()
	defer l.dirMu.Unlock()
	return l.dir.Sync()
}

// newSalt returns a random number that is not 0.
func newSalt() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
			return v
		}
	}
}
