package kahuna

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kahuna/internal/history"
	"kahuna/internal/listappend"
	"kahuna/internal/partition"
	"kahuna/internal/register"
)

// The tests here are the proof that a store is strictly serializable: many
// clients run random scripts, transactions and calls over few keys, through
// restarts and crashes, and what they were answered is judged as a whole. See
// docs/testing.md.

var (
	flagHistoryTime = flag.Duration("histories.duration", 0,
		"TestHistories goes on with further seeds until this time is over")
	flagHistoryRounds = flag.Int("histories.rounds", 80, "operations of each client, in each life of the store")
	flagHistoryKeep   = flag.String("histories.keep", "", "a directory for the histories of runs that are not valid")
)

// judgement is what the checkers say of one run.
type judgement struct {
	run       *historyRun
	lists     *listappend.Report
	registers *register.Report
}

// judge checks what a run has recorded.
func judge(r *historyRun) (*judgement, error) {
	n := r.plan.rounds * r.plan.clients * r.plan.lives
	lists := listappend.Needs{
		Applied: n / 5, MultiKey: n / 10, Reads: n / 5, Scans: n / 20, Overlapping: n / 10,
		WW: 20, WR: 20, RW: 20, LeasesLive: 3, LeasesGone: 3,
		Tags: map[string]int{"sleeps": 3, "long": 2, "computed": 5, "bucket": 5, "both spaces": 5, "idempotent": 2,
			"locks": 2, "optimistic": 1, "update": 1, "view": 1, "point": 3},
	}
	registers := register.Needs{
		Applied: n / 6, Found: n / 40, Refused: n / 40, Overlapping: n / 50, Expired: 1,
		Tags: map[string]int{"sleeps": 2, "computed": 2, "locks": 1, "optimistic": 1, "point": 5, "persistent": 10, "ephemeral": 10},
	}
	if !r.plan.forceSlow {
		lists.Tags["fast"], registers.Tags["fast"] = 10, 5
	}
	j := &judgement{run: r}
	var err error
	if j.lists, err = listappend.Check(r.txns, lists); err != nil {
		return nil, err
	}
	j.registers = register.Check(r.ops, registers, 20*time.Second)
	return j, nil
}

func (j *judgement) verdict() history.Verdict {
	switch {
	case len(j.run.problems) > 0 || j.lists.Verdict == history.Invalid || j.registers.Verdict == history.Invalid:
		return history.Invalid
	case j.lists.Verdict == history.Inconclusive || j.registers.Verdict == history.Inconclusive:
		return history.Inconclusive
	}
	return history.Valid
}

func (j *judgement) String() string {
	s := fmt.Sprintf("%v (%v)\n", j.verdict(), &j.run.plan)
	for _, p := range j.run.problems {
		s += p + "\n"
	}
	return s + fmt.Sprintf("%d transactions over lists: %v%d operations on registers: %v", len(j.run.txns), j.lists, len(j.run.ops), j.registers)
}

// keep writes the run's histories where the flag says.
func (j *judgement) keep(t *testing.T) {
	if *flagHistoryKeep == "" {
		return
	}
	for name, text := range map[string]string{"lists": listappend.Format(j.run.txns), "registers": register.Format(j.run.ops)} {
		path := filepath.Join(*flagHistoryKeep, fmt.Sprintf("seed-%d-%s", j.run.plan.seed, name))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestHistories runs a store under each seed and judges its history.
func TestHistories(t *testing.T) {
	began := time.Now()
	seeds := crashSeeds(t, 6)
	counts := map[history.Verdict]int{}
	operations := 0
	for i := 0; i < len(seeds); i++ {
		seed := seeds[i]
		j := runHistory(t, planFor(seed))
		v := j.verdict()
		counts[v]++
		operations += len(j.run.txns) + len(j.run.ops)
		switch v {
		case history.Invalid:
			t.Errorf("seed %d: %v\nreplay: go test -run 'TestHistories$' -seed %d -histories.rounds %d .", seed, j, seed, *flagHistoryRounds)
			j.keep(t)
		case history.Inconclusive:
			t.Logf("seed %d: %v", seed, j)
			j.keep(t)
		}
		if i == len(seeds)-1 && *flagSeed == 0 && time.Since(began) < *flagHistoryTime {
			seeds = append(seeds, seed+1)
		}
	}
	t.Logf("%d histories, %d operations: %d valid, %d invalid, %d unknown", len(seeds), operations,
		counts[history.Valid], counts[history.Invalid], counts[history.Inconclusive])
	if 2*counts[history.Valid] < len(seeds) && counts[history.Invalid] == 0 {
		t.Error("most runs have shown too little: the verdict is unknown")
	}
}

// TestHistoriesCatch breaks the store on purpose, in one way at a time: within
// a bounded number of seeds a history must be invalid.
func TestHistoriesCatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults partition.Faults
		change func(p *plan)
		itself bool // what the store notices of itself counts, too
	}{
		{"reads without a lock are not validated", partition.FaultNoValidation, nil, false},
		{"transactions take no locks", partition.FaultNoLocks, nil, false},
		{"answers before they are durable", partition.FaultEarlyAnswer, crashes, false},
		{"written keys are not validated", partition.FaultLostUpdate, nil, false},
		{"time overtakes", partition.FaultTime, nil, false},
		{"two clocks", partition.FaultTwoClocks, nil, false},
		{"reads of what was", partition.FaultStaleRead, nil, false},
		{"buckets are not locked", partition.FaultPhantoms, nil, false},
		{"failed scripts leave writes", partition.FaultFailedWrites, nil, false},
		{"idempotency keys are forgotten", partition.FaultForgetful, nil, false},
		{"nothing is synced", 0, func(p *plan) { crashes(p); p.noSync = true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			const seedsMax = 40
			for seed := uint64(1); seed <= seedsMax; seed++ {
				p := planFor(seed)
				p.faults = c.faults
				if c.change != nil {
					c.change(&p)
				}
				j := runHistory(t, p)
				if j.lists.Verdict == history.Invalid || j.registers.Verdict == history.Invalid || c.itself && j.verdict() == history.Invalid {
					t.Logf("seed %d: %.1500v", seed, j)
					return
				}
			}
			t.Errorf("not noticed in %d histories", seedsMax)
		})
	}
}

// TestHistoryTooShort: a run that did nothing wrong and next to nothing at all
// is not called valid.
func TestHistoryTooShort(t *testing.T) {
	p := planFor(3)
	p.clients, p.rounds = 1, 3
	if j := runHistory(t, p); j.verdict() != history.Inconclusive {
		t.Error(j)
	}
}

// crashes makes a plan one of crashes only.
func crashes(p *plan) { p.medium, p.lives = crashing, 3 }

// runHistory runs a plan and judges what came of it.
func runHistory(t *testing.T, p plan) *judgement {
	t.Helper()
	r, err := p.run(t.TempDir())
	if err != nil {
		t.Fatalf("seed %d: %v", p.seed, err)
	}
	j, err := judge(r)
	if err != nil {
		t.Fatalf("seed %d: %v", p.seed, err)
	}
	return j
}
