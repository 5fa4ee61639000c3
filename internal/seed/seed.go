// Package seed decides which seeds random tests take. By default they are fixed,
// so that a test run that fails, fails again. With KAHUNA_RANDOM=1 in the
// environment each run draws new ones, and prints those that fail.
//
// A test package with properties of pgregory.net/rapid imports this package, if
// only for its effect: it sets -rapid.seed to 1. The flag on the command line and
// RAPID_SEED in the environment go before; 0 stands for a new seed in both.
//
// Only tests import this package.
package seed

import (
	"flag"
	"math/rand/v2"
	"os"

	_ "pgregory.net/rapid" // registers its flags
)

func init() {
	if _, chosen := os.LookupEnv("RAPID_SEED"); chosen || random() {
		return
	}
	if err := flag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
}

// random reports whether the environment asks for new seeds.
func random() bool { return os.Getenv("KAHUNA_RANDOM") == "1" }

// First returns the first of the consecutive seeds that a test runs: 1, or a
// random one with KAHUNA_RANDOM=1.
func First() uint64 {
	if random() {
		return 1 + uint64(rand.Uint32())
	}
	return 1
}
