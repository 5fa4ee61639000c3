package register

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"kahuna/internal/history"
)

// Needs say how much a history must show before it can be called valid.
type Needs struct {
	Applied     int // operations
	Found       int // reads of a live key
	Refused     int // writes whose condition did not hold
	Overlapping int // operations called while another one of the key was under way
	Expired     int // reads that found nothing because the row had ended
	Tags        map[string]int
}

// Report is what Check found.
type Report struct {
	Verdict history.Verdict
	// Why shows, for every key that is not linearizable, what could not be
	// explained; or says that the check took too long.
	Why   []string
	Unmet []history.Need
}

// String returns the verdict with its reasons.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Verdict.String())
	if len(r.Unmet) > 0 {
		b.WriteString(": too little was observed: " + history.Shortfall(r.Unmet))
	}
	b.WriteByte('\n')
	for _, why := range r.Why {
		b.WriteString(why)
	}
	return b.String()
}

// Check decides whether every key of a history is linearizable. It takes at
// most about timeout for each key; 0 is no bound.
func Check(ops []Op, needs Needs, timeout time.Duration) *Report {
	byKey := map[string][]*Op{}
	for i := range ops {
		if ops[i].Outcome != history.NotApplied {
			byKey[ops[i].Key] = append(byKey[ops[i].Key], &ops[i])
		}
	}
	r := &Report{Unmet: history.Unmet(observed(byKey, &needs))}
	slow := false
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		var list []porcupine.Operation
		for _, op := range byKey[key] {
			list = append(list, porcupine.Operation{ClientId: op.Process, Input: op, Call: op.Call, Return: op.Return})
		}
		result, info := porcupine.CheckOperationsVerbose(model(), list, timeout)
		switch result {
		case porcupine.Illegal:
			r.Verdict = history.Invalid
			r.Why = append(r.Why, explain(key, byKey[key], info))
		case porcupine.Unknown:
			slow = true
			r.Why = append(r.Why, fmt.Sprintf("%s: no answer after %v\n", key, timeout))
		}
	}
	switch {
	case r.Verdict == history.Invalid:
		r.Unmet = nil
	case slow || len(r.Unmet) > 0:
		r.Verdict = history.Inconclusive
	}
	return r
}

// explain shows how far the longest explanation of a key goes, and what can not
// come after it.
func explain(key string, ops []*Op, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, p := range partition {
			if len(p) > len(longest) || len(p) == len(longest) && text(p) < text(longest) {
				longest = p
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not linearizable: of %d operations at most %d fit\n", key, len(ops), len(longest))
	placed := map[*Op]bool{}
	const shown = 12
	for i, p := range longest {
		op := p.Input.(*Op)
		placed[op] = true
		if i >= len(longest)-shown {
			fmt.Fprintf(&b, "  %v\n", op)
		}
	}
	b.WriteString("none of these can come next:\n")
	rest := slices.DeleteFunc(slices.Clone(ops), func(o *Op) bool { return placed[o] })
	slices.SortFunc(rest, func(a, b *Op) int { return int(a.Call - b.Call) })
	for i, op := range rest {
		first := !slices.ContainsFunc(rest, func(o *Op) bool { return o.Before(op.Span) })
		if first && i < shown {
			fmt.Fprintf(&b, "  %v\n", op)
		}
	}
	return b.String()
}

func text(ops []porcupine.Operation) string {
	var b strings.Builder
	for _, p := range ops {
		b.WriteString(p.Input.(*Op).String())
	}
	return b.String()
}

// observed counts what needs ask for.
func observed(byKey map[string][]*Op, n *Needs) []history.Need {
	got := Needs{Tags: map[string]int{}}
	for _, ops := range byKey {
		slices.SortFunc(ops, func(a, b *Op) int { return int(a.Call - b.Call) })
		latest := int64(0)
		for _, op := range ops {
			if op.Call <= latest {
				got.Overlapping++
			}
			if op.Return != history.Never {
				latest = max(latest, op.Return)
			}
			if op.Outcome != history.Applied {
				continue
			}
			got.Applied++
			for _, tag := range op.Tags {
				got.Tags[tag]++
			}
			for i := range op.Steps {
				switch s := &op.Steps[i]; {
				case !s.Verb.writes() && s.Done:
					got.Found++
				case !s.Verb.writes() && expired(ops, op, s):
					got.Expired++
				case s.Verb.writes() && !s.Done:
					got.Refused++
				}
			}
		}
	}
	needs := []history.Need{
		{What: "operations", Got: got.Applied, Want: n.Applied},
		{What: "reads that found a row", Got: got.Found, Want: n.Found},
		{What: "refused writes", Got: got.Refused, Want: n.Refused},
		{What: "overlapping operations", Got: got.Overlapping, Want: n.Overlapping},
		{What: "reads of ended rows", Got: got.Expired, Want: n.Expired},
	}
	for _, tag := range slices.Sorted(maps.Keys(n.Tags)) {
		needs = append(needs, history.Need{What: tag, Got: got.Tags[tag], Want: n.Tags[tag]})
	}
	return needs
}

// expired reports whether s found nothing because the row had ended: the last
// write that had returned before was one whose row ends.
func expired(ops []*Op, op *Op, s *Step) bool {
	var last *Op
	for _, o := range ops {
		if o.Call >= op.Call {
			break
		}
		writes := slices.ContainsFunc(o.Steps, func(s Step) bool { return s.Verb.writes() && s.Done })
		if writes && o.Before(op.Span) && (last == nil || o.Return > last.Return) {
			last = o
		}
	}
	if last == nil || s.Now == 0 {
		return false
	}
	w := last.Steps[len(last.Steps)-1]
	if w.Expires < 0 { // not known then: perhaps a read shows it
		for _, o := range ops {
			for _, s := range o.Steps {
				if s.Done && s.Rev == w.Rev && s.Expires > 0 {
					w.Expires = max(w.Expires, s.Expires)
				}
			}
		}
	}
	return w.Expires > 0 && w.Expires <= s.Now
}
