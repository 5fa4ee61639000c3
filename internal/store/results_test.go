package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// Results counts what is there, whatever was overwritten and forgotten, in one
// batch or several, and remembers it across a restart.
func TestResultsAreCounted(t *testing.T) {
	mem := vfs.NewMem()
	s := openMem(t, mem, -1)
	rng := rand.New(rand.NewPCG(1, 1))
	there := map[string]kv.StoredResult{}
	check := func() {
		t.Helper()
		count, bytes := s.Results()
		least := 0
		for key, r := range there {
			least += 2*len(key) + len(r.Result)
		}
		if count != int64(len(there)) || bytes < int64(least) || bytes > int64(least+200*len(there)) {
			t.Fatalf("%d results of %d bytes; there are %d with %d bytes and some overhead", count, bytes, len(there), least)
		}
	}
	for index := uint64(1); index < 300; index++ {
		var b kv.Batch
		if rng.IntN(4) == 0 {
			b.Forget.From = hlc.Timestamp(rng.Uint64N(index) << 20)
			b.Forget.To = b.Forget.From + hlc.Timestamp(rng.IntN(8)<<20)
			maps.DeleteFunc(there, func(_ string, r kv.StoredResult) bool { return b.Forget.Has(r.Time) })
		}
		for range rng.IntN(4) {
			r := kv.StoredResult{Key: fmt.Sprint("k", rng.IntN(20)), Time: hlc.Timestamp(index << 20), Result: make([]byte, rng.IntN(5000))}
			b.Results = append(b.Results, r)
			there[r.Key] = r
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
