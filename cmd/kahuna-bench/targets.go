package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// runTargets measures the groups that were asked for and prints the table.
func runTargets(ctx context.Context, f *flags, stdout, stderr io.Writer) (err error) {
	if err := os.MkdirAll(f.Embedded, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(f.Embedded, "kahuna-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say := func(string) {}
	if isTerminal(stderr) {
		say = func(s string) { fmt.Fprintf(stderr, "\r\x1b[K%s", s) }
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	out := &report{Machine: machineFacts(f.Embedded)}
	groups := []struct {
		name string
		run  func() error
	}{
		{"durable", func() error { return measureDurable(ctx, dir, &f.Targets, say, out) }},
		{"memory", func() error { return measureMemory(ctx, &f.Targets, say, out) }},
	}
	var names, chosen []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	chosen = names
	if f.Targets.Only != "" {
		chosen = strings.Split(f.Targets.Only, ",")
		for _, c := range chosen {
			if !slices.Contains(names, c) {
				return fmt.Errorf("--only: there is no group %q; there are %s", c, strings.Join(names, ", "))
			}
		}
	}
	for _, g := range groups {
		if !slices.Contains(chosen, g.name) {
			continue
		}
		if err := errors.Join(g.run(), out.close()); err != nil {
			return err
		}
	}
	return out.print(stdout, f.JSON)
}
