package kahuna

import (
	"flag"
	"testing"

	"kahuna/internal/seed"
)

var (
	flagSeed  = flag.Uint64("seed", 0, "run seeded tests with this seed only")
	flagSeeds = flag.Int("seeds", 0, "how many seeds seeded tests run (0: a few)")
)

// crashSeeds returns the seeds a test runs: those asked for, or a few from
// seed.First on.
func crashSeeds(t *testing.T, few int) []uint64 {
	t.Helper()
	if *flagSeed != 0 {
		return []uint64{*flagSeed}
	}
	n := few
	if *flagSeeds > 0 {
		n = *flagSeeds
	}
	seeds := make([]uint64, n)
	first := seed.First()
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}
