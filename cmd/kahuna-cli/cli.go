package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"kahuna"
	"kahuna/internal/answer"
	"kahuna/script"
)

// The exit statuses; see exitSignal too.
const (
	exitOK     = 0
	exitFailed = 1 // the script failed or aborted, or output was lost
	exitUsage  = 2 // wrong usage, or the script was refused before it ran
	exitOpen   = 3 // the store cannot be opened
)

// cli is one run of the command.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        chan os.Signal
	terminal       bool // stdin is one
	screen         bool // stdout is one
	open           func(dir string, o *kahuna.Options) (kahuna.Store, error)

	flags       flags
	model       *kong.Application // of the command line
	params      kahuna.Params
	options     kahuna.RunOptions
	db          kahuna.Store
	answered    bool                 // a script or command on it was
	lend        func() (back func()) // gives the terminal back for a while, nil when it is as it was
	timing      bool                 // the shell tells how long scripts take
	last        string               // the last script of the shell
	interactive atomic.Bool          // Ctrl-C does not end the command
	interrupts  chan struct{}        // gets a value for each Ctrl-C then
	killed      atomic.Int32         // exit status after a signal that ends the command
	lost        error                // of writing to stdout
}

func (c *cli) main(ctx context.Context, args []string) int {
	c.interrupts = make(chan struct{}, 1)
	ctx, stop := c.watch(ctx)
	defer stop()
	return c.status(c.command(ctx, args))
}

func (c *cli) command(ctx context.Context, args []string) int {
	command, done, err := c.parse(args)
	switch {
	case err != nil:
		return c.usage("%v", err)
	case done:
		return exitOK
	}
	switch command {
	case "check":
		return c.check(ctx, c.flags.Check.Files)
	case "fmt":
		return c.format(ctx)
	case "completion":
		return c.completion(c.model)
	case "backup":
		return c.backup(ctx)
	case "restore":
		return c.restore(ctx)
	}
	return c.onScripts(ctx, command)
}

// onScripts does the commands that run scripts.
func (c *cli) onScripts(ctx context.Context, command string) (status int) {
	var err error
	if c.params, err = parseParams(ctx, c.flags.Param); err != nil {
		return c.usage("%v", err)
	}
	if c.flags.Timeout != nil {
		c.options.Timeout = *c.flags.Timeout
	}
	if c.flags.IdempotencyKey != nil {
		c.options.IdempotencyKey = *c.flags.IdempotencyKey
	}
	switch {
	case len(c.flags.Execute) == 1:
		return c.one(ctx, c.flags.Execute[0])
	case command == "run":
		return c.oneFile(ctx, c.flags.Run.File)
	case command == "batch":
		return c.batchFile(ctx)
	case command == "shell" && !c.terminal:
		return c.oneFile(ctx, "-")
	case command == "shell" && c.flags.IdempotencyKey != nil:
		return c.usage("--idempotency-key belongs to one script: give it with run or -e")
	}
	if work, known := c.keyCommand(command); known {
		return c.onStore(ctx, work)
	}
	return c.onStore(ctx, c.shell)
}

// oneFile runs the script of a file, - for standard input: all of it is one
// script (Invariant CLI-5).
func (c *cli) oneFile(ctx context.Context, name string) int {
	source, err := c.read(ctx, name)
	if err != nil {
		return c.usage("%v", err)
	}
	return c.one(ctx, source)
}

// one runs one script. What does not compile is said before a directory is
// made.
func (c *cli) one(ctx context.Context, source string) int {
	if _, err := script.Compile(source, nil); err != nil {
		c.answer(source, nil, nil, err, 0)
		if separates(source) {
			c.usage("a file or a pipe is one script; batch runs several, separated by lines of %s", separator)
		}
		return exitUsage
	}
	return c.onStore(ctx, func(ctx context.Context) int { return c.execute(ctx, source) })
}

// onStore opens the store, does the work and closes the store.
func (c *cli) onStore(ctx context.Context, work func(context.Context) int) int {
	var err error
	if c.flags.Embedded == "" {
		c.db, err = connect(ctx, c.flags.Connect, c.flags.CA)
	} else if err = checkDir(c.flags.Embedded); err == nil {
		// Errors only: on a terminal everything else would be in the way.
		logger := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
		c.db, err = c.open(c.flags.Embedded, &kahuna.Options{Logger: logger})
	}
	if err != nil {
		c.answerOpen(err)
		return exitOpen
	}
	status := work(ctx)
	if err := c.db.Close(); err != nil {
		fmt.Fprintf(c.stderr, "kahuna-cli: %v\n", err)
		if c.answered {
			fmt.Fprintln(c.stderr, "kahuna-cli: what was answered stands: it is on disk; only closing the store failed")
		}
		status = max(status, exitFailed)
	}
	return status
}

// checkDir refuses what is most likely a slip: a store is made when missing,
// the directories above it are not.
func checkDir(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &kahuna.Error{Op: "open", Key: dir, Code: kahuna.CodeOpen, Message: "this is a file; a store is a directory"}
	case !errors.Is(err, fs.ErrNotExist):
		return nil // it is there, or opening it tells more
	}
	if _, err = os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		return &kahuna.Error{Op: "open", Key: dir, Code: kahuna.CodeOpen,
			Message: fmt.Sprintf("the directory %s, in which it would be made, does not exist", parent),
			Hint:    "make it first, or check the spelling"}
	}
	return nil
}

// usage says what is wrong with the command line.
func (c *cli) usage(format string, args ...any) int {
	if c.killed.Load() == 0 {
		fmt.Fprintf(c.stderr, "kahuna-cli: "+format+"\n", args...)
	}
	return exitUsage
}

// status is the exit status, after what else went wrong.
func (c *cli) status(status int) int {
	if killed := int(c.killed.Load()); killed != 0 {
		return killed
	}
	if c.lost != nil {
		if !closedPipe(c.lost) { // a reader that has seen enough is no news
			fmt.Fprintf(c.stderr, "kahuna-cli: writing the result: %v\n", c.lost)
		}
		return max(status, exitFailed)
	}
	return status
}

// execute runs a script, prints its answer and returns its exit status.
func (c *cli) execute(ctx context.Context, source string) int {
	start := time.Now()
	var warnings []script.Warning
	var res *kahuna.Result
	program, err := c.db.Compile(source)
	if err == nil {
		warnings = answer.Warnings(program.Warnings())
		res, err = program.Run(ctx, c.params, &c.options)
	}
	elapsed := time.Since(start)
	if err == nil {
		elapsed = res.Elapsed
	}
	c.answered = c.answered || err == nil
	c.answer(source, warnings, answer.Result(res), err, elapsed)
	if c.timing {
		fmt.Fprintf(c.stderr, "took %v\n", time.Since(start).Round(time.Microsecond))
	}
	return exitOf(err)
}

// exitOf is the exit status of a script's error.
func exitOf(err error) int {
	var e *kahuna.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e) && (len(e.Diagnostics) > 0 || e.Code == kahuna.CodeBadRequest):
		return exitUsage // it never ran
	}
	return exitFailed
}
