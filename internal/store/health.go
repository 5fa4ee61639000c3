package store

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// fail makes the first error of the disk final.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		err := fmt.Errorf("%w: %w", ErrFailed, err)
		s.gate.close(err)
		s.failure.Store(&err)
		close(s.failed)
		advice := "free space or replace the disk, then start again"
		if errors.Is(err, ErrCorrupt) {
			advice = "a file is damaged: restore the directory from a backup"
		}
		s.log.Error("store stopped: "+advice, "dir", s.dir, "error", err)
	})
}

// Failed returns a channel that is closed when the store has stopped for good
// because a write to the disk failed; Err then has the reason.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns nil while the store works, and an error that is ErrFailed once
// it has stopped for good. Reads still answer then.
func (s *Store) Err() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// compactions schedules compactions, none any more when the store has failed:
// Pebble repeats one that can not read its tables at once and for ever.
//
// It is Pebble's own scheduler without its goroutine, which a failed Open would
// leave behind. That one serves limits that change while no flush and no
// compaction ends; ours do not.
type compactions struct {
	*pebble.ConcurrencyLimitScheduler
	store *Store
}

func newCompactions(s *Store) compactions {
	return compactions{pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest(), s}
}

// Register implements pebble.CompactionScheduler.
func (c compactions) Register(goroutines int, db pebble.DBForCompaction) {
	c.ConcurrencyLimitScheduler.Register(goroutines, stoppable{db, c.store})
}

// stoppable is a database that has no compactions when its store has failed.
type stoppable struct {
	pebble.DBForCompaction
	store *Store
}

// GetAllowedWithoutPermission implements pebble.DBForCompaction.
func (s stoppable) GetAllowedWithoutPermission() int {
	if s.store.Err() != nil {
		return 0
	}
	return s.DBForCompaction.GetAllowedWithoutPermission()
}

// retryPause holds back who meets the shut gate. Pebble repeats a failed flush
// at once and for ever; it would keep a processor busy until Close. It pauses
// here, and not where Pebble reports the failure, because that is with its
// mutex held.
func (s *Store) retryPause() {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-s.closing:
	case <-timer.C:
	}
}

// pauseStatistics holds back the collection of table statistics. Pebble repeats
// it at once and for ever when a table can not be read, and would keep a
// processor busy until Close. It reports its errors without holding its mutex,
// unlike others, which are told apart by number: a store that has failed starts
// no more compactions, and what flushes meets the gate.
func (s *Store) pauseStatistics(err error) {
	if !errors.Is(err, ErrFailed) && s.backgroundErrors.Add(1) > maxBackgroundErrors {
		s.retryPause()
	}
}

// maxBackgroundErrors is more than the compactions that run at a time, and the
// tables that fail in one round of statistics do no harm.
const maxBackgroundErrors = 16

// listener connects Pebble's events with the store. Pebble calls it with its
// own mutex held: nothing here may call Pebble.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, pebble.ErrClosed) {
				s.fail(err)
				s.pauseStatistics(err)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.fail(fmt.Errorf("%w: %s", ErrCorrupt, info.Details))
		},
		FlushEnd: func(pebble.FlushInfo) {
			s.flushes.Add(1)
			s.wake()
			if s.onFlush != nil {
				s.onFlush()
			}
		},
		CompactionEnd: func(pebble.CompactionInfo) { s.wake() },
		DiskSlow:      s.diskSlow,
	}
}

func (s *Store) diskSlow(info vfs.DiskSlowInfo) {
	s.log.Warn("slow disk", "operation", info.OpType.String(), "path", info.Path, "duration", info.Duration)
}

// wake tells a writer held back by makeRoom that room may have come free.
func (s *Store) wake() {
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

// logger gives Pebble's messages to slog, and turns its fatal ones into the
// failure of the store instead of the end of the process.
type logger struct {
	store *Store
	slog  *slog.Logger
}

// Infof implements pebble.Logger.
func (l logger) Infof(format string, args ...any) {
	l.slog.Debug(fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) {
	l.slog.Error(fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. It returns: Pebble hands the error on by
// itself where it can go on, and the gate keeps the disk as it is.
func (l logger) Fatalf(format string, args ...any) {
	err := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err.cause = cause
		}
	}
	l.store.fail(err)
}

// fatalError is a fatal message of Pebble, which has the text of its cause in
// it. The cause tells a full disk from a broken one.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }
