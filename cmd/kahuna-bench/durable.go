package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"kahuna"
)

const (
	manyCallers = 64
	bucketKeys  = 100_000
	p99Most     = 5000 // µs
)

// storeLoop is a workload on a store.
type storeLoop struct {
	db       *kahuna.DB
	workload *workload
	callers  []*caller
}

func newStoreLoop(ctx context.Context, dir, name string, callers, keys int) (*storeLoop, error) {
	w, err := newWorkload(name, &flags{Keys: keys, ValueSize: 100})
	if err != nil {
		return nil, err
	}
	db, err := kahuna.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	if err := w.prepare(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &storeLoop{db, w, newCallers(callers, 1)}, nil
}

func (l *storeLoop) turn(ctx context.Context, d time.Duration) (sample, error) {
	before := l.db.Stats()
	s, err := turn(ctx, l.callers, d, l.workload.call(ctx))
	after := l.db.Stats()
	if n := after.Batches - before.Batches; n > 0 {
		s.Batch = float64(after.BatchedScripts-before.BatchedScripts) / float64(n)
	}
	return s, err
}

// settle waits until everything is applied, and neither a flush nor a
// compaction has ended for a while.
func (l *storeLoop) settle(ctx context.Context) error {
	last, calm := int64(-1), 0
	return until(ctx, func() bool {
		s := l.db.Stats()
		if done := s.Flushes + s.Compactions; done != last || s.UnappliedBytes > 0 {
			last, calm = done, 0
		}
		calm++
		return calm > 5
	})
}

func (l *storeLoop) close() error { return l.db.Close() }

// measureDurable measures what waits for the disk.
func measureDurable(ctx context.Context, dir string, t *targetsCmd, say func(string), out *report) (err error) {
	say("filling stores")
	disk, err := newSyncLoop(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.close()) }()
	base, err := newPebbleLoop(dir, manyCallers, bucketKeys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.close()) }()
	fdatasync := &side{name: "fdatasync", turn: disk.turn}
	pebble := &side{name: "pebble-64", turn: base.turn, settle: base.settle}

	ours := func(name, workload string, callers, keys int) (*side, error) {
		if err != nil {
			return nil, err
		}
		l, err := newStoreLoop(ctx, filepath.Join(dir, name), workload, callers, keys)
		if err != nil {
			return nil, err
		}
		out.onClose(l.close)
		return &side{name: name, turn: l.turn, settle: l.settle}, nil
	}
	set1, err := ours("set-1", "set", 1, bucketKeys)
	if err != nil {
		return err
	}
	bucket1, err := ours("leaky-bucket-1", "leaky-bucket", 1, bucketKeys)
	if err != nil {
		return err
	}
	bucket64, err := ours("leaky-bucket-64", "leaky-bucket", manyCallers, bucketKeys)
	if err != nil {
		return err
	}
	hot64, err := ours("inventory-64", "inventory", manyCallers, 1)
	if err != nil {
		return err
	}
	sides := []*side{set1, fdatasync, bucket1, bucket64, pebble, hot64}
	if err := takeTurns(ctx, sides, t.Rounds, t.Round, say); err != nil {
		return err
	}
	out.sides(sides...)

	p50 := func(s sample) float64 { return s.P50 }
	p99 := func(s sample) float64 { return s.P99 }
	for _, one := range []struct {
		name string
		side *side
	}{{"set", set1}, {"leaky bucket", bucket1}} {
		out.add(target{Name: "1 caller, durable, " + one.name + ": median latency, at most 1.3 times a bare fdatasync",
			Unit: "µs", Measured: newSpread(one.side.values(p50)), Baseline: newSpread(fdatasync.values(p50)),
			Ratio: ratio(one.side, fdatasync, p50), Limit: 1.3, compare: ratioAtMost})
	}
	out.add(target{Name: "64 callers, durable, leaky bucket, 100,000 buckets: at least 0.8 times Pebble's commits/s",
		Unit: "/s", Measured: newSpread(bucket64.values(sample.perSecond)), Baseline: newSpread(pebble.values(sample.perSecond)),
		Ratio: ratio(bucket64, pebble, sample.perSecond), Limit: 0.8, compare: ratioAtLeast})
	out.add(target{Name: "the same: p99 latency under 5 ms", Unit: "µs", Measured: newSpread(bucket64.values(p99)),
		Baseline: newSpread(pebble.values(p99)), Ratio: ratio(bucket64, pebble, p99), Limit: p99Most, compare: atMost})
	out.add(target{Name: "64 callers, durable, one hot key: at least 1.0 times Pebble's commits/s",
		Unit: "/s", Measured: newSpread(hot64.values(sample.perSecond)), Baseline: newSpread(pebble.values(sample.perSecond)),
		Ratio: ratio(hot64, pebble, sample.perSecond), Limit: 1.0, compare: ratioAtLeast})
	return nil
}
