package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
)

// FormatVersion is the version of the rows on disk. Open takes no other.
const FormatVersion = 3

// pebbleFormat is the version of Pebble's own files, named so that a new
// version of the library does not change it by itself.
const pebbleFormat = pebble.FormatTableFormatV6

// Options say how to open a store. The zero value of a field is the default
// named there.
type Options struct {
	FS            vfs.FS // the disk of the machine
	Dir           string // made when missing
	CacheBytes    int64  // cached blocks: 64 MiB
	MemTableBytes int64  // size of a memtable: 64 MiB; at most about five are in memory
	// ID is given to a store that has none, as a new one; see Store.ID.
	ID uint64
	// HistoryRevisions is how many revisions of a key are kept, counted back
	// from the newest and with it; 0 and 1 keep no history, -1 all of it. All
	// replicas of a group need the same number, or their histories differ.
	HistoryRevisions int64
	Logger           *slog.Logger // nothing is logged
	// DisableCompression stores blocks as they are, which saves processor time
	// and costs disk space.
	DisableCompression bool
	// DisableCompactions leaves tables as they are. For a store that is opened
	// to be read.
	DisableCompactions bool
	// OnFlush is called when FlushedIndex may have grown. It runs inside
	// Pebble, with its mutex held: it must return at once and must not call
	// the store.
	OnFlush func()
}

const (
	cacheBytesDefault    = 64 << 20
	memTableBytesDefault = 64 << 20
	memTableBytesMin     = 64 << 10
	memTableBytesMax     = 1 << 30
)

// Store is an open store.
type Store struct {
	dir     string
	id      uint64
	history int64
	log     *slog.Logger
	onFlush func()

	db         *pebble.DB
	gate       *gate
	lock       io.Closer
	diskChecks io.Closer

	life     lifetime
	closing  chan struct{} // closed by Close
	failOnce sync.Once
	failure  atomic.Pointer[error]
	failed   chan struct{}
	// backgroundErrors counts what Pebble reported after the failure.
	backgroundErrors atomic.Int64

	progress chan struct{} // one token: a flush or a compaction ended
	flushes  atomic.Uint64 // flushes that ended

	memTableBytes int64
	room          room

	horizon atomic.Uint64 // the purge horizon, written under writer
	results atomic.Pointer[resultTotals]

	writer   sync.Mutex // one writer at a time; guards what follows
	apply    applier
	ordering ordering // guarded by writer
	// touchedLarge is that of the applier, as committed.
	touchedLarge bool
	groups       map[uint64]*group

	// groupsMu guards the fields of every group and the map for readers.
	// Taken after writer.
	groupsMu sync.RWMutex

	flushedMu  sync.Mutex // guards flushed and flushedGen
	flushed    map[uint64]uint64
	flushedGen uint64
}

// group is what the store knows in memory about one replicated log.
type group struct {
	index uint64
	time  hlc.Timestamp
	rows  int64 // rows that this log made, less those it purged
}

