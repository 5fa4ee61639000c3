package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"kahuna"
)

const compareAndSet = `let v = eget @key
if v == @old then
  eset @key @new
end`

// processorLoop is one call made again and again by one goroutine, with no
// clock read in between.
type processorLoop struct {
	call   func() error
	allocs []float64 // of each turn, a call
}

// loopChunk calls are made between two looks at the clock.
const loopChunk = 256

func (l *processorLoop) turn(ctx context.Context, d time.Duration) (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	n := int64(0)
	for time.Since(begin) < d && ctx.Err() == nil {
		for range loopChunk {
			if err := l.call(); err != nil {
				return sample{}, err
			}
		}
		n += loopChunk
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	l.allocs = append(l.allocs, float64(after.Mallocs-before.Mallocs)/float64(n))
	return sample{Ops: n, Seconds: took.Seconds()}, nil
}

// measureMemory measures what takes the processor alone, on one core.
func measureMemory(ctx context.Context, t *targetsCmd, say func(string), out *report) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Run(ctx, "eset k 1", nil); err != nil {
		return err
	}
	cas, err := db.Compile(compareAndSet)
	if err != nil {
		return err
	}
	params := kahuna.Params{"key": "k", "old": "1", "new": "1"}
	one, err := db.Compile("return 1")
	if err != nil {
		return err
	}
	loops := []*processorLoop{
		{call: func() error { _, err := cas.Run(ctx, params); return err }},
		{call: func() error { _, err := one.Run(ctx, nil); return err }},
		{call: func() error { _, err := db.Compile(leakyBucket); return err }},
	}
	sides := []*side{{name: "ephemeral-cas"}, {name: "return-1"}, {name: "compile-leaky-bucket"}}
	for i := range sides {
		sides[i].turn = loops[i].turn
	}
	if err := takeTurns(ctx, sides, t.Rounds, t.Round, say); err != nil {
		return err
	}
	out.sides(sides...)
	ns := func(s sample) float64 { return s.Seconds / float64(s.Ops) * 1e9 }
	out.add(target{Name: "ephemeral, one key read, compared, set: at least 1,000,000 scripts/s on one core",
		Unit: "/s", Measured: newSpread(sides[0].values(sample.perSecond)), Limit: 1e6, compare: atLeast})
	out.add(target{Name: "the same: at most 2 allocations", Unit: "allocs", Measured: newSpread(loops[0].allocs[1:]), Limit: 2.05, compare: atMost})
	out.add(target{Name: "return 1, compiled: at most 300 ns", Unit: "ns", Measured: newSpread(sides[1].values(ns)), Limit: 300, compare: atMost})
	out.add(target{Name: "parse and compile the leaky bucket: at most 30 µs", Unit: "ns", Measured: newSpread(sides[2].values(ns)), Limit: 30_000, compare: atMost})
	return nil
}
