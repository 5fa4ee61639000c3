package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/admission"
	"kahuna/internal/hlc"
	"kahuna/internal/partition"
	"kahuna/internal/raftlog"
	"kahuna/internal/replica"
	"kahuna/internal/store"
	"kahuna/internal/txn"
	"kahuna/script"
)

// Options say how a node runs. Zero fields take their defaults.
type Options struct {
	FS  vfs.FS // the disk; vfs.NewMem() for a store without files; that of the machine, see privateFS
	Dir string

	Partition        partition.Options // see defaults
	Admission        admission.Options // see defaults
	BlockCacheBytes  int64             // Pebble's block cache: 64 MiB
	MemTableBytes    int64             // 64 MiB
	SegmentBytes     int64             // of the log: 64 MiB
	LogBytes         int64             // of log that the rows still need, before they are flushed: 256 MiB
	LogEntries       int64             // the same in entries, which take memory: 131,072
	HistoryRevisions int64             // 128; -1 unlimited
	TickInterval     time.Duration     // of Raft: 100 ms
	SweepInterval    time.Duration     // 1 s
	DisableSync      bool              // for tests that must fail without sync
	KeepLog          bool              // for tests that must fail without compaction
	Now              func() int64      // physical clock in Unix milliseconds; that of the machine
	Logger           *slog.Logger

	toRead bool // what is written is dropped; see openFull
}

const (
	day    = 24 * time.Hour
	soonMs = int64(10 * time.Minute / time.Millisecond)
)

