package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// comparison says what of a target is held against its limit.
type comparison int

const (
	ratioAtMost comparison = iota
	ratioAtLeast
	atMost
	atLeast
	noLimit
)

// target is one line of the report.
type target struct {
	Name     string  `json:"target"`
	Unit     string  `json:"unit"`
	Measured spread  `json:"measured"`
	Baseline spread  `json:"baseline,omitzero"`
	Ratio    spread  `json:"ratio,omitzero"`
	Limit    float64 `json:"limit,omitempty"`
	Met      bool    `json:"met"`
	Verdict  string  `json:"verdict"`

	compare comparison
}

// judge fills Met and Verdict from the median.
func (t *target) judge() {
	value := t.Measured.Median
	if t.compare == ratioAtMost || t.compare == ratioAtLeast {
		value = t.Ratio.Median
	}
	switch t.compare {
	case noLimit:
		t.Met, t.Verdict = true, "-"
		return
	case ratioAtMost, atMost:
		t.Met = value <= t.Limit
	case ratioAtLeast, atLeast:
		t.Met = value >= t.Limit
	}
	if t.Verdict = "met"; !t.Met {
		t.Verdict = fmt.Sprintf("missed by %.0f%%", 100*max(value-t.Limit, t.Limit-value)/t.Limit)
	}
}

// report is what targets prints.
type report struct {
	Machine machine  `json:"machine"`
	Targets []target `json:"targets"`
	Turns   []turns  `json:"turns"`

	closers []func() error
}

// turns are the samples of one side.
type turns struct {
	Name    string   `json:"name"`
	Samples []sample `json:"samples"`
}

func (r *report) add(t target) {
	t.judge()
	r.Targets = append(r.Targets, t)
}

func (r *report) sides(sides ...*side) {
	for _, s := range sides {
		r.Turns = append(r.Turns, turns{s.name, s.samples})
	}
}

// onClose has f called at the end of the group.
func (r *report) onClose(f func() error) { r.closers = append(r.closers, f) }

func (r *report) close() error {
	var errs []error
	for _, f := range r.closers {
		errs = append(errs, f())
	}
	r.closers = nil
	return errors.Join(errs...)
}

func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	fmt.Fprintln(w, r.Machine)
	fmt.Fprintln(w)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "measured (low..high)\tbaseline\tratio (low..high)\tverdict\ttarget")
	for _, t := range r.Targets {
		baseline, ratio := "-", "-"
		if t.Baseline != (spread{}) {
			baseline = number(t.Baseline.Median) + " " + t.Unit
			ratio = fmt.Sprintf("%.2f (%.2f..%.2f)", t.Ratio.Median, t.Ratio.Low, t.Ratio.High)
		}
		fmt.Fprintf(tab, "%s %s (%s..%s)\t%s\t%s\t%s\t%s\n", number(t.Measured.Median), t.Unit,
			number(t.Measured.Low), number(t.Measured.High), baseline, ratio, t.Verdict, t.Name)
	}
	fmt.Fprintln(tab)
	fmt.Fprintln(tab, "medians\tops/s\tp50 µs\tp99 µs\tscripts/batch\tprocessor µs/op")
	for _, t := range r.Turns {
		s := side{samples: t.Samples}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, number(newSpread(s.values(sample.perSecond)).Median),
			number(newSpread(s.values(func(s sample) float64 { return s.P50 })).Median),
			number(newSpread(s.values(func(s sample) float64 { return s.P99 })).Median),
			number(newSpread(s.values(func(s sample) float64 { return s.Batch })).Median),
			number(newSpread(s.values(sample.processor)).Median))
	}
	return tab.Flush()
}

// number renders v with three or more digits that count.
func number(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// machine says what was measured on.
type machine struct {
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	Processor  string `json:"processor,omitempty"`
	FileSystem string `json:"fileSystem"`
	Load       string `json:"load,omitempty"`
	Revision   string `json:"revision,omitempty"`
}

func machineFacts(dir string) machine {
	m := machine{Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, FileSystem: fileSystem(dir)}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(data))[:3], " ")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.modified" && s.Value == "true" {
				m.Revision = strings.TrimSpace(m.Revision + " " + s.Value)
			}
		}
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores (%s), GOMAXPROCS %d, %s %s, %s; load at the start %s", m.Cores, m.Processor,
		m.GOMAXPROCS, m.Go, m.Platform, m.FileSystem, m.Load)
}

// fileSystem names the type of the file system of dir, by its mount when that
// can be found, and else by its number.
func fileSystem(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "unknown file system"
	}
	best, name := -1, ""
	if data, err := os.ReadFile("/proc/self/mounts"); err == nil {
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 3 || len(f[1]) < best {
				continue
			}
			if rel, err := filepath.Rel(f[1], abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				best, name = len(f[1]), f[2]+" on "+f[0]
			}
		}
	}
	if name != "" {
		return name
	}
	var st unix.Statfs_t
	if err := unix.Statfs(abs, &st); err != nil {
		return "unknown file system"
	}
	return fmt.Sprintf("file system type %#x", st.Type)
}
