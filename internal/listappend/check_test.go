package listappend

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"kahuna/internal/history"
)

// TestCheck judges the histories of testdata. A check may name needs:
//
//	check reads=1 tag=fast
func TestCheck(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			txns, err := Parse(d.Input)
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			again, err := Parse(Format(txns))
			if err != nil || Format(again) != Format(txns) {
				t.Errorf("%s: the text form does not read back: %v\n%s", d.Pos, err, Format(txns))
			}
			var needs Needs
			for _, arg := range d.CmdArgs {
				var n int
				if arg.Key != "tag" {
					arg.Scan(t, 0, &n)
				}
				switch arg.Key {
				case "applied":
					needs.Applied = n
				case "multi":
					needs.MultiKey = n
				case "reads":
					needs.Reads = n
				case "scans":
					needs.Scans = n
				case "overlapping":
					needs.Overlapping = n
				case "rw":
					needs.RW = n
				case "live":
					needs.LeasesLive = n
				case "gone":
					needs.LeasesGone = n
				case "tag":
					needs.Tags = map[string]int{arg.Vals[0]: 1}
				default:
					t.Fatalf("%s: no such need: %s", d.Pos, arg.Key)
				}
			}
			r, err := Check(txns, needs)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return r.String()
		})
	})
}

// serial makes a history of n transactions that really ran one after another
// in the middle of their spans, several under way at once.
func serial(rng *rand.Rand, n int) []Txn {
	keys := []string{"a", "b", "c"}
	state := map[string][]int{}
	var txns []Txn
	elem := 0
	for i := range n {
		at := int64(10 * (i + 1))
		t := Txn{ID: fmt.Sprint("T", i), Span: history.Span{Call: at - rng.Int64N(40), Return: at + 1 + rng.Int64N(40)}}
		for range 1 + rng.IntN(4) {
			key := keys[rng.IntN(len(keys))]
			if rng.IntN(2) == 0 {
				t.Ops = append(t.Ops, Op{Kind: Read, Key: key, List: slices.Clone(state[key])})
				continue
			}
			elem++
			t.Ops = append(t.Ops, Op{Kind: Append, Key: key, Elem: elem})
			state[key] = append(state[key], elem)
		}
		txns = append(txns, t)
	}
	return txns
}

// TestSerialHistoriesAreValid: what ran one at a time has no anomaly, however
// the spans overlap.
func TestSerialHistoriesAreValid(t *testing.T) {
	for seed := range uint64(200) {
		txns := serial(rand.New(rand.NewPCG(seed, 1)), 80)
		r, err := Check(txns, Needs{Applied: 80, Overlapping: 20, WW: 1, WR: 1, RW: 1})
		if err != nil || r.Verdict != history.Valid {
			t.Fatalf("seed %d: %v %v\n%s", seed, err, r, Format(txns))
		}
	}
}

// TestDamagedHistoriesAreInvalid damages histories that were valid, in ways
// that no order can explain.
func TestDamagedHistoriesAreInvalid(t *testing.T) {
	damages := map[string]func(rng *rand.Rand, txns []Txn) bool{
		// A read loses its last element although its writer had returned.
		"stale read": func(rng *rand.Rand, txns []Txn) bool {
			return eachRead(rng, txns, func(t *Txn, op *Op) bool {
				w := writerOf(txns, op)
				if w == nil || w == t || !w.Before(t.Span) || len(t.Ops) > 1 {
					return false
				}
				op.List = op.List[:len(op.List)-1]
				return true
			})
		},
		// An element is lost from all reads.
		"lost append": func(rng *rand.Rand, txns []Txn) bool {
			return eachRead(rng, txns, func(t *Txn, op *Op) bool {
				if len(op.List) < 3 || len(op.List) > 8 {
					return false
				}
				elem := op.List[1]
				for i := range txns {
					for j := range txns[i].Ops {
						o := &txns[i].Ops[j]
						o.List = slices.DeleteFunc(o.List, func(e int) bool { return e == elem })
					}
				}
				return true
			})
		},
		// A transaction that was read is said to have failed.
		"aborted read": func(rng *rand.Rand, txns []Txn) bool {
			return eachRead(rng, txns, func(t *Txn, op *Op) bool {
				w := writerOf(txns, op)
				if w == nil || w == t {
					return false
				}
				w.Outcome = history.NotApplied
				return true
			})
		},
		// Two elements change places.
		"other order": func(rng *rand.Rand, txns []Txn) bool {
			return eachRead(rng, txns, func(_ *Txn, op *Op) bool {
				if len(op.List) < 2 {
					return false
				}
				op.List[0], op.List[1] = op.List[1], op.List[0]
				return true
			})
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			damaged := 0
			for seed := range uint64(100) {
				rng := rand.New(rand.NewPCG(seed, 2))
				txns := serial(rng, 60)
				if !damage(rng, txns) {
					continue
				}
				damaged++
				if r, err := Check(txns, Needs{}); err != nil || r.Verdict != history.Invalid {
					t.Fatalf("seed %d: %v %v\n%s", seed, err, r, Format(txns))
				}
			}
			if damaged < 50 {
				t.Errorf("only %d histories could be damaged", damaged)
			}
		})
	}
}

// eachRead tries reads in a random order until change takes one.
func eachRead(rng *rand.Rand, txns []Txn, change func(t *Txn, op *Op) bool) bool {
	for _, i := range rng.Perm(len(txns)) {
		for j := range txns[i].Ops {
			if op := &txns[i].Ops[j]; op.Kind == Read && len(op.List) > 0 && change(&txns[i], op) {
				return true
			}
		}
	}
	return false
}

// writerOf returns who wrote the last element of a read.
func writerOf(txns []Txn, read *Op) *Txn {
	for i := range txns {
		for _, op := range txns[i].Ops {
			if op.Kind == Append && op.Key == read.Key && op.Elem == read.List[len(read.List)-1] {
				return &txns[i]
			}
		}
	}
	return nil
}

// BenchmarkCheck shows that the time grows with the length of the history.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			txns := serial(rand.New(rand.NewPCG(1, 1)), n)
			for b.Loop() {
				if _, err := Check(txns, Needs{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
