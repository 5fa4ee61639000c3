package store

import (
	"bytes"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// orderFrom is from how many operations on a batch is worth ordering.
const orderFrom = 16

// ordering puts the operations of a Pebble batch in the order of their keys,
// and keeps of each key only the last one. Neighbours then go into the
// memtable one after the other, which is several times cheaper than in any
// other order, and what a batch both wrote and superseded never gets there.
//
// It is scratch memory of the one writer.
type ordering struct {
	ops []orderedOp
}

type orderedOp struct {
	key, value []byte // of the batch
	delete     bool
	no         int32 // place in the batch
}

// sort fills sorted with the operations of w in order. It reports false, and
// leaves sorted as it is, when w is small or has operations on more than one
// key at a time.
func (o *ordering) sort(w, sorted *pebble.Batch) bool {
	if w.Count() < orderFrom {
		return false
	}
	defer o.forget()
	reader := w.Reader()
	for {
		kind, key, value, ok, err := reader.Next()
		if err != nil {
			return false
		}
		if !ok {
			break
		}
		switch kind {
		case pebble.InternalKeyKindSet, pebble.InternalKeyKindDelete:
			o.ops = append(o.ops, orderedOp{key, value, kind == pebble.InternalKeyKindDelete, int32(len(o.ops))})
		default:
			return false
		}
	}
	slices.SortFunc(o.ops, func(a, b orderedOp) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return int(a.no - b.no)
	})
	for i := 0; i < len(o.ops); {
		first := i
		for i++; i < len(o.ops) && bytes.Equal(o.ops[i].key, o.ops[first].key); i++ {
		}
		last := &o.ops[i-1]
		switch {
		case !last.delete:
			_ = sorted.Set(last.key, last.value, nil) // never fails
		case first < i-1 && !o.ops[first].delete && last.key[0] == prefixHistory:
			// What the batch itself added to the history: there is nothing
			// below to hide, or it would have been deleted first.
		default:
			_ = sorted.Delete(last.key, nil)
		}
	}
	return true
}

func (o *ordering) forget() {
	clear(o.ops)
	o.ops = o.ops[:0]
	if cap(o.ops) > overlayMax {
		o.ops = nil
	}
}
