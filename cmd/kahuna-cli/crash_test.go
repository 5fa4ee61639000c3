package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kahuna"
)

// TestKill kills the real command with SIGKILL in a loop of acknowledged
// writes, again and again on one directory: every acknowledged write is there,
// nothing is half done, and at most the script that was running is there
// besides.
func TestKill(t *testing.T) {
	bin := build(t)
	dir := filepath.Join(t.TempDir(), "data")
	rng := rand.New(rand.NewPCG(1, 2))
	acked := 0
	total := 0
	for round := range 8 {
		acked += killOnce(t, bin, dir, time.Duration(20+rng.IntN(120))*time.Millisecond)
		db, err := kahuna.Open(dir, nil)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		var found int
		res, err := db.Run(context.Background(), "return [get a ?? 0, get b ?? 0, eget a ?? 'none']", nil)
		if err == nil {
			_, err = fmt.Sscan(res.Entries[0].Value, &found)
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if res.Entries[1].Value != res.Entries[0].Value {
			t.Fatalf("round %d: half a script: a = %s, b = %s", round, res.Entries[0].Value, res.Entries[1].Value)
		}
		if found < acked || found > acked+1 {
			t.Fatalf("round %d: %d writes are there, %d were acknowledged", round, found, acked)
		}
		if res.Entries[2].Value != "none" {
			t.Errorf("round %d: an ephemeral row outlived its process", round)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		total += acked
		acked = found
	}
	if total == 0 {
		t.Error("no write was acknowledged: this proved nothing")
	}
}

// killOnce feeds scripts to the command, kills it after d, and returns how
// many writes it acknowledged.
func killOnce(t *testing.T, bin, dir string, d time.Duration) (acked int) {
	t.Helper()
	cmd := exec.Command(bin, "--embedded", dir)
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
			if _, err := io.WriteString(in, "let n = to_int(get a) + 1\nset a n\nset b n\neset a n\nreturn n\n\n"); err != nil {
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
