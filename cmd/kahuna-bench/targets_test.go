package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func smallTargets(t *testing.T, only string) *flags {
	return &flags{Embedded: filepath.Join(t.TempDir(), "new"), JSON: true,
		Targets: targetsCmd{Rounds: 1, Turn: 20 * time.Millisecond, Scale: 1000, Only: only}}
}

// TestTargets runs all of them, small: each target has its line, and nothing
// stays behind.
func TestTargets(t *testing.T) {
	f := smallTargets(t, "durable,memory,keys,open,large")
	var out, text bytes.Buffer
	if err := runTargets(t.Context(), f, &out, &out); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if r.Machine.Cores < 1 || r.Machine.Go == "" || r.Machine.FileSystem == "" {
		t.Errorf("the machine is %+v", r.Machine)
	}
	lines := map[string]int{"1 caller, durable": 2, "64 callers, durable, leaky bucket": 1, "p99 under 5 ms": 1,
		"one hot key": 1, "ephemeral, one key": 1, "at most 2 allocations": 1, "return 1": 1, "parse and compile": 1,
		"get, ": 3, "durable set, ": 3, "open a closed store": 2, "open a crashed store": 2, "default bounds": 10}
	for what, want := range lines {
		n := 0
		for _, one := range r.Targets {
			if strings.Contains(one.Name, what) {
				n++
				if !(one.Measured.Median > 0) || one.Measured.Low > one.Measured.Median || one.Measured.High < one.Measured.Median {
					t.Errorf("%s: measured %+v", one.Name, one.Measured)
				}
				if strings.Contains(one.Name, "times") != (one.Ratio.Median > 0) && what != "p99 under 5 ms" {
					t.Errorf("%s: the ratio is %+v", one.Name, one.Ratio)
				}
			}
		}
		if n != want {
			t.Errorf("%d lines have %q, want %d", n, what, want)
		}
	}
	for _, one := range r.Turns {
		if len(one.Samples) != f.Targets.Rounds {
			t.Errorf("%s had %d turns", one.Name, len(one.Samples))
		}
	}
	if err := r.print(&text, false); err != nil || strings.Count(text.String(), "\n") < len(r.Targets)+len(r.Turns) {
		t.Errorf("%v\n%s", err, &text)
	}
	expectNothing(t, f.Embedded)
}

// TestTargetsInterrupted ends the run in the middle: it stops at once, its
// processes with it, and leaves nothing.
func TestTargetsInterrupted(t *testing.T) {
	for _, at := range []string{"preparing leaky-bucket-1", "round 1"} {
		f := smallTargets(t, "durable")
		f.Targets.Turn = time.Hour
		if at == "round 1" {
			f.Targets.Turn = time.Millisecond
			f.Targets.Rounds = math.MaxInt
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := measureTargets(ctx, f, func(s string) {
			if strings.HasPrefix(s, at) {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("at %s: %v", at, err)
		}
		expectNothing(t, f.Embedded)
	}
}

// TestSideFails checks that what goes wrong in the process of a side is told.
func TestSideFails(t *testing.T) {
	if _, err := startChild(t.Context(), sideSpec{Name: "odd", Kind: "nosuch"}); err == nil || !strings.Contains(err.Error(), `odd: there is no kind of side "nosuch"`) {
		t.Errorf("%v", err)
	}
	c, err := startChild(t.Context(), sideSpec{Name: "store", Kind: "store", Dir: t.TempDir(), Workload: "nosuch", Callers: 1, Keys: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.turn(t.Context(), order{Turn: time.Millisecond}); err == nil || !strings.Contains(err.Error(), `store: there is no workload "nosuch"`) {
		t.Errorf("%v", err)
	}
	if err := c.kill(); err != nil {
		t.Error(err)
	}
}

// expectNothing checks that no file is left in dir, and no process.
func expectNothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v %v is left", err, entries)
	}
	expectNoProcess(t)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		compare         comparison
		measured, ratio float64
		limit           float64
		verdict         string
	}{
		{atMost, 5, 0, 5, "met"},
		{atMost, 6, 0, 5, "missed by 20%"},
		{atLeast, 5, 0, 5, "met"},
		{atLeast, 4, 0, 5, "missed by 20%"},
		{ratioAtMost, 999, 1.3, 1.3, "met"},
		{ratioAtMost, 0, 2.6, 1.3, "missed by 100%"},
		{ratioAtLeast, 0, 0.8, 0.8, "met"},
		{ratioAtLeast, 999, 0.4, 0.8, "missed by 50%"},
		{noLimit, 7, 0, 0, "-"},
	} {
		one := target{Measured: spread{Median: c.measured}, Ratio: spread{Median: c.ratio}, Limit: c.limit, compare: c.compare}
		one.judge()
		if one.Verdict != c.verdict || one.Met != (c.verdict == "met" || c.verdict == "-") {
			t.Errorf("%+v: %s, met %v", c, one.Verdict, one.Met)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := newSpread([]float64{4, 1, 3}); got != (spread{3, 1, 4}) {
		t.Errorf("%+v", got)
	}
	if got := newSpread([]float64{4, 1, 3, 2}); got != (spread{2.5, 1, 4}) {
		t.Errorf("%+v", got)
	}
	// Of the ratios of each round, not of the medians.
	a := &contender{samples: []sample{{P50: 10}, {P50: 200}, {P50: 30}}}
	b := &contender{samples: []sample{{P50: 10}, {P50: 100}, {P50: 10}}}
	if got := ratio(a, b, p50); got != (spread{2, 1, 3}) {
		t.Errorf("%+v", got)
	}
}
