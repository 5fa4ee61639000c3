package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// dump is everything on Pebble.
func dump(t *testing.T, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	it, err := s.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		fmt.Fprintf(&b, "%q %q\n", it.Key(), it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Stores that apply the same log have the same bytes, whether the batches carry
// hints or were decoded, were applied one by one or several in one step, and
// whenever each of them flushes.
func TestInvariantPART5Bytes(t *testing.T) {
	for _, revisions := range []int64{-1, 1, 4, 8, 9, 20} {
		testBytes(t, revisions)
	}
}

func testBytes(t *testing.T, revisions int64) {
	open := func() *Store {
		s, err := Open(Options{FS: vfs.NewMem(), Dir: "db", HistoryRevisions: revisions, MemTableBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hinted, decoded, merged := open(), open(), open()
	defer hinted.Close()
	defer decoded.Close()
	defer merged.Close()
	tails := map[string]*kv.Tail{}
	together := &kv.Batch{}
	state := map[string]*kv.Row{}
	rng := uint32(1)
	random := func(n int) int {
		rng = rng*1664525 + 1013904223
		return int(rng>>8) % n
	}
	const last = 800
	for index := uint64(1); index <= last; index++ {
		b := &kv.Batch{Time: hlc.At(int64(index))}
		for range random(6) {
			key := fmt.Sprintf("bucket%d/%d", random(3), random(4))
			old := state[key]
			if old == nil {
				old = &kv.Row{Revision: -1}
			}
			if tails[key] == nil {
				tails[key] = &kv.Tail{}
			}
			op := kv.Op{Kind: kv.Put, Key: key, Old: old, Tail: tails[key]}
			switch choice := random(20); {
			case choice == 0 && old.Revision >= 0:
				op.Kind = kv.Purge
				delete(state, key)
			case choice < 4 && old.Revision >= 0:
				op.Kind, op.Row.Expires = kv.Touch, int64(index)+9
				if !old.Deleted {
					row := *old
					row.Expires = op.Row.Expires
					state[key] = &row
				}
			case choice == 4:
				op.Kind, op.Row.Revision, op.Tail = kv.Prune, old.Revision-int64(random(12)), nil
				delete(tails, key)
			default:
				op.Row = kv.Row{Revision: old.Revision + 1 + int64(random(2)), NoRev: random(4) == 0, Modified: b.Time}
				op.Row.Supersede(old)
				if choice == 5 {
					op.Row.Deleted = true
				} else {
					op.Row.Value = strings.Repeat("v", random(2)*random(100))
					// Large ones come late: the first half runs with hints in
					// use, the second with the store's distrust of them.
					if index > 400 && random(4) == 0 {
						op.Row.Value = strings.Repeat("v", 2000)
					}
				}
				row := op.Row
				state[key] = &row
			}
			b.Ops = append(b.Ops, op)
		}
		if random(5) == 0 {
			b.Results = append(b.Results, kv.StoredResult{Key: fmt.Sprint(random(9)), Time: b.Time})
		}
		if err := hinted.Apply(1, index, b); err != nil {
			t.Fatal(err)
		}
		again, err := kv.Decode(b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if err := decoded.Apply(1, index, again); err != nil {
			t.Fatal(err)
		}
		together.Time = max(together.Time, again.Time)
		together.Ops = append(together.Ops, again.Ops...)
		together.Results = append(together.Results, again.Results...)
		if random(3) == 0 || index == last {
			if err := merged.Apply(1, index, together); err != nil {
				t.Fatal(err)
			}
			together = &kv.Batch{}
		}
		if random(50) == 0 {
			if err := decoded.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !hinted.touchedLarge {
		t.Fatal("did too little: no large version was touched")
	}
	if a, b := dump(t, hinted), dump(t, decoded); !bytes.Equal(a, b) {
		t.Fatalf("%d revisions, with hints\n%s\ndecoded\n%s", revisions, a, b)
	}
	// The purge horizon may differ: it is as late as the latest entry of a step.
	rows := func(s *Store) string {
		lines := strings.Split(string(dump(t, s)), "\n")
		return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, `"R`) }), "\n")
	}
	if a, b := rows(hinted), rows(merged); a != b {
		t.Fatalf("%d revisions, with hints\n%s\nseveral in one step\n%s", revisions, a, b)
	}
}