func (o Options) withDefaults() Options {
	p := &o.Partition
	def(&p.CacheBytes, 128<<20)
	def(&p.EphemeralBytes, 256<<20)
	def(&p.BatchBytes, 4<<20)
	def(&p.UnappliedBytes, 256<<20)
	def(&p.FastSteps, 4000)
	def(&p.FastRows, 1000)
	def(&p.FastMisses, 32)
	def(&p.RetentionMs, int64(time.Hour/time.Millisecond))
	def(&p.ResultMs, 2*soonMs)
	def(&p.ResultBytes, 1<<30)
	def(&p.WrittenKeys, 10_000)
	def(&p.WrittenBytes, 64<<20)
	def(&o.BlockCacheBytes, 64<<20)
	def(&o.MemTableBytes, 64<<20)
	def(&o.SegmentBytes, 64<<20)
	def(&o.LogBytes, 256<<20)
	def(&o.LogEntries, 1<<17)
	def(&o.HistoryRevisions, 128)
	def(&o.TickInterval, 100*time.Millisecond)
	def(&o.SweepInterval, time.Second)
	a := &o.Admission
	processors := runtime.GOMAXPROCS(0)
	def(&a.Processors, max(1, processors/2))
	def(&a.Scripts, 8*a.Processors)
	def(&a.Waiting, 10_000)
	def(&a.Turn, 2*time.Millisecond)
	def(&a.Stretch, 200*time.Microsecond)
	def(&a.Rest, 100*time.Microsecond)
	def(&a.BytesPerSecond, 16<<20*int64(processors))
	if o.FS == nil {
		o.FS = privateFS{vfs.Default}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func def[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Node is a running store. Its methods may be called from any goroutine.
type Node struct {
	opts    Options
	log     *raftlog.Log
	store   *store.Store
	group   *group
	applier *applier
	owner   *owner
	clock   *clock
	// logClosed keeps release from closing the log a second time.
	logClosed bool

	// Runner runs jobs in the node's partition.
	Runner *txn.Runner

	flushed    chan struct{} // the store flushed: the log may shrink
	ledOnce    sync.Once
	ledChan    chan struct{}
	failOnce   sync.Once
	failed     chan struct{}
	failure    atomic.Pointer[script.Error]
	closeOnce  sync.Once
	closing    chan struct{}
	idle       chan struct{} // closed when the node closes and nothing is on its way any more
	closeErr   error
	background sync.WaitGroup

	// of the sweeper
	dying     store.DyingCursor
	pruner    pruner
	forgotten hlc.Timestamp // no result is older

	// flushing says that boundLog began a flush. It is housekeep's.
	flushing bool
}

// The directories of a store.
const (
	rowsDir = "rows"
	logDir  = "log"
)

// groupID is the only group of a store that has not been split.
const groupID = 1

// Open opens the store in o.Dir, creating it when there is none, recovers it,
// and returns when it runs scripts. Errors are *script.Error: code "open" when
// another process has it, "corrupt" when files are damaged, "bad_request" when
// the directory has something in it that is no store, "storage" for the rest;
// nothing was changed then. On a full disk it opens a store to be read;
// see openFull.
func Open(ctx context.Context, o Options) (*Node, error) {
	o = o.withDefaults()
	n, err := start(ctx, o)
	if isNoSpace(err) {
		if n := openFull(ctx, o, err); n != nil {
			return n, nil
		}
	}
	return n, err
}

// start opens the store and returns when it runs scripts.
func start(ctx context.Context, o Options) (*Node, error) {
	n := newNode(o)
	if err := n.open(); err != nil {
		_ = n.release()
		return nil, openError(o.Dir, err)
	}
	n.run()

	n.group.mu.Lock()
	err := n.group.replica.Campaign()
	n.group.drain()
	n.group.unlock()
	if err == nil {
		select {
		case <-n.ledChan:
			if err = n.boundSegments(); err == nil {
				return n, nil
			}
		case <-n.failed:
			err = n.failure.Load().Err
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	_ = n.Close()
	return nil, openError(o.Dir, err)
}

func newNode(o Options) *Node {
	return &Node{opts: o, clock: newClock(), applier: newApplier(), flushed: make(chan struct{}, 1),
		ledChan: make(chan struct{}), failed: make(chan struct{}), closing: make(chan struct{}),
		idle: make(chan struct{})}
}

// run starts the goroutines, which Close ends.
func (n *Node) run() {
	go n.applier.run(n.fail)
	n.background.Add(2)
	go n.housekeep()
	go n.sweepAgain()
}

func (n *Node) open() (err error) {
	o := n.opts
	fs := o.FS
	// Without rows it was never open: its directory may be new.
	if _, err := fs.Stat(fs.PathJoin(o.Dir, rowsDir)); err != nil && !installing(fs, o.Dir) {
		made, err := makeDir(fs, o.Dir)
		if err != nil {
			return err
		}
		if !made {
			if err := checkForeign(fs, o.Dir); err != nil {
				return err
			}
		}
	}
	if n.owner, err = takeOwnership(fs, o.Dir); err != nil {
		return err
	}
	if err := checkUnfinished(fs, o.Dir); err != nil {
		return err
	}
	if err := finishInstall(o); err != nil {
		return err
	}
	so := store.Options{FS: orderedFS{fs}, Dir: fs.PathJoin(o.Dir, rowsDir), ID: newStoreID(),
		CacheBytes: o.BlockCacheBytes, MemTableBytes: o.MemTableBytes,
		HistoryRevisions: o.HistoryRevisions, Logger: o.Logger, DisableCompactions: o.toRead,
		OnFlush: func() {
			select {
			case n.flushed <- struct{}{}:
			default:
			}
		}}
	if err := createRows(so); err != nil {
		return err
	}
	if n.store, err = store.Open(so); err != nil {
		return err
	}
	applied, _, err := n.store.Applied(groupID)
	if err != nil {
		return err
	}
	n.log, err = raftlog.Open(raftlog.Options{FS: fs, Dir: fs.PathJoin(o.Dir, logDir), SegmentBytes: o.SegmentBytes,
		StoreID: n.store.ID(), MustExist: applied > 0, DisableSync: o.DisableSync, Logger: o.Logger})
	if err != nil {
		return err
	}
	// The names of the two directories must be as durable as what is in them.
	if err := syncDir(fs, o.Dir); err != nil {
		return err
	}
	g := &group{node: n, id: groupID, log: n.log.Group(groupID), part: partition.New(n.store, o.Partition)}
	state, err := n.store.ConfState(g.id)
	if err != nil {
		return err
	}
	cs, err := membership(state)
	if err != nil {
		return err
	}
	g.log.SetConfState(cs)
	g.replica, err = replica.New(replica.Config{ID: 1, Group: g.id, Voters: []uint64{1}, Storage: g.log,
		Applied: applied, Seed: uint64(n.Now()), MaxApplying: 64 << 20, MaxUncommitted: 1 << 30, Logger: o.Logger})
	if err != nil {
		return err
	}
	n.group = g
	n.compactLog()
	o.Admission.Others = g.part.Ran
	n.Runner = &txn.Runner{Partition: g.part, Admission: admission.New(o.Admission), Now: n.Now, Flush: g.flush, Closed: n.closing}
	return nil
}

// createRows makes the rows' directory when it is missing: under another name
// first, since a crash in the middle of making it could leave one that can not
// be opened.
func createRows(o store.Options) error {
	fs, dir := o.FS, o.Dir
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	o.Dir = fs.PathJoin(fs.PathDir(dir), newRowsName)
	o.OnFlush = nil
	if err := fs.RemoveAll(o.Dir); err != nil {
		return err
	}
	st, err := store.Open(o)
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	if err := fs.Rename(o.Dir, dir); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(dir))
}

// newStoreID returns a number that no other store has. Rows and log of a store
// bear it, so that neither is opened with those of another one (Invariant
// STORE-5).
func newStoreID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(binary.LittleEndian.Uint64(b[:]), 1)
}

// Now reads the physical clock in Unix milliseconds. A clock set before 1970, or
// beyond what a timestamp holds, counts as the nearest time it does hold.
func (n *Node) Now() int64 { return n.NowAt(n.Moment()) }

// Moment reads the monotonic clock: two readings tell how long something took.
func (n *Node) Moment() time.Duration { return n.clock.moment() }

// NowAt returns what Now would have returned at a moment that has just been
// read.
func (n *Node) NowAt(at time.Duration) int64 {
	var ms int64
	if n.opts.Now != nil {
		ms = n.opts.Now()
	} else {
		ms = n.clock.unixMilli(at)
	}
	return min(max(ms, 0), 1<<43)
}

// led tells Open that the partition runs scripts.
func (n *Node) led() { n.ledOnce.Do(func() { close(n.ledChan) }) }

// fail ends all writing for good: the state of the disk is unknown, and going
// on could acknowledge what a restart does not find. What is durable can still
// be read.
func (n *Node) fail(cause error) {
	n.failOnce.Do(func() {
		e := &script.Error{Code: script.CodeStorage, Err: cause,
			Message: fmt.Sprintf("the store stopped writing: %v", cause),
			Hint:    "reads go on; free or repair the disk, then open the store again"}
		if refused := (*entryError)(nil); errors.As(cause, &refused) {
			e.Code, e.Hint = script.CodeCorrupt, "reads go on; "+entryHint(n.opts.Dir)
		}
		n.failure.Store(e)
		n.opts.Logger.Error("store stopped writing", "error", cause)
		close(n.failed)
		if n.group != nil {
			n.group.part.Stop(e)
		}
	})
}

// Failed is closed when the store has stopped writing; Err says why.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err returns why the store stopped writing, or nil.
func (n *Node) Err() error {
	if e := n.failure.Load(); e != nil {
		return e
	}
	return nil
}

func (n *Node) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}

// Close ends the node: new scripts are refused, those waiting are stopped,
// what is ordered becomes durable, files are flushed and closed. A leader that
// has lost its quorum gives up what is ordered within two election time-outs,
// and Close with it: the outcome of what was proposed is then unknown. It
// returns the same error every time.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	close(n.closing)
	last := n.group.part.Close(txn.ErrClosed)
	n.group.flush()
	if last != nil {
		select {
		case <-last.Done:
		case <-n.failed:
		}
	}
	close(n.idle)
	n.background.Wait()
	n.settle()
	err := n.log.Close()
	n.logClosed = true
	return errors.Join(err, n.release())
}

// settle applies what is acknowledged and flushes it, so that the log has to
// keep none of it and the next Open has nothing to replay. What is not on disk
// for good stays in the log.
func (n *Node) settle() {
	// An answer goes out and its entry goes to the applier under this mutex.
	n.group.mu.Lock()
	closing := n.applier
	n.group.mu.Unlock()
	closing.close()
	if n.Err() == nil && n.store.Flush() == nil {
		n.compactLog()
	}
}

// release closes what open opened.
func (n *Node) release() error {
	var errs []error
	if n.log != nil && !n.logClosed {
		errs = append(errs, n.log.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.owner != nil {
		errs = append(errs, n.owner.release())
	}
	return errors.Join(errs...)
}

// openError makes the error of Open.
func openError(dir string, err error) error {
	var known *script.Error
	var damaged *raftlog.CorruptError
	var entry *entryError
	var stranger *raftlog.StrangerError
	var held *ownedError
	var unfinished *unfinishedError
	var notEmpty *notEmptyError
	e := &script.Error{Op: "open", Key: dir, Err: err, Message: err.Error(), Code: script.CodeStorage}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &held):
		e.Code = script.CodeOpen
		e.Hint = "close the other process, or use another directory"
	case errors.Is(err, raftlog.ErrMissing), errors.Is(err, replica.ErrLogBehind):
		e.Code = script.CodeCorrupt
		e.Message = "the files of its log are missing"
		if errors.Is(err, replica.ErrLogBehind) {
			e.Message = fmt.Sprintf("files of its log are missing, or older than its rows: %v", err)
		}
		e.Hint = "put the missing files of " + filepath.Join(dir, logDir) + " back, or restore the directory from a backup"
	case errors.Is(err, replica.ErrRowsBehind):
		e.Code = script.CodeCorrupt
		e.Message = fmt.Sprintf("its rows are older than its log: %v", err)
		e.Hint = "put the rows that belong to the log back into " + filepath.Join(dir, rowsDir) + ", or restore the directory from a backup; nothing was changed"
	case errors.As(err, &entry):
		e.Code, e.Hint = script.CodeCorrupt, entryHint(dir)
	case errors.As(err, &stranger):
		e.Code = script.CodeCorrupt
		e.Message = fmt.Sprintf("its log is that of another store: %v", err)
		e.Hint = "put its own files back into " + filepath.Join(dir, logDir) + ", or restore the directory from a backup; nothing was changed"
	case errors.As(err, &damaged), errors.Is(err, store.ErrCorrupt):
		e.Code = script.CodeCorrupt
		e.Hint = "nothing was changed; restore the directory from a backup, or copy the file back"
	case errors.As(err, &unfinished):
		e.Hint = "restore the backup again, or remove " + restoreName + " in it to begin with an empty store"
	case errors.As(err, &notEmpty):
		e.Code = script.CodeBadRequest
		e.Message = "this is no store, and not empty: it has " + notEmpty.what
		e.Hint = "name the directory of a store, or one that is empty or does not exist; nothing was changed"
		if notEmpty.what == logDir {
			e.Hint = "if it was a store, its rows are missing: restore it from a backup; nothing was changed"
		}
	case isNoSpace(err):
		e.Hint = "free some space, then open the store again; nothing acknowledged is lost"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Hint = "this process must be able to write to the directory and the files in it"
	}
	return e
}

// Stats returns the counters of the parts.
func (n *Node) Stats() (partition.Stats, store.Metrics, raftlog.Stats) {
	return n.group.part.Stats(), n.store.Metrics(), n.log.Stats()
}
