package replica

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"kahuna/internal/seed"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run the simulation under this seed only")
	simSteps = flag.Int("sim.steps", 15000, "length of a simulation")
	simSeeds = flag.Int("sim.seeds", 30, "number of simulations of each kind")
)

// simulate runs one simulation and returns what it saw and what was wrong.
func simulate(seed uint64, size, voters, steps int, f fault) (st stats, trace []string, err error) {
	s := newSim(seed, size, voters, f)
	defer func() { // a replica in an impossible state may panic in the host
		if p := recover(); p != nil {
			st, trace, err = s.stats, s.trace, fmt.Errorf("panic: %v", p)
		}
	}()
	err = s.run(steps)
	return s.stats, s.trace, err
}

// TestSimulation: replicas agree whatever happens to messages, disks and
// processes. Invariants REP-1 to REP-6.
func TestSimulation(t *testing.T) {
	for _, c := range []struct{ size, voters int }{{3, 3}, {5, 5}, {5, 3}, {4, 1}} {
		name := fmt.Sprintf("%dof%d", c.voters, c.size)
		t.Run(name, func(t *testing.T) {
			var sum stats
			first := seed.First()
			last := first + uint64(*simSeeds) - 1
			if *simSeed != 0 {
				first, last = *simSeed, *simSeed
			}
			for n := first; n <= last; n++ {
				st, trace, err := simulate(n, c.size, c.voters, *simSteps, honest)
				if err != nil {
					t.Fatalf("%v\nlast of the trace:\n%s\nreplay: go test ./internal/replica -run 'TestSimulation/%s' -sim.seed=%d -sim.steps=%d",
						err, strings.Join(trace, "\n"), name, n, *simSteps)
				}
				sum = sum.add(st)
			}
			t.Logf("%+v", sum)
			if err := sum.vacuous(); err != nil && *simSeed == 0 {
				t.Error(err)
			}
		})
	}
}

// vacuous reports a run that saw too little to say anything.
func (s stats) vacuous() error {
	for _, c := range []struct {
		what      string
		seen, min int
	}{
		{"elections", s.elections, 20}, {"applied entries", s.applied, 500}, {"crashes", s.crashes, 20},
		{"refused proposals", s.refused, 20}, {"snapshots", s.snapshots, 5}, {"reads", s.reads, 20},
		{"membership changes", s.confs, 5}, {"leader transfers", s.transfers, 5},
	} {
		if c.seen < c.min {
			return fmt.Errorf("vacuous: %d %s, less than %d", c.seen, c.what, c.min)
		}
	}
	return nil
}

// TestSimulationCatches: the checker is not blind. Each kind of broken host is
// caught under some seed.
func TestSimulationCatches(t *testing.T) {
	for name, f := range map[string]fault{
		"LosesSynced": losesSynced, "ForgetsVotes": forgetsVotes, "AcksBeforeSync": acksBeforeSync, "AppliesTooEarly": appliesTooEarly,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				_, _, err := simulate(seed+1, 3, 3, *simSteps, f)
				if v := violation(""); errors.As(err, &v) {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			t.Fatal("not caught under any seed")
		})
	}
}

// TestSimulationVacuous: a run in which nothing happens does not pass.
func TestSimulationVacuous(t *testing.T) {
	st, _, err := simulate(1, 3, 3, 0, honest)
	if err == nil {
		err = st.vacuous()
	}
	if err == nil {
		t.Fatal("a run without steps counts")
	}
}

// TestSimulationRepeats: a seed stands for one run.
func TestSimulationRepeats(t *testing.T) {
	a, ta, erra := simulate(7, 5, 3, 3000, honest)
	b, tb, errb := simulate(7, 5, 3, 3000, honest)
	if a != b || strings.Join(ta, "\n") != strings.Join(tb, "\n") || fmt.Sprint(erra) != fmt.Sprint(errb) {
		t.Fatalf("two runs under one seed differ:\n%+v %v\n%+v %v", a, erra, b, errb)
	}
}
