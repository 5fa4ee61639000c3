package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// flags is the command line.
type flags struct {
	Embedded    string        `help:"Directory of the store; made when missing. Without it workloads run on a store in memory." placeholder:"DIR"`
	Connect     string        `short:"c" help:"Address of a server to run workloads on: http://127.0.0.1:2070, redis://127.0.0.1:2079 or grpc://127.0.0.1:2072. They write rows of their own into its store, as key/0." placeholder:"URL"`
	Keyed       bool          `help:"Over HTTP: send scripts that write with an idempotency key, as kahuna/client does unless told not to."`
	Existing    bool          `help:"Run the workload in a store that DIR has already. It writes rows of its own, as key/0, over those that are there."`
	Concurrency int           `help:"Callers at once. Default: 64, with --rate 1024." placeholder:"N"`
	Duration    time.Duration `default:"10s" help:"How long to measure."`
	Warmup      time.Duration `default:"1s" help:"How long to run before measuring."`
	Keys        int           `default:"100000" help:"How many keys (buckets, accounts, sessions) there are."`
	ValueSize   int           `default:"100" help:"Bytes of a value of set, get and session."`
	Ephemeral   bool          `help:"Use the ephemeral space."`
	RowCache    int64         `help:"Bytes of the row cache. 0: the default of a store." placeholder:"BYTES"`
	Rate        int           `help:"Scripts a second to send, open loop. 0: as many as there are answers."`
	JSON        bool          `name:"json" help:"Print the result as one JSON object."`
	Seed        uint64        `default:"1" help:"Of the random keys."`
	CPUProfile  string        `name:"cpuprofile" help:"Write a processor profile of the measuring to FILE." placeholder:"FILE"`
	MemProfile  string        `name:"memprofile" help:"Write a profile of all allocations to FILE." placeholder:"FILE"`

	Set         struct{}   `cmd:"" help:"Write a random key."`
	Get         struct{}   `cmd:"" help:"Read a random key."`
	Cas         struct{}   `cmd:"" help:"Read a random key and write it if nobody else did."`
	LeakyBucket struct{}   `cmd:"" help:"A rate limiter: two keys read, two written."`
	Inventory   struct{}   `cmd:"" help:"Take one piece of a stock: one hot key."`
	Counter     struct{}   `cmd:"" help:"Count up a random key that expires."`
	Session     struct{}   `cmd:"" help:"Make a session, or extend it."`
	Transfer    struct{}   `cmd:"" help:"Move an amount between two random keys."`
	Script      scriptCmd  `cmd:"" help:"Run the script in a file; its parameters are @key, a random key, and @n, the number of the call."`
	Targets     targetsCmd `cmd:"" help:"Measure the store against the disk and the machine, and say which targets are met."`
	Side        sideCmd    `cmd:"" hidden:"" help:"One side of a comparison: the process that targets begins."`
}

type scriptCmd struct {
	File string `arg:"" help:"The script."`
}

type targetsCmd struct {
	Rounds int           `default:"20" help:"Rounds in which everything compared gets a turn."`
	Turn   time.Duration `default:"500ms" help:"How long a turn is."`
	Only   string        `help:"Measure only these groups, comma between them: durable, memory, keys, open, large. Without it all but large." placeholder:"GROUPS"`
	Scale  int           `default:"1" help:"Divide the numbers of keys by this, for a quick look: the figures are not those of a full run." placeholder:"N"`
}

type sideCmd struct {
	Spec string `arg:""`
}

// callers returns how many callers there are. In an open loop there should
// always be one that is free.
func (f *flags) callers() int {
	switch {
	case f.Concurrency != 0:
		return f.Concurrency
	case f.Rate > 0:
		return 1024
	}
	return 64
}

// usageError is a command line that can not be meant so.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// checkWorkload refuses what makes no sense.
func (f *flags) checkWorkload(name string) error {
	for _, c := range []struct {
		flag      string
		value, at int64
	}{
		{"concurrency", int64(f.callers()), 1}, {"keys", int64(f.Keys), 1}, {"duration", int64(f.Duration), 1},
		{"warmup", int64(f.Warmup), 0}, {"rate", int64(f.Rate), 0}, {"value-size", int64(f.ValueSize), 0},
		{"row-cache", f.RowCache, 0},
	} {
		if c.value < c.at {
			return usagef("--%s must be at least %d, got %d", c.flag, c.at, c.value)
		}
	}
	switch remote := f.Connect != ""; {
	case remote && f.Embedded != "":
		return usagef("--embedded and -c exclude each other: one opens a store in this process, the other asks a server")
	case remote && f.RowCache != 0:
		return usagef("--row-cache is for a store in this process")
	case f.Keyed && !strings.HasPrefix(f.Connect, "http"):
		return usagef("--keyed is for -c http://...")
	}
	if f.Existing && f.Embedded == "" {
		return usagef("--existing is for --embedded DIR")
	}
	if name == "transfer" && f.Keys < 2 {
		return usagef("transfer needs two accounts: --keys must be at least 2")
	}
	return nil
}

// checkExisting refuses a directory that has a store, which may be somebody's,
// unless it is named as one.
func (f *flags) checkExisting() error {
	if f.Embedded == "" || f.Existing {
		return nil
	}
	for _, part := range []string{"rows", "log"} {
		if _, err := os.Stat(filepath.Join(f.Embedded, part)); err == nil {
			return usagef("%s has a store already, and the workload would write its rows into it: "+
				"name another directory, or add --existing", f.Embedded)
		}
	}
	return nil // there is none, or opening it tells more
}

// checkTargets refuses flags that only workloads have.
func (f *flags) checkTargets(parsed *kong.Context) error {
	if f.Embedded == "" {
		return usagef("targets needs --embedded DIR: a directory on the disk to measure")
	}
	for _, given := range parsed.Path {
		if given.Flag == nil {
			continue
		}
		switch name := given.Flag.Name; name {
		case "connect", "keyed", "existing", "concurrency", "duration", "warmup", "keys", "value-size", "ephemeral", "rate", "seed", "row-cache",
			"cpuprofile", "memprofile":
			return usagef("--%s is for workloads: targets sets its own", name)
		}
	}
	if f.Targets.Rounds < 1 || f.Targets.Turn <= 0 {
		return usagef("--rounds must be at least 1, and --turn positive")
	}
	return nil
}
