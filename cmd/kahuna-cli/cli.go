package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"kahuna"
	"kahuna/script"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1 // the script failed or aborted, or output was lost
	exitUsage   = 2 // wrong usage, or the script does not compile
	exitOpen    = 3 // the store cannot be opened
	exitSIGINT  = 128 + int(syscall.SIGINT)
	exitSIGTERM = 128 + int(syscall.SIGTERM)
)

// flags is the command line.
type flags struct {
	Embedded       string           `help:"Directory of the store to run on; made when missing." placeholder:"DIR"`
	Param          []string         `short:"p" sep:"none" help:"Parameter, repeatable: name=text, name:=JSON for a typed one, name=@file for the text of a file (name=@@x for a text that begins with @)." placeholder:"NAME=VALUE"`
	Timeout        time.Duration    `help:"Time-out of a script that names none itself, such as 500ms or 30s." placeholder:"DURATION"`
	IdempotencyKey *string          `help:"Run the script once, however often it is sent with this key." placeholder:"KEY"`
	JSON           bool             `name:"json" help:"Print one JSON object per script."`
	Version        kong.VersionFlag `help:"Print the version."`

	Shell struct {
		Expression *string `short:"e" name:"execute" help:"Run this script instead of the shell." placeholder:"SCRIPT"`
	} `cmd:"" default:"withargs" hidden:"" help:"The shell, or -e SCRIPT."`
	Run struct {
		File string `arg:"" help:"Script file, - for standard input."`
	} `cmd:"" help:"Run one script from a file."`
	Check struct {
		Files []string `arg:"" help:"Script files, - for standard input."`
	} `cmd:"" help:"Print everything that is wrong with scripts, without running them."`
	Fmt struct {
		Write bool     `short:"w" help:"Write the result back to the file."`
		Files []string `arg:"" help:"Script files, - for standard input."`
	} `cmd:"" help:"Print scripts in the canonical form."`
}

const description = `Runs scripts on a Kahuna store.

Examples:

  kahuna-cli --embedded data -e 'set greeting "hello"'
  kahuna-cli --embedded data -p item=stock/sku-1 -p n:=3 run reserve.kh
  kahuna-cli --embedded data                  (the shell)
  kahuna-cli --embedded data < scripts.kh     (scripts separated by blank lines)
  kahuna-cli check reserve.kh

Exit status: 0 success, 1 the script failed or aborted, 2 wrong usage or a script that does not compile, 3 the store cannot be opened.`

// cli is one run of the command.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        chan os.Signal
	terminal       bool // stdin is one
	open           func(dir string, o *kahuna.Options) (*kahuna.DB, error)

	flags  flags
	params kahuna.Params
	db     *kahuna.DB
	killed atomic.Int32 // exit status after a signal that ends the command
	lost   error        // of writing to stdout
}

// exit ends kong's parsing with a status.
type exit int

func (c *cli) main(ctx context.Context, args []string) (status int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			status = int(r)
		default:
			panic(r)
		}
	}()
	parser, err := kong.New(&c.flags, kong.Name("kahuna-cli"), kong.Description(description),
		kong.Writers(c.stdout, c.stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Vars{"version": version()}, kong.UsageOnError())
	if err != nil {
		return c.usage("%v", err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return c.usage("%v; see kahuna-cli --help", err)
	}
	switch parsed.Command() {
	case "check <files>":
		return c.check(c.flags.Check.Files)
	case "fmt <files>":
		return c.format(c.flags.Fmt.Files, c.flags.Fmt.Write)
	}
	if c.params, err = parseParams(c.flags.Param); err != nil {
		return c.usage("%v", err)
	}
	if c.flags.Embedded == "" {
		return c.usage("no store was named: add --embedded DIR, for example\n  kahuna-cli --embedded data -e 'set greeting \"hello\"'")
	}
	if c.flags.Timeout < 0 {
		return c.usage("--timeout must not be negative")
	}
	source, one, status := c.source(parsed.Command())
	if status != exitOK {
		return status
	}
	if one {
		// What does not compile is said before a directory is made.
		if _, err := script.Compile(source, nil); err != nil {
			c.answer(source, nil, err, 0)
			return c.status(exitUsage)
		}
	}
	if c.db, err = c.open(c.flags.Embedded, nil); err != nil {
		c.answerOpen(err)
		return c.status(exitOpen)
	}
	if one {
		status = c.one(ctx, source)
	} else {
		status = c.shell(ctx)
	}
	if err := c.db.Close(); err != nil {
		fmt.Fprintf(c.stderr, "kahuna-cli: %v\n", err)
		status = max(status, exitFailed)
	}
	return c.status(status)
}

// source returns the script to run, when it is one.
func (c *cli) source(command string) (source string, one bool, status int) {
	switch {
	case command == "run <file>":
		source, err := c.read(c.flags.Run.File)
		if err != nil {
			return "", true, c.usage("%v", err)
		}
		return source, true, exitOK
	case c.flags.Shell.Expression != nil:
		return *c.flags.Shell.Expression, true, exitOK
	}
	return "", false, exitOK
}

// usage says what is wrong with the command line.
func (c *cli) usage(format string, args ...any) int {
	fmt.Fprintf(c.stderr, "kahuna-cli: "+format+"\n", args...)
	return exitUsage
}

// status is the exit status, after what else went wrong.
func (c *cli) status(status int) int {
	if killed := int(c.killed.Load()); killed != 0 {
		return killed
	}
	if c.lost != nil {
		fmt.Fprintf(c.stderr, "kahuna-cli: writing the result: %v\n", c.lost)
		return max(status, exitFailed)
	}
	return status
}

// sourceMax bounds what is read of a script: one byte more than a script may
// have, so that the compiler names its limit.
var sourceMax = int64(script.DefaultLimits().SourceBytes) + 1

// read reads a script's file, or standard input for "-".
func (c *cli) read(name string) (string, error) {
	r := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, sourceMax))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return string(data), nil
}

// one runs one script and prints its answer.
func (c *cli) one(ctx context.Context, source string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case sig := <-c.signals:
			c.kill(sig)
			cancel()
		case <-done:
		}
	}()
	return c.execute(ctx, source)
}

func (c *cli) kill(sig os.Signal) {
	status := exitSIGINT
	if sig == syscall.SIGTERM {
		status = exitSIGTERM
	}
	c.killed.Store(int32(status))
}

// execute runs a script, prints its answer and returns its exit status.
func (c *cli) execute(ctx context.Context, source string) int {
	var opts []kahuna.RunOption
	if c.flags.Timeout > 0 {
		opts = append(opts, kahuna.WithTimeout(c.flags.Timeout))
	}
	if key := c.flags.IdempotencyKey; key != nil { // an empty one is refused
		opts = append(opts, kahuna.WithIdempotencyKey(*key))
	}
	start := time.Now()
	res, err := c.db.Run(ctx, source, c.params, opts...)
	c.answer(source, res, err, time.Since(start))
	return exitOf(err)
}

// exitOf is the exit status of a script's error.
func exitOf(err error) int {
	var e *kahuna.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e) && (len(e.Diagnostics) > 0 || e.Code == script.CodeBadRequest):
		return exitUsage // it never ran
	}
	return exitFailed
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "kahuna-cli (unknown version)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return "kahuna-cli " + v
}
