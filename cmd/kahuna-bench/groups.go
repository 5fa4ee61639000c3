package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	manyCallers = 64
	bucketKeys  = 100_000
	p99Most     = 5000 // µs
	flatLeast   = 0.8  // of what the fewest keys give

	manyKeys      = 1_000_000
	manyKeysCache = 1 << 30
	manyManyKeys  = 10_000_000
	valueBytes    = 100
	openings      = 5
)

// durable measures what waits for the disk.
func (r *run) durable() error {
	buckets := bucketKeys / r.scale
	all, err := r.contend(
		sideSpec{Name: "set-1", Kind: "store", Workload: "set", Callers: 1, Keys: buckets, ValueSize: valueBytes},
		sideSpec{Name: "fdatasync", Kind: "fdatasync"},
		sideSpec{Name: "leaky-bucket-1", Kind: "store", Workload: "leaky-bucket", Callers: 1, Keys: buckets, Fill: true},
		sideSpec{Name: "leaky-bucket-64", Kind: "store", Workload: "leaky-bucket", Callers: manyCallers, Keys: buckets, Fill: true},
		sideSpec{Name: "pebble-64", Kind: "pebble", Callers: manyCallers, Keys: buckets},
		sideSpec{Name: "inventory-64", Kind: "store", Workload: "inventory", Callers: manyCallers, Keys: 1, Fill: true})
	if err != nil {
		return err
	}
	set1, disk, bucket1, bucket64, pebble, hot64 := all[0], all[1], all[2], all[3], all[4], all[5]
	for _, c := range []*contender{set1, bucket1} {
		r.report.add(target{Name: "1 caller, durable (" + c.child.spec.Workload + "): median at most 1.3 times a bare fdatasync",
			Unit: "µs", Measured: c.spread(p50), Baseline: disk.spread(p50), Ratio: ratio(c, disk, p50),
			Limit: 1.3, compare: ratioAtMost})
	}
	r.report.add(target{Name: fmt.Sprintf("64 callers, durable, leaky bucket, %d buckets: at least 0.8 times Pebble's commits/s", buckets),
		Unit: "/s", Measured: bucket64.spread(sample.perSecond), Baseline: pebble.spread(sample.perSecond),
		Ratio: ratio(bucket64, pebble, sample.perSecond), Limit: 0.8, compare: ratioAtLeast})
	r.report.add(target{Name: "the same: p99 under 5 ms", Unit: "µs", Measured: bucket64.spread(p99),
		Baseline: pebble.spread(p99), Ratio: ratio(bucket64, pebble, p99), Limit: p99Most, compare: atMost})
	r.report.add(target{Name: "64 callers, durable, one hot key: at least 1.0 times Pebble's commits/s",
		Unit: "/s", Measured: hot64.spread(sample.perSecond), Baseline: pebble.spread(sample.perSecond),
		Ratio: ratio(hot64, pebble, sample.perSecond), Limit: 1.0, compare: ratioAtLeast})
	return nil
}

// memory measures what takes the processor alone, on one core: by processor
// time, of which others that use the machine take nothing away.
func (r *run) memory() error {
	all, err := r.contend(
		sideSpec{Name: "ephemeral-compare-and-set", Kind: "processor", Workload: "compare-and-set", Processors: 1},
		sideSpec{Name: "return-1", Kind: "processor", Workload: "return 1", Processors: 1},
		sideSpec{Name: "compile-leaky-bucket", Kind: "processor", Workload: "compile", Processors: 1})
	if err != nil {
		return err
	}
	cas, one, compile := all[0], all[1], all[2]
	r.report.add(target{Name: "ephemeral, one key read, compared, set, one core: at least 1,000,000 scripts/s",
		Unit: "/s", Measured: cas.spread(sample.perCore), Limit: 1e6, compare: atLeast})
	r.report.add(target{Name: "the same: at most 2 allocations", Unit: "allocs", Measured: cas.spread(allocs),
		Limit: 2.05, compare: atMost}) // what the store does beside it is counted too
	r.report.add(target{Name: "return 1, compiled, one core: at most 300 ns", Unit: "ns", Measured: one.spread(nanoseconds),
		Limit: 300, compare: atMost})
	r.report.add(target{Name: "parse and compile the leaky bucket: at most 30 µs", Unit: "ns",
		Measured: compile.spread(nanoseconds), Limit: 30_000, compare: atMost})
	return nil
}

