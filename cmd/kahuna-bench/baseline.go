package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"golang.org/x/sys/unix"
)

const (
	syncBlock     = 4 << 10
	syncFileBytes = 64 << 20
)

// syncLoop is the baseline of one caller: 4 KiB blocks written one after the
// other to a file whose blocks are all there already, each made durable before
// the next.
type syncLoop struct {
	file   *os.File
	block  []byte
	offset int64
	caller []*caller
}

func newSyncLoop(dir string) (_ *syncLoop, err error) {
	f, err := os.Create(filepath.Join(dir, "fdatasync"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	zeros := make([]byte, 1<<20)
	for at := 0; at < syncFileBytes; at += len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	l := &syncLoop{file: f, block: make([]byte, syncBlock), caller: newCallers(1, 1)}
	for i := range l.block {
		l.block[i] = byte(rand.Uint32())
	}
	return l, nil
}

func (l *syncLoop) turn(ctx context.Context, d time.Duration) (sample, error) {
	return turn(ctx, l.caller, d, func(_ *caller, _ int64) error {
		if _, err := unix.Pwrite(int(l.file.Fd()), l.block, l.offset); err != nil {
			return err
		}
		l.offset = (l.offset + syncBlock) % syncFileBytes
		return unix.Fdatasync(int(l.file.Fd()))
	})
}

func (l *syncLoop) close() error { return l.file.Close() }

// turn runs callers in a closed loop; any failure fails the turn.
func turn(ctx context.Context, callers []*caller, d time.Duration, call func(c *caller, n int64) error) (sample, error) {
	for _, c := range callers {
		c.reset()
	}
	took := closedLoop(ctx, callers, d, call)
	all := newHistogram()
	for _, c := range callers {
		if c.first != nil {
			return sample{}, c.first
		}
		all.Merge(c.hist)
	}
	return newSample(all, took), nil
}

// pebbleLoop is the baseline of many callers: each commits batches of one key,
// synced, to a Pebble with its own log and otherwise the options that ours has.
type pebbleLoop struct {
	db      *pebble.DB
	callers []*caller
	keys    [][]byte
	value   []byte
}

func newPebbleLoop(dir string, callers, keys int) (*pebbleLoop, error) {
	o := &pebble.Options{
		FormatMajorVersion: pebble.FormatTableFormatV6, MemTableSize: 16 << 20, CacheSize: 64 << 20,
		L0CompactionThreshold: 2, CompactionConcurrencyRange: func() (int, int) { return 1, 3 },
		Logger: quiet{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(filepath.Join(dir, "pebble"), o)
	if err != nil {
		return nil, err
	}
	l := &pebbleLoop{db: db, callers: newCallers(callers, 1), keys: make([][]byte, keys), value: []byte("1764110161000")}
	for i := range l.keys {
		l.keys[i] = []byte("rl/" + strconv.Itoa(i) + "/tokens")
	}
	return l, nil
}

func (l *pebbleLoop) turn(ctx context.Context, d time.Duration) (sample, error) {
	return turn(ctx, l.callers, d, func(c *caller, _ int64) error {
		b := l.db.NewBatch()
		if err := b.Set(l.keys[c.rng.IntN(len(l.keys))], l.value, nil); err != nil {
			return errors.Join(err, b.Close())
		}
		if err := b.Commit(pebble.Sync); err != nil {
			return errors.Join(err, b.Close())
		}
		return b.Close()
	})
}

func (l *pebbleLoop) settle(ctx context.Context) error {
	return until(ctx, func() bool {
		m := l.db.Metrics()
		return m.Flush.NumInProgress == 0 && m.Compact.NumInProgress == 0
	})
}

func (l *pebbleLoop) close() error { return l.db.Close() }

// quiet drops what Pebble would say; its errors come back from its calls.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, args ...any) {
	panic("pebble gave up: " + f)
}

const (
	settlePoll = 20 * time.Millisecond
	settleMost = 5 * time.Second
)

// until waits until quiet holds, but not for long: some work has no end.
func until(ctx context.Context, quiet func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleMost)
	defer cancel()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for !quiet() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil
			}
			return ctx.Err()
		}
	}
	return nil
}
