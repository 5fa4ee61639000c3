package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is the command in a process of its own, fed by a pipe.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr strings.Builder
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "kahuna-cli"
	return launch(t, cmd)
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// send feeds a script and returns the line it is answered with.
func (p *process) send(script string) string {
	p.t.Helper()
	p.feed(script)
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("no answer to %q: %v\n%s", script, err, &p.stderr)
	}
	return line
}

func (p *process) feed(script string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, script+"\n---\n"); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	late := time.AfterFunc(2*time.Minute, func() { _ = p.cmd.Process.Kill() }) // which is status -1
	defer late.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	err := p.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// TestSecondProcess: a directory is open in one process at a time; the second
// is told by whom, and can have it afterwards.
func TestSecondProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, "--embedded", dir, "batch", "-")
	first.send("set k 1")
	for _, args := range [][]string{{"-e", "set k 2"}, {"--json", "-e", "set k 2"}, {"get", "k"}, {"batch", "-"}} {
		second := start(t, append([]string{"--embedded", dir}, args...)...)
		_ = second.in.Close()
		if status := second.wait(); status != exitOpen {
			t.Errorf("%q: status %d, want %d", args, status, exitOpen)
		}
		if text, want := second.stderr.String(), "in use by process "+pid(first); !strings.Contains(text, want) {
			t.Errorf("%q: %q does not say %q", args, text, want)
		}
	}
	if got := first.send("get k"); !strings.HasPrefix(got, "r0 1 ") {
		t.Errorf("%q", got)
	}
	_ = first.in.Close()
	if status := first.wait(); status != exitOK {
		t.Errorf("status %d", status)
	}
	third := start(t, "--embedded", dir, "-e", "set k 3")
	if status := third.wait(); status != exitOK {
		t.Errorf("status %d\n%s", status, &third.stderr)
	}
}

// A reader that has seen enough ends the command, quietly.
func TestClosedOutput(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := exec.Command(self, "--embedded", dir, "batch", "-")
	cmd.Args[0], cmd.Stdout, cmd.Stderr = "kahuna-cli", w, &stderr
	cmd.Stdin = strings.NewReader(strings.Repeat("set n to_int(get n) + 1\n---\n", 100))
	_ = r.Close()
	err = cmd.Run()
	_ = w.Close()
	if cmd.ProcessState.ExitCode() != exitFailed || stderr.String() != "" {
		t.Errorf("%v, %q", err, &stderr)
	}
	check := start(t, "--embedded", dir, "batch", "-")
	if got := check.send("get n"); !strings.HasPrefix(got, "r0 1 ") {
		t.Errorf("it went on: %q", got)
	}
	_ = check.in.Close()
	check.wait()
}

func pid(p *process) string { return strconv.Itoa(p.cmd.Process.Pid) }
