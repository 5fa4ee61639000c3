package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// runTargets measures the groups that were asked for and prints the table.
func runTargets(ctx context.Context, f *flags, stdout, stderr io.Writer) error {
	say, done := func(string) {}, func() {}
	if isTerminal(stderr) {
		say = func(s string) { fmt.Fprintf(stderr, "\r\x1b[K%s", s) }
		done = func() { fmt.Fprint(stderr, "\r\x1b[K") }
	}
	r, err := measureTargets(ctx, f, say)
	done()
	if err != nil {
		return err
	}
	return r.print(stdout, f.JSON)
}

// measureTargets measures in a directory of its own inside of f.Embedded,
// which is gone afterwards. say is told what goes on.
func measureTargets(ctx context.Context, f *flags, say func(string)) (_ *report, err error) {
	// The children die with the thread that began them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	chosen, err := chooseGroups(f.Targets.Only)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.Embedded, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(f.Embedded, "kahuna-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &run{ctx: ctx, dir: dir, rounds: f.Targets.Rounds, turn: f.Targets.Turn, scale: max(f.Targets.Scale, 1), say: say}
	r.report.Machine = machineFacts(f.Embedded)
	for _, g := range chosen {
		err := g.measure(r)
		if err = errors.Join(err, r.end()); err != nil {
			return nil, err
		}
	}
	return &r.report, nil
}

// group is a part of the run that can be asked for alone.
type group struct {
	name    string
	measure func(*run) error
	asked   bool // only measured when asked for
}

var groups = []group{
	{name: "durable", measure: (*run).durable},
	{name: "memory", measure: (*run).memory},
	{name: "keys", measure: (*run).keys},
	{name: "open", measure: (*run).open},
	{name: "large", measure: (*run).large, asked: true},
}

// chooseGroups returns the groups named in only, or those of a usual run.
func chooseGroups(only string) ([]group, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(groups), func(g group) bool { return g.asked }), nil
	}
	var chosen []group
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(groups, func(g group) bool { return g.name == strings.TrimSpace(name) })
		if i < 0 {
			var names []string
			for _, g := range groups {
				names = append(names, g.name)
			}
			return nil, usagef("--only: there is no group %q, there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, groups[i])
	}
	return chosen, nil
}
