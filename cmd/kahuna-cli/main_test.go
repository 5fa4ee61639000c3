package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kahuna"
)

// TestMain makes the test binary the command when it is called by its name,
// and one that acknowledges writes without a disk when it is called forgetful.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kahuna-cli": main, "forgetful": func() {
		c := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: make(chan os.Signal),
			open: func(_ string, o *kahuna.Options) (kahuna.Store, error) { return kahuna.OpenMemory(o) }}
		os.Exit(c.main(context.Background(), os.Args[1:]))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs(filepath.Join("..", ".."))
			env.Setenv("ROOT", root)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "fill": fill},
	})
}

// exits is a command of the scripts: exits STATUS PROGRAM ARGS... runs a
// program that must end with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS...")
	}
	status := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		status = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// fill is a command of the scripts: fill FILE BYTES TEXT writes the text over
// and over until the file has that many bytes.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || args[2] == "" {
		ts.Fatalf("usage: fill FILE BYTES TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := strings.Repeat(args[2], n/len(args[2])+1)[:n]
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(data), 0o666))
}