// keys measures whether more keys are slower, as long as they fit in the
// cache.
func (r *run) keys() error {
	var gets, sets []*contender
	for n := 1000; n <= manyKeys; n *= 10 {
		n := n / r.scale
		c, err := r.start(sideSpec{Name: fmt.Sprintf("keys-%d", n), Kind: "store", Workload: "get", Keys: n,
			ValueSize: valueBytes, Fill: true, RowCacheBytes: manyKeysCache})
		if err != nil {
			return err
		}
		gets = append(gets, &contender{name: fmt.Sprintf("get-1, %d keys", n), child: c,
			order: order{Turn: r.turn, Workload: "get", Callers: 1}})
		sets = append(sets, &contender{name: fmt.Sprintf("set-64, %d keys", n), child: c,
			order: order{Turn: r.turn, Workload: "set", Callers: manyCallers}})
	}
	if err := r.takeTurns(append(slices.Clone(gets), sets...)); err != nil {
		return err
	}
	for _, one := range []struct {
		what string
		all  []*contender
	}{{"1 caller, get", gets}, {"64 callers, durable set", sets}} {
		few := one.all[0]
		for _, c := range one.all[1:] {
			r.report.add(target{Name: fmt.Sprintf("%s, %d keys: flat (at least %.1f times that of %d)", one.what,
				c.child.spec.Keys, flatLeast, few.child.spec.Keys), Unit: "/s", Measured: c.spread(sample.perSecond),
				Baseline: few.spread(sample.perSecond), Ratio: ratio(c, few, sample.perSecond),
				Limit: flatLeast, compare: ratioAtLeast})
		}
	}
	return nil
}

// open measures how long a store takes to open that was closed, and one whose
// process was killed right after its last write was acknowledged.
func (r *run) open() error {
	spec := sideSpec{Kind: "store", Workload: "get", Keys: manyKeys / r.scale, ValueSize: valueBytes, Fill: true}
	for _, one := range []struct {
		name  string
		end   func(*child) error
		limit float64
	}{{"closed", (*child).close, 1}, {"crashed", (*child).kill, 5}} {
		spec.Name = one.name
		c, err := r.start(spec)
		if err != nil {
			return err
		}
		if err := one.end(c); err != nil {
			return err
		}
		for _, cached := range []bool{true, false} {
			seconds, err := r.openCopies(c.spec, cached)
			if err != nil {
				return err
			}
			t := target{Name: fmt.Sprintf("open a %s store of %d keys: under %.0f s", one.name, spec.Keys, one.limit),
				Unit: "s", Measured: newSpread(seconds), Limit: one.limit, compare: atMost}
			if !cached {
				t.Name += ", its files not in memory"
			}
			r.report.add(t)
		}
	}
	return nil
}

// openCopies opens copies of a store that is at rest, and returns how many
// seconds each took.
func (r *run) openCopies(s sideSpec, cached bool) (seconds []float64, err error) {
	original := s.Dir
	s.Fill = false
	for i := range min(openings, r.rounds) {
		s.Name = fmt.Sprintf("copy %d of the %s store", i+1, filepath.Base(original))
		r.say(s.Name)
		s.Dir = filepath.Join(r.dir, "copy")
		if err := os.CopyFS(s.Dir, os.DirFS(original)); err != nil {
			return nil, err
		}
		if !cached {
			if err := dropCached(s.Dir); err != nil {
				return nil, err
			}
		}
		c, err := r.start(s)
		if err != nil {
			return nil, err
		}
		if c.ready.Rows != int64(s.Keys) {
			return nil, fmt.Errorf("%s has %d rows, not %d", s.Name, c.ready.Rows, s.Keys)
		}
		seconds = append(seconds, c.ready.OpenSeconds)
		if err := errors.Join(c.kill(), os.RemoveAll(s.Dir)); err != nil {
			return nil, err
		}
	}
	return seconds, nil
}

// large measures ten million keys at the default bounds of memory.
func (r *run) large() error {
	n := manyManyKeys / r.scale
	c, err := r.start(sideSpec{Name: "large", Kind: "store", Workload: "get", Keys: n, ValueSize: valueBytes, Fill: true})
	if err != nil {
		return err
	}
	say := func(what, unit string, s spread) {
		r.report.add(target{Name: fmt.Sprintf("%d keys of %d bytes, default bounds: %s", n, valueBytes, what), Unit: unit, Measured: s})
	}
	loaded, err := sizeOf(c.spec.Dir)
	if err != nil {
		return err
	}
	get1 := &contender{name: "large, get-1", child: c, order: order{Turn: r.turn, Workload: "get", Callers: 1}}
	get64 := &contender{name: "large, get-64", child: c, order: order{Turn: r.turn, Workload: "get", Callers: manyCallers}}
	set64 := &contender{name: "large, set-64", child: c, order: order{Turn: r.turn, Workload: "set", Callers: manyCallers}}
	if err := r.takeTurns([]*contender{get1, get64, set64}); err != nil {
		return err
	}
	one := func(v float64) spread { return newSpread([]float64{v}) }
	say("loaded", "/s", one(float64(n)/c.ready.FillSeconds))
	say("on disk when loaded", "MB", one(float64(loaded)/1e6))
	say("memory of the process when loaded", "MB", one(float64(c.ready.RSS)/1e6))
	say("memory of the process afterwards", "MB", set64.spread(func(s sample) float64 { return float64(s.RSS) / 1e6 }))
	for _, c := range []*contender{get1, get64, set64} {
		say(c.name, "/s", c.spread(sample.perSecond))
		say(c.name+", p99", "µs", c.spread(p99))
	}
	return nil
}

// sizeOf adds up the files in dir. Files that go while it looks do not count.
func sizeOf(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
