// Command kahuna-bench measures a store under a workload: how many scripts a
// second, and how long each takes.
//
//	kahuna-bench --embedded DIR leaky-bucket --concurrency 64 --duration 10s
//
// Without --rate every caller sends its next script when the last is answered
// (closed loop). With --rate scripts are due at fixed times whatever the store
// does (open loop), and latency counts from when one was due, so that a stall
// shows in all the scripts it delayed (no coordinated omission).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"kahuna"
)

type flags struct {
	Embedded    string        `help:"Directory of the store; made when missing. Empty: a store in memory." placeholder:"DIR"`
	Concurrency int           `default:"64" help:"Callers at once."`
	Duration    time.Duration `default:"10s" help:"How long to measure."`
	Warmup      time.Duration `default:"1s" help:"How long to run before measuring."`
	Keys        int           `default:"100000" help:"How many keys (buckets, accounts, sessions) there are."`
	ValueSize   int           `default:"100" help:"Bytes of a value of set, get and session."`
	Ephemeral   bool          `help:"Use the ephemeral space."`
	Rate        int           `help:"Scripts a second to send, open loop. 0: as many as there are answers."`
	JSON        bool          `name:"json" help:"Print the result as one JSON object."`
	Seed        uint64        `default:"1" help:"Of the random keys."`

	Workload string `arg:"" enum:"set,get,cas,leaky-bucket,inventory,counter,session,transfer,script" help:"set, get, cas, leaky-bucket, inventory (one hot key), counter, session, transfer (two random keys), or script FILE."`
	File     string `arg:"" optional:"" help:"The script of the workload script; its parameters are @key, a random key, and @n, the number of the call."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("kahuna-bench"), kong.Description("Measures a store under a workload."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &f); err != nil {
		fmt.Fprintf(os.Stderr, "kahuna-bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f *flags) (err error) {
	if f.Concurrency < 1 || f.Keys < 1 || f.Duration <= 0 || f.Rate < 0 || f.ValueSize < 0 {
		return fmt.Errorf("--concurrency and --keys must be at least 1, --duration positive, --rate and --value-size not negative")
	}
	w, err := newWorkload(f)
	if err != nil {
		return err
	}
	db, err := openStore(f)
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
	m, err := measure(ctx, f, db, w)
	if err != nil {
		return err
	}
	return m.print(os.Stdout, f)
}

func openStore(f *flags) (*kahuna.DB, error) {
	if f.Embedded == "" {
		return kahuna.OpenMemory(nil)
	}
	return kahuna.Open(f.Embedded, nil)
}
