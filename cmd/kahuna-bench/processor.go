package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"kahuna"
)

// compareAndSet reads one key, compares it, and sets it if it is as expected.
const compareAndSet = `let v = eget @key
if v == @old then
  eset @key @new
end`

// processorLoop is one call made again and again by one goroutine, with no
// clock read in between, on a store in memory.
type processorLoop struct {
	db   *kahuna.DB
	call func() error
}

func newProcessorLoop(ctx context.Context, name string) (*processorLoop, error) {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		return nil, err
	}
	l := &processorLoop{db: db}
	compiled := func(source string, params kahuna.Params) error {
		p, err := db.Compile(source)
		l.call = func() error { _, err := p.Run(ctx, params, nil); return err }
		return err
	}
	switch name {
	case "compare-and-set":
		if _, err = db.Ephemeral().Set(ctx, "k", "1", nil); err == nil {
			err = compiled(compareAndSet, kahuna.Params{"key": "k", "old": "1", "new": "1"})
		}
	case "return 1":
		err = compiled("return 1", nil)
	case "compile":
		l.call = func() error { _, err := db.Compile(leakyBucket); return err }
	default:
		err = fmt.Errorf("there is no call %q", name)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// loopChunk calls are made between two looks at the clock.
const loopChunk = 64

func (l *processorLoop) turn(ctx context.Context, o order) (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	n := int64(0)
	for time.Since(begin) < o.Turn && ctx.Err() == nil {
		for range loopChunk {
			if err := l.call(); err != nil {
				return sample{}, err
			}
		}
		n += loopChunk
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	return sample{Ops: n, Seconds: took.Seconds(), Allocs: float64(after.Mallocs-before.Mallocs) / float64(n)}, ctx.Err()
}

func (l *processorLoop) close() error { return l.db.Close() }
