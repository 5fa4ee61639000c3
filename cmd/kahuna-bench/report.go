package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// comparison says what of a target is held against its limit.
type comparison int

const (
	noLimit comparison = iota
	ratioAtMost
	ratioAtLeast
	atMost
	atLeast
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
	fmt.Fprintln(tab, "medians\tops/s\tp50 µs\tp99 µs\tscripts/batch\tallocs/op\tprocessor µs/op")
	for _, t := range r.Turns {
		c := contender{samples: t.Samples}
		fmt.Fprint(tab, t.Name)
		for _, column := range []func(sample) float64{sample.perSecond, p50, p99, batch, allocs, sample.processor} {
			fmt.Fprint(tab, "\t", number(c.spread(column).Median))
		}
		fmt.Fprintln(tab)
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
