//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSignals: a signal ends the command in order, whether it waits for input
// or runs a script, and its status says which one it was.
func TestSignals(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		script string // that runs when the signal comes, or is about to
		status int
	}{
		{syscall.SIGINT, "", 130}, {syscall.SIGTERM, "", 143}, {syscall.SIGHUP, "", 129},
		{syscall.SIGINT, "set half 1 sleep 60s", 130}, {syscall.SIGTERM, "set half 1 sleep 60s", 143},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		p := start(t, "--embedded", dir, "batch", "-")
		p.send("set whole 1")
		if tt.script != "" {
			p.feed(tt.script)
		}
		if err := p.cmd.Process.Signal(tt.signal); err != nil {
			t.Fatal(err)
		}
		if got := p.wait(); got != tt.status {
			t.Errorf("%v during %q: status %d, want %d\n%s", tt.signal, tt.script, got, tt.status, &p.stderr)
		}
		// The store was closed: its owner's mark is gone, and it opens.
		if _, err := os.Stat(filepath.Join(dir, "owner")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v during %q: the store was not closed: %v", tt.signal, tt.script, err)
		}
		again := start(t, "--embedded", dir, "batch", "-")
		if got := again.send("return concat(exists whole, exists half)"); !strings.HasPrefix(got, "r- truefalse ") {
			t.Errorf("%v during %q: %q", tt.signal, tt.script, got)
		}
		_ = again.in.Close()
		if status := again.wait(); status != exitOK {
			t.Errorf("status %d", status)
		}
	}
}

// Reading a script from standard input can be stopped as well.
func TestSignalWhileReading(t *testing.T) {
	for _, args := range [][]string{{"--embedded", filepath.Join(t.TempDir(), "data"), "run", "-"}, {"check", "-"}, {"fmt", "-"}} {
		p := start(t, args...)
		// Before the command listens a signal kills it: wait for it to read.
		for range 40 { // more than a pipe holds
			if _, err := io.WriteString(p.in, strings.Repeat("# wait\n", 512)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got := p.wait(); got != 143 {
			t.Errorf("%v: status %d\n%s", args, got, &p.stderr)
		}
	}
}

// Nor does a signal wait for a file that nobody writes to.
func TestSignalWhileReadingFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", fifo}, {"-p", "v=@" + fifo, "-e", "return @v"}} {
		p := start(t, append([]string{"--embedded", filepath.Join(dir, "data")}, args...)...)
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // when the command reads
		if err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if got := p.wait(); got != 130 {
			t.Errorf("%v: status %d\n%s", args, got, &p.stderr)
		}
		_ = w.Close()
	}
}

// A signal that was ignored when the command began, as by nohup, stays so.
func TestIgnoredSignal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "kahuna-cli")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	p := launch(t, exec.Command("sh", "-c", `trap '' HUP; exec "$0" --embedded "$1" batch -`, link, filepath.Join(t.TempDir(), "data")))
	p.send("set k 1")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := p.send("get k"); !strings.HasPrefix(got, "r0 1 ") {
		t.Errorf("%q", got)
	}
	_ = p.in.Close()
	if got := p.wait(); got != exitOK {
		t.Errorf("status %d\n%s", got, &p.stderr)
	}
}
