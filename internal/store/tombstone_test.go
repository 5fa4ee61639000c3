package store_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// TestNoTombstonesWithoutHistory: a version that no history was kept of leaves
// nothing to delete, neither when the next ones push it out of the kept number
// nor when its key is purged.
func TestNoTombstonesWithoutHistory(t *testing.T) {
	const writes = 400
	norev := func(i int64) bool { return true }
	for _, test := range []struct {
		name  string
		keep  int64
		value string
		norev func(revision int64) bool
		jump  int64 // revisions from one write to the next
		purge bool
		most  uint64
	}{
		{name: "norev", keep: 32, norev: norev},
		{name: "norev, no history", keep: 1, norev: norev},
		{name: "norev, several writes at once", keep: 32, norev: norev, jump: 5},
		{name: "norev, values in rows of their own", keep: 32, value: strings.Repeat("x", 500), norev: norev},
		// Its row and what kept its rows together: the L row alone.
		{name: "norev, purged", keep: 32, norev: norev, purge: true, most: 1},
		// 64 versions are kept at first: 8 blocks to delete.
		{name: "norev after a history", keep: 32, norev: func(i int64) bool { return i >= 64 }, most: 8},
		{name: "norev after a history that ends within a block", keep: 32, norev: func(i int64) bool { return i >= 61 }, most: 8},
		{name: "a history", keep: 32, norev: func(i int64) bool { return false }, most: writes / 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, hints := range []bool{true, false} {
				s := openMem(t, vfs.NewMem(), test.keep)
				old, tail := kv.Row{Revision: -1, Prev: -1}, kv.Tail{}
				revision := int64(0)
				apply := func(index int, op kv.Op) {
					if hints {
						was := old
						op.Old, op.Tail = &was, &tail
					}
					if err := s.Apply(1, uint64(index), &kv.Batch{Time: hlc.Timestamp(index), Ops: []kv.Op{op}}); err != nil {
						t.Fatal(err)
					}
				}
				for i := range writes {
					row := kv.Row{Value: test.value + "v", Revision: revision, Prev: old.Revision, Modified: hlc.Timestamp(i + 1), NoRev: test.norev(revision)}
					row.Supersede(&old)
					apply(i+1, kv.Op{Kind: kv.Put, Key: "k", Row: row})
					old = row
					revision += max(test.jump, 1)
				}
				if test.purge {
					apply(writes+1, kv.Op{Kind: kv.Purge, Key: "k"})
				}
				if n, err := s.Tombstones(); err != nil || n > test.most {
					t.Errorf("hints %v: %d tombstones (%v), want %d at most", hints, n, err, test.most)
				}
				// Nor does anything stay that is out of the kept number.
				contents, err := s.Export(func(_, _ []byte) error { return nil })
				want := test.keep + 8
				if test.norev(revision) {
					want = 1
				}
				if err != nil || contents.Versions > want {
					t.Errorf("hints %v: %+v, %v", hints, contents, err)
				}
				s.Close()
			}
		})
	}
}
