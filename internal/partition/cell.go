package partition

import (
	"strings"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// A cell is the executor's view of one key: its newest version, committed or
// only ordered, and the older versions that the store can not show (yet).
//
// What a read needs stands first: among a million cells each line of the
// processor's cache that it touches is a miss.
type cell struct {
	row kv.Row
	// seq is the batch that must be durable before anybody may be told of
	// row. For a persistent key it is the batch that wrote row: while that is
	// not applied the cell is pinned, and stands in the overlay.
	seq uint64
	// touched is when somebody saw this key last; see touch.go.
	touched hlc.Timestamp
	space   kv.Space
	// exists is false for a key known to have no row at all.
	exists bool
	gone   bool // not in Partition.rows any more
	use
	pin   pin
	fresh int32 // index in overlay.fresh
	slash int32 // index of the key's last slash, -1 for none
	key   string

	// older, from the index from on, are versions before row, the newest last:
	// for a persistent key those not yet applied, for an ephemeral one its
	// bounded history.
	older []version
	from  int
	// tail is for the store, who has it while the cell is pinned.
	tail kv.Tail

	// prev and next link the cells of a recency.
	prev, next *cell
	bytes      int
}

type version struct {
	row kv.Row
	seq uint64 // as cell.seq
}

const (
	cellOverhead = 260 // a cell, its map slot and its place in the trees
	versionBytes = 64  // of a version without its value
)

func newCell(space kv.Space, key string) *cell {
	return &cell{space: space, key: key, slash: int32(strings.LastIndexByte(key, '/'))}
}

// past returns the older versions, the newest last.
func (c *cell) past() []version { return c.older[c.from:] }

// push adds v to the older versions.
func (c *cell) push(v version) {
	if n := len(c.older); n == cap(c.older) && c.from > n/2 {
		k := copy(c.older, c.past())
		clear(c.older[k:])
		c.older, c.from = c.older[:k], 0
	}
	c.older = append(c.older, v)
}

// pop takes the newest of the older versions, of which there is one, back.
func (c *cell) pop() version {
	n := len(c.older) - 1
	v := c.older[n]
	c.older[n] = version{}
	c.older = c.older[:n]
	return v
}

// forgetOldest drops the n oldest of the older versions.
func (c *cell) forgetOldest(n int) {
	for i := range c.past()[:n] {
		c.older[c.from+i].row.Value = ""
	}
	c.from += n
}

// measure returns about how many bytes the cell, which is not pinned, takes.
func (c *cell) measure() int {
	n := cellOverhead + 2*len(c.key) + len(c.row.Value) + cap(c.tail.Block)
	n += cap(c.older) * versionBytes
	for i := range c.past() {
		n += len(c.past()[i].row.Value)
	}
	return n
}

// less orders cells as the store orders rows: by bucket, keys without a slash
// first, then by the rest.
func less(a, b *cell) bool {
	ab, ar := a.split()
	bb, br := b.split()
	if ab != bb {
		return ab < bb
	}
	if (a.slash < 0) != (b.slash < 0) {
		return a.slash < 0
	}
	return ar < br
}

func (c *cell) split() (bucket, rest string) {
	if c.slash < 0 {
		return c.key, ""
	}
	return c.key[:c.slash], c.key[c.slash+1:]
}