// Open opens the store in a directory and makes it when it is missing or
// empty. It fails with a *LockedError while somebody else has it open, and
// with a *FormatError when it has another format.
func Open(o Options) (*Store, error) {
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func open(o Options) (_ *Store, err error) {
	if o.Dir == "" {
		return nil, errors.New("no directory given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = memTableBytesDefault
	}
	o.MemTableBytes = min(max(o.MemTableBytes, memTableBytesMin), memTableBytesMax)
	s := &Store{
		dir:     o.Dir,
		history: o.HistoryRevisions,

		memTableBytes: o.MemTableBytes,
		log:           o.Logger,
		onFlush:       o.OnFlush,
		life:          newLifetime(),
		closing:       make(chan struct{}),
		failed:        make(chan struct{}),
		progress:      make(chan struct{}, 1),
		groups:        make(map[uint64]*group),
	}
	s.results.Store(&resultTotals{})
	disk := o.FS
	if disk == nil {
		disk = vfs.Default
	}
	disk, s.diskChecks = vfs.WithDiskHealthChecks(disk, 5*time.Second, nil, s.diskSlow)
	s.gate = newGate(disk, s.fail, s.retryPause)
	defer func() {
		if err != nil {
			s.abandon()
			err = advised(err)
		}
	}()
	lock, err := s.lockDir(o.FS == nil)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.prepare(); err != nil {
		return nil, err
	}
	s.gate.opening.Store(true)
	if s.db, err = pebble.Open(s.dir, s.pebbleOptions(&o, lock)); err != nil {
		if failure := s.Err(); failure != nil {
			return nil, failure // which made what Pebble complains of
		}
		return nil, err
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	s.gate.opening.Store(false)
	if err := s.checkFormat(o.ID); err != nil {
		return nil, err
	}
	if err := s.loadGroups(); err != nil {
		return nil, err
	}
	s.gate.opened.Store(true)
	return s, s.Err()
}

// emptyLogBytes is more than a log of Pebble has that holds nothing, and less
// than one that holds the smallest batch.
const emptyLogBytes = 11 + 12

// prepare readies the directory for Pebble.
//
// It removes Pebble's own logs, in which there is nothing. When Pebble finds
// one it flushes an empty memtable, and while that fails it tries again, for
// ever, with Open waiting.
//
// It makes durable what a manifest says. The end of it may be in the page cache
// only, after a failed sync, which another sync does not make good, or when the
// process was killed before it; Pebble would believe it and remove the tables
// that it says are replaced. So it is written again, and synced.
func (s *Store) prepare() error {
	names, err := s.gate.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := s.gate.PathJoin(s.dir, name)
		switch {
		case strings.HasSuffix(name, ".log"):
			var info os.FileInfo
			if info, err = s.gate.Stat(path); err == nil && info.Size() < emptyLogBytes {
				err = s.gate.Remove(path)
			}
		case strings.HasPrefix(name, "MANIFEST-"):
			err = s.settle(path)
		}
		if err != nil {
			return err
		}
	}
	dir, err := s.gate.OpenDir(s.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	return s.Err() // a gatedDir's Sync never fails
}

// settle writes what is in a file once more, in its place.
func (s *Store) settle(path string) error {
	f, err := s.gate.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for off := int64(0); err == nil; {
		var n int
		n, err = f.ReadAt(chunk, off)
		if n > 0 {
			if _, werr := f.WriteAt(chunk[:n], off); werr != nil {
				err = werr
			}
		}
		off += int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// lockDir makes the directory and takes its lock. The path is resolved first,
// since the lock is of the process and told apart by name: through two names
// one process could open a directory twice.
func (s *Store) lockDir(resolve bool) (*pebble.Lock, error) {
	if err := s.gate.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	if resolve {
		abs, err := filepath.Abs(s.dir)
		if err != nil {
			return nil, err
		}
		if s.dir, err = filepath.EvalSymlinks(abs); err != nil {
			return nil, err
		}
	}
	lock, err := pebble.LockDirectory(s.dir, s.gate)
	if err == nil {
		return lock, nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, err // the lock file could not even be made
	}
	return nil, &LockedError{Dir: s.dir, Detail: err.Error()}
}

func (s *Store) pebbleOptions(o *Options, lock *pebble.Lock) *pebble.Options {
	po := &pebble.Options{
		FS:   s.gate,
		Lock: lock,
		// Pebble takes the memory of memtables from that of its cache: usually
		// there is one that is written to and one that is flushed.
		CacheSize:          o.CacheBytes + 2*o.MemTableBytes,
		DisableWAL:         true,
		FormatMajorVersion: pebbleFormat,
		MemTableSize:       uint64(o.MemTableBytes),
		Logger:             logger{s, o.Logger},
		EventListener:      s.listener(),
		// Pebble holds writers back inside a call that nothing can interrupt,
		// not even Close or a failed disk. makeRoom does it instead.
		MemTableStopWritesThreshold: math.MaxInt32,
		L0StopWritesThreshold:       math.MaxInt32,
		L0CompactionThreshold:       4,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 3 },
		DisableAutomaticCompactions: o.DisableCompactions,
	}
	po.Experimental.CompactionScheduler = newCompactions(s)
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		compression := sstable.SnappyCompression
		if o.DisableCompression || i == 0 { // young tables are soon written again
			compression = sstable.NoCompression
		}
		po.Levels[i].Compression = func() *sstable.CompressionProfile { return compression }
	}
	return po
}

// advised says what to do about files of a later version of Pebble, for which
// it has no error of its own.
func advised(err error) error {
	if pebble.IsCorruptionError(err) {
		return readError(err)
	}
	if strings.Contains(err.Error(), "unknown format major version") {
		return fmt.Errorf("%w: open the data with the release that wrote it, or a newer one; nothing was changed", err)
	}
	return err
}

// checkFormat compares the version row, or writes it to an empty store, with
// the ID. It is the first write of a store, so whatever survives a crash comes
// with it.
func (s *Store) checkFormat(newID uint64) error {
	key := metaKey(metaVersion, 0)
	value, err := s.read(key)
	if err != nil {
		return err
	}
	if value == nil {
		empty, err := s.isEmpty()
		if err != nil {
			return err
		}
		if !empty {
			return &FormatError{Dir: s.dir, Want: FormatVersion}
		}
		b := s.db.NewBatch()
		defer b.Close()
		s.id = newID
		return errors.Join(b.Set(key, binary.AppendUvarint(nil, FormatVersion), nil),
			b.Set(metaKey(metaStore, 0), appendID(newID), nil), b.Commit(pebble.NoSync))
	}
	found, n := binary.Uvarint(value)
	if n != len(value) {
		return corrupt(key, "format version")
	}
	if found != FormatVersion {
		return &FormatError{Dir: s.dir, Found: found, Want: FormatVersion}
	}
	return s.readID(newID)
}

func appendID(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// readID reads the ID. A store that was made before there were IDs gets one,
// and has it on disk before anybody learns of it.
func (s *Store) readID(newID uint64) error {
	key := metaKey(metaStore, 0)
	value, err := s.read(key)
	switch {
	case err != nil:
		return err
	case value == nil:
		s.id = newID
		return errors.Join(s.db.Set(key, appendID(newID), pebble.NoSync), s.flush())
	case len(value) != 8:
		return corrupt(key, "store ID")
	}
	s.id = binary.BigEndian.Uint64(value)
	return nil
}

func (s *Store) isEmpty() (empty bool, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return false, err
	}
	empty = !it.First()
	return empty, errors.Join(it.Error(), it.Close())
}

// abandon closes what a failed Open has opened.
func (s *Store) abandon() {
	close(s.closing)
	if s.db != nil {
		s.db.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
	s.gate.closeFiles()
	s.diskChecks.Close()
}

// Close waits for the calls in progress, flushes, so that the next Open has
// nothing to apply again, and releases the directory. A store that has failed
// does not flush. Later calls of its methods return ErrClosed. Closing twice is
// harmless.
func (s *Store) Close() error {
	if !s.life.end(func() { close(s.closing) }) {
		return nil
	}
	var errs []error
	if s.Err() == nil {
		errs = append(errs, s.flush())
	}
	errs = append(errs, s.db.Close(), s.lock.Close())
	s.gate.closeFiles()
	errs = append(errs, s.diskChecks.Close())
	if failure := s.Err(); failure != nil {
		// What the shut gate makes Pebble say about its files is only noise.
		return failure
	}
	return errors.Join(errs...)
}

// ID returns the number that tells the store from every other one. What belongs
// to it outside of its directory bears it too.
func (s *Store) ID() uint64 { return s.id }

// Dir returns the directory.
func (s *Store) Dir() string { return s.dir }
