// Command kahuna-bench measures a store: under a workload, or against what the
// disk and the machine can do.
//
//	kahuna-bench --embedded DIR leaky-bucket --concurrency 64 --duration 10s
//	kahuna-bench --embedded DIR targets
//
// A workload says how many scripts a second there were and how long each took.
// Without --rate every caller sends its next script when the last is answered
// (closed loop). With --rate scripts are due at fixed times whatever the store
// does (open loop), and latency counts from when one was due, so that a stall
// shows in all the scripts it delayed (no coordinated omission).
//
// The command targets measures, in one run and in turns, the store and the
// baselines it is held against, and says which targets are met.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"kahuna"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "kahuna-bench: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// command runs one command line.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f flags
	exited := false
	parser, err := kong.New(&f, kong.Name("kahuna-bench"), kong.Description("Measures a store."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { exited = true }))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if exited { // --help
		return nil
	}
	if err != nil {
		return err
	}
	switch name := parsed.Selected().Name; name {
	case "targets":
		if err := f.checkTargets(parsed); err != nil {
			return err
		}
		return runTargets(ctx, &f, stdout, stderr)
	case "side":
		return serveSide(ctx, f.Side.Spec, os.Stdin, stdout)
	default:
		if err := f.checkWorkload(name); err != nil {
			return err
		}
		return runWorkload(ctx, &f, name, stdout, stderr)
	}
}

func runWorkload(ctx context.Context, f *flags, name string, stdout, stderr io.Writer) (err error) {
	w, err := newWorkload(name, f)
	if err != nil {
		return err
	}
	db, err := openStore(f.Embedded)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	if err := w.prepare(ctx, db); err != nil {
		return err
	}
	r, err := measure(ctx, f, db, w, stderr)
	if err != nil {
		return err
	}
	return r.print(stdout, f.JSON)
}

func openStore(dir string) (*kahuna.DB, error) {
	if dir == "" {
		return kahuna.OpenMemory(nil)
	}
	return kahuna.Open(dir, nil)
}
