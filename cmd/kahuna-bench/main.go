// Command kahuna-bench measures a store: under a workload, or against what the
// disk and the machine can do.
//
//	kahuna-bench --embedded DIR leaky-bucket --concurrency 64 --duration 10s
//	kahuna-bench --embedded DIR targets
//	kahuna-bench -c redis://127.0.0.1:2079 leaky-bucket
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
	"errors"
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
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	os.Exit(exitStatus(err, interrupted, os.Stderr))
}

const usageHint = "The workloads are set, get, cas, leaky-bucket, inventory, counter, session, transfer, script FILE; " +
	"targets compares.\nkahuna-bench --help tells more."

// exitStatus reports err: 0 nothing wrong, 1 failed, 2 wrong usage, 130
// interrupted.
func exitStatus(err error, interrupted bool, stderr io.Writer) int {
	var usage usageError
	var parse *kong.ParseError
	switch {
	case err == nil:
		return 0
	case interrupted:
		fmt.Fprintln(stderr, "kahuna-bench: interrupted")
		return 130
	case errors.As(err, &usage), errors.As(err, &parse):
		fmt.Fprintf(stderr, "kahuna-bench: %v\n%s\n", err, usageHint)
		return 2
	}
	fmt.Fprintf(stderr, "kahuna-bench: %v\n", err)
	return 1
}

// errHelp unwinds the parser once it has printed the help.
var errHelp = errors.New("help was printed")

// command runs one command line.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var f flags
	parser, err := kong.New(&f, kong.Name("kahuna-bench"), kong.Description("Measures a store."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { panic(errHelp) }))
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil && r != errHelp {
			panic(r)
		}
	}()
	parsed, err := parser.Parse(args)
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
	if err := f.checkExisting(); err != nil {
		return err
	}
	db, err := openSubject(ctx, f)
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

func openStore(f *flags) (*kahuna.DB, error) {
	o := &kahuna.Options{RowCacheBytes: f.RowCache}
	if f.Embedded == "" {
		return kahuna.OpenMemory(o)
	}
	return kahuna.Open(f.Embedded, o)
}
