package listappend

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kahuna/internal/history"
)

// Needs say how much a history must show before it can be called valid.
type Needs struct {
	Applied     int // transactions
	MultiKey    int // of more than one key
	Reads       int // of lists that were not empty
	Scans       int // keys read as part of a bucket or prefix
	Overlapping int // transactions called while another one was under way
	WW, WR, RW  int // orders inferred between transactions
	// LeasesLive and LeasesGone are reads of rows that end, before and after.
	LeasesLive, LeasesGone int
	Tags                   map[string]int // applied transactions with a tag
}

// Anomaly is something that no strictly serializable store can show.
type Anomaly struct {
	Name string   // see the package comment
	Txns []*Txn   // in it
	Why  []string // in words: of a cycle, why each comes before the next
}

// String returns a counterexample for a person.
func (a *Anomaly) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", a.Name)
	for _, t := range a.Txns {
		fmt.Fprintf(&b, "  %v\n", t)
	}
	for _, why := range a.Why {
		fmt.Fprintf(&b, "  - %s\n", why)
	}
	return b.String()
}

// Report is what Check found.
type Report struct {
	Verdict   history.Verdict
	Anomalies []Anomaly // of an invalid history
	Unmet     []history.Need
}

// String returns the verdict with its reasons.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Verdict.String())
	if r.Verdict == history.Inconclusive {
		b.WriteString(": too little was observed: " + history.Shortfall(r.Unmet))
	}
	b.WriteByte('\n')
	for i := range r.Anomalies {
		b.WriteString(r.Anomalies[i].String())
	}
	return b.String()
}

// Check decides whether a history is strictly serializable. An error is a
// history that breaks the rules of this package: an element that is written
// twice, a lease that is written again.
func Check(txns []Txn, needs Needs) (*Report, error) {
	in, err := infer(txns)
	if err != nil {
		return nil, err
	}
	g := newGraph(in)
	for _, component := range g.components() {
		if name, cycle := g.cycle(component); cycle != nil {
			in.anomalies = append(in.anomalies, g.anomaly(name, cycle))
		}
	}
	r := &Report{Anomalies: in.anomalies, Unmet: history.Unmet(observed(in, g, &needs))}
	switch {
	case len(r.Anomalies) > 0:
		r.Verdict, r.Unmet = history.Invalid, nil
	case len(r.Unmet) > 0:
		r.Verdict = history.Inconclusive
	}
	return r, nil
}

// observed counts what needs ask for.
func observed(in *inference, g *graph, n *Needs) []history.Need {
	got := Needs{Applied: len(in.txns), WW: g.count[ww], WR: g.count[wr], RW: g.count[rw], Tags: map[string]int{}}
	for _, t := range in.txns {
		if t.keys() > 1 {
			got.MultiKey++
		}
		for i := range t.Ops {
			op := &t.Ops[i]
			lease := in.keys[op.Key].lease != nil
			switch {
			case !t.reads(op.Kind):
			case lease && len(op.List) > 0:
				got.LeasesLive++
			case lease && in.keys[op.Key].lease.txn.Before(t.Span):
				got.LeasesGone++
			case len(op.List) > 0:
				got.Reads++
			}
			if op.Kind == Scan {
				got.Scans++
			}
		}
		for _, tag := range t.Tags {
			got.Tags[tag]++
		}
	}
	byCall := slices.Clone(in.txns)
	slices.SortFunc(byCall, func(a, b *Txn) int { return int(a.Call - b.Call) })
	latest := int64(0)
	for _, t := range byCall {
		if t.Call <= latest {
			got.Overlapping++
		}
		latest = max(latest, t.Return)
	}
	needs := []history.Need{
		{What: "transactions", Got: got.Applied, Want: n.Applied},
		{What: "transactions of several keys", Got: got.MultiKey, Want: n.MultiKey},
		{What: "reads", Got: got.Reads, Want: n.Reads},
		{What: "scans", Got: got.Scans, Want: n.Scans},
		{What: "overlapping transactions", Got: got.Overlapping, Want: n.Overlapping},
		{What: "ww orders", Got: got.WW, Want: n.WW},
		{What: "wr orders", Got: got.WR, Want: n.WR},
		{What: "rw orders", Got: got.RW, Want: n.RW},
		{What: "reads of live leases", Got: got.LeasesLive, Want: n.LeasesLive},
		{What: "reads of ended leases", Got: got.LeasesGone, Want: n.LeasesGone},
	}
	for _, tag := range slices.Sorted(maps.Keys(n.Tags)) {
		needs = append(needs, history.Need{What: tag, Got: got.Tags[tag], Want: n.Tags[tag]})
	}
	return needs
}

// anomaly puts a cycle into words.
func (g *graph) anomaly(name string, cycle []step) Anomaly {
	a := Anomaly{Name: name}
	for _, s := range cycle {
		if s.from < len(g.in.txns) {
			a.Txns = append(a.Txns, g.in.txns[s.from])
		}
		a.Why = append(a.Why, fmt.Sprintf("%s before %s (%v): %s", g.name(s.from), g.name(s.to), s.kind, g.why(s)))
	}
	return a
}

func (g *graph) name(n int) string {
	if n < len(g.in.txns) {
		return g.in.txns[n].ID
	}
	return g.ends[n-len(g.in.txns)]
}

// why says how one step of a cycle is known.
func (g *graph) why(s step) string {
	from, to := g.name(s.from), g.name(s.to)
	isEnd := max(s.from, s.to) >= len(g.in.txns)
	switch {
	case s.kind == rt && isEnd:
		return "so says the clock"
	case s.kind == rt:
		return fmt.Sprintf("%s had returned (%d) when %s was called (%d)", from, g.in.txns[s.from].Return, to, g.in.txns[s.to].Call)
	case s.kind == ww && isEnd:
		return fmt.Sprintf("%s set %s", from, s.key)
	case s.kind == rw && isEnd:
		return fmt.Sprintf("%s saw %s live", from, s.key)
	case s.kind == wr && isEnd:
		return fmt.Sprintf("%s saw %s gone", to, s.key)
	case s.kind == ww:
		return fmt.Sprintf("%s appended to %s after %s", to, s.key, from)
	case s.kind == wr:
		return fmt.Sprintf("%s read %s as %s left it", to, s.key, from)
	}
	return fmt.Sprintf("%s read %s without what %s appended to it", from, s.key, to)
}
