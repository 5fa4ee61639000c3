package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	manyCallers = 64
	bucketKeys  = 100_000
	p99Most     = 5000 // µs
)

// run is one run of targets: where it works, what it has started, and what it
// found.
type run struct {
	ctx      context.Context
	dir      string
	rounds   int
	turn     time.Duration
	scale    int // 1; tests divide the numbers of keys by more
	say      func(string)
	report   report
	children []*child
}

// start begins a side; it ends with the group.
func (r *run) start(s sideSpec) (*child, error) {
	r.say("preparing " + s.Name)
	if s.Dir == "" {
		s.Dir = filepath.Join(r.dir, s.Name)
		if s.Kind != "store" {
			if err := os.MkdirAll(s.Dir, 0o755); err != nil {
				return nil, err
			}
		}
	}
	c, err := startChild(r.ctx, s)
	if err == nil {
		r.children = append(r.children, c)
	}
	return c, err
}

// contend begins the sides and lets them take turns.
func (r *run) contend(specs ...sideSpec) ([]*contender, error) {
	all := make([]*contender, len(specs))
	for i, s := range specs {
		c, err := r.start(s)
		if err != nil {
			return nil, err
		}
		all[i] = &contender{name: s.Name, child: c, order: order{Turn: r.turn}}
	}
	return all, r.takeTurns(all)
}

func (r *run) takeTurns(all []*contender) error {
	if err := takeTurns(r.ctx, all, r.rounds, r.say); err != nil {
		return err
	}
	for _, c := range all {
		r.report.Turns = append(r.report.Turns, turns{c.name, c.samples})
	}
	return nil
}

// end ends what the group has started, and removes its files.
func (r *run) end() error {
	var errs []error
	for _, c := range r.children {
		errs = append(errs, c.kill())
	}
	r.children = nil
	return errors.Join(append(errs, removeAll(r.dir))...)
}

// removeAll empties dir.
func removeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// durable measures what waits for the disk.
func (r *run) durable() error {
	buckets := bucketKeys / r.scale
	all, err := r.contend(
		sideSpec{Name: "set-1", Kind: "store", Workload: "set", Callers: 1, Keys: buckets, ValueSize: 100},
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

// memory measures what takes the processor alone, on one core.
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
		Unit: "/s", Measured: cas.spread(sample.perSecond), Limit: 1e6, compare: atLeast})
	r.report.add(target{Name: "the same: at most 2 allocations", Unit: "allocs", Measured: cas.spread(allocs),
		Limit: 2.05, compare: atMost}) // what the store does beside it is counted too
	r.report.add(target{Name: "return 1, compiled, one core: at most 300 ns", Unit: "ns", Measured: one.spread(nanoseconds),
		Limit: 300, compare: atMost})
	r.report.add(target{Name: "parse and compile the leaky bucket: at most 30 µs", Unit: "ns",
		Measured: compile.spread(nanoseconds), Limit: 30_000, compare: atMost})
	return nil
}
