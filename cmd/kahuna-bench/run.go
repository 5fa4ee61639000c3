package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
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
			if err := os.MkdirAll(s.Dir, 0o700); err != nil {
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
