package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// Results counts what is there, whatever was overwritten and dropped, in one
// batch or several, and remembers it across a restart.
func TestResultsAreCounted(t *testing.T) {
	mem := vfs.NewMem()
	s := openMem(t, mem, -1)
	rng := rand.New(rand.NewPCG(1, 1))
	there := map[string]int{}
	check := func() {
		t.Helper()
		count, bytes := s.Results()
		least := 0
		for key, size := range there {
			least += 2*len(key) + size
		}
		if count != int64(len(there)) || bytes < int64(least) || bytes > int64(least+200*len(there)) {
			t.Fatalf("%d results of %d bytes; there are %d with %d bytes and some overhead", count, bytes, len(there), least)
		}
	}
	for index := uint64(1); index < 300; index++ {
		var b kv.Batch
		for range rng.IntN(4) {
			key := fmt.Sprint("k", rng.IntN(20))
			b.DropResults = append(b.DropResults, key)
			delete(there, key)
		}
		for range rng.IntN(4) {
			key, size := fmt.Sprint("k", rng.IntN(20)), rng.IntN(5000)
			b.Results = append(b.Results, kv.StoredResult{Key: key, Time: hlc.Timestamp(index << 20), Result: make([]byte, size)})
			there[key] = size
		}
		if err := s.Apply(1, index, &b); err != nil {
			t.Fatal(err)
		}
		check()
		if rng.IntN(50) == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openMem(t, mem, -1)
			check()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
