package partition

import "kahuna/internal/kv"

// effects is the memory for the effects of one batch. Batches come by the
// thousand in a second and are gone as soon as they are applied.
type effects struct {
	ops   []kv.Op
	olds  []kv.Row
	cells []*cell
}

const (
	spareMax = 64  // batches whose memory is kept
	spareOps = 512 // effects of the largest of them
)

// use gives b, which has no effects yet, e to keep them in.
func (b *Batch) use(e effects) { b.Ops, b.olds, b.cells = e.ops, e.olds, e.cells }

// effects takes the memory back from b, whose effects nobody needs any more.
func (b *Batch) effects() effects {
	clear(b.Ops)
	clear(b.olds)
	clear(b.cells)
	e := effects{b.Ops[:0], b.olds[:0], b.cells[:0]}
	b.use(effects{})
	return e
}
