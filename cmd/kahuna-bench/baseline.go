package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
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
	l := &syncLoop{file: f, block: make([]byte, syncBlock), caller: newCallers(1, 1)}
	for i := range l.block {
		l.block[i] = byte(l.caller[0].rng.Uint32())
	}
	for at := int64(0); at < syncFileBytes && err == nil; at += syncBlock {
		_, err = f.WriteAt(l.block, at)
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func (l *syncLoop) turn(ctx context.Context, o order) (sample, error) {
	return turn(ctx, l.caller, o.Turn, func(_ *caller, _ int64) error {
		if _, err := l.file.WriteAt(l.block, l.offset); err != nil {
			return err
		}
		l.offset = (l.offset + syncBlock) % syncFileBytes
		return syncData(l.file)
	})
}

func (l *syncLoop) close() error { return l.file.Close() }

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
		FormatMajorVersion: pebble.FormatTableFormatV6, MemTableSize: 64 << 20, CacheSize: 64 << 20,
		L0CompactionThreshold: 4, CompactionConcurrencyRange: func() (int, int) { return 1, 3 },
		Logger: fatalOnly{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(filepath.Join(dir, "pebble"), o)
	if err != nil {
		return nil, err
	}
	// A key and a value of the length that a leaky bucket has.
	l := &pebbleLoop{db: db, callers: newCallers(callers, 1), keys: make([][]byte, keys), value: []byte("1764110161000")}
	for i := range l.keys {
		l.keys[i] = []byte("rl/" + strconv.Itoa(i) + "/tokens")
	}
	return l, nil
}

func (l *pebbleLoop) turn(ctx context.Context, o order) (sample, error) {
	return turn(ctx, l.callers, o.Turn, func(c *caller, _ int64) error {
		b := l.db.NewBatch()
		if err := b.Set(l.keys[c.rng.IntN(len(l.keys))], l.value, nil); err != nil {
			return errors.Join(err, b.Close())
		}
		return errors.Join(b.Commit(pebble.Sync), b.Close())
	})
}

func (l *pebbleLoop) close() error { return l.db.Close() }

// fatalOnly drops what Pebble has to say, but for its last words.
type fatalOnly struct{}

func (fatalOnly) Infof(string, ...any)  {}
func (fatalOnly) Errorf(string, ...any) {}
func (fatalOnly) Fatalf(format string, args ...any) {
	pebble.DefaultLogger.Fatalf(format, args...)
}
