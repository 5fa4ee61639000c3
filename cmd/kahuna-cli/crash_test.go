package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"kahuna"
)

// TestKill kills the command with SIGKILL in a loop of acknowledged
// writes, again and again on one directory: every acknowledged write is there,
// nothing is half done, and at most the script that was running is there
// besides.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if acked, err := killLoop(t, self, "kahuna-cli", 8); err != nil {
		t.Error(err)
	} else if acked == 0 {
		t.Error("no write was acknowledged: this proved nothing")
	}
}

// TestKillForgetful is the negative control: the same check on a command that
// acknowledges what is not on disk must find the loss. (Without fsync alone it
// would not: what a killed process has written, the system still has. The
// crash tests of package kahuna have that control.)
func TestKillForgetful(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := killLoop(t, self, "forgetful", 1); err == nil {
		t.Error("the check did not notice that nothing was written")
	} else {
		t.Logf("found, as it should be: %v", err)
	}
}

// killLoop runs the rounds and returns how many writes were acknowledged, and
// the first thing that was wrong.
func killLoop(t *testing.T, bin, name string, rounds int) (total int, err error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for round := range rounds {
		n := killOnce(t, bin, name, dir, time.Duration(20+rng.IntN(120))*time.Millisecond)
		total += n
		if found, err = examine(dir, found+n); err != nil {
			return total, fmt.Errorf("round %d: %w", round, err)
		}
	}
	return total, nil
}

// examine opens the directory and compares it with what was acknowledged.
func examine(dir string, acked int) (found int, err error) {
	db, err := kahuna.Open(dir, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	res, err := db.Run(context.Background(), "return [get a ?? 0, get b ?? 0, eget a ?? 'none']", nil, nil)
	if err != nil {
		return 0, err
	}
	a, b, e := res.Entries[0].Value, res.Entries[1].Value, res.Entries[2].Value
	if found, err = strconv.Atoi(a); err != nil {
		return 0, err
	}
	switch {
	case a != b:
		err = fmt.Errorf("half a script: a = %s, b = %s", a, b)
	case found < acked || found > acked+1:
		err = fmt.Errorf("%d writes are there, %d were acknowledged", found, acked)
	case e != "none":
		err = errors.New("an ephemeral row outlived its process")
	}
	return found, err
}

// killOnce feeds scripts to the command, kills it after d, and returns how
// many writes it acknowledged.
func killOnce(t *testing.T, bin, name, dir string, d time.Duration) (acked int) {
	t.Helper()
	cmd := exec.Command(bin, "--embedded", dir, "batch", "-")
	cmd.Args[0] = name
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for {
			if _, err := io.WriteString(in, "let n = to_int(get a) + 1\nset a n\nset b n\neset a n\nreturn n\n---\n"); err != nil {
				return // killed
			}
		}
	}()
	lines := bufio.NewScanner(out)
	var kill <-chan time.Time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	kill = timer.C
	killed := make(chan struct{})
	for lines.Scan() {
		if acked++; acked == 1 {
			timer.Reset(d)
			go func() {
				defer close(killed)
				<-kill
				_ = cmd.Process.Kill()
			}()
		}
	}
	if acked == 0 {
		t.Fatal("the command ended before its first answer")
	}
	<-killed
	_ = cmd.Wait()
	<-fed
	return acked
}
