package listappend

import (
	"slices"

	"kahuna/internal/history"
)

// Kind is what an Op does.
type Kind uint8

// The kinds. A Scan is a Read of one key out of a read of a whole bucket or
// prefix: a missing key is an empty list. A Lease is the only write of its
// key, which ends by itself.
const (
	Append Kind = iota
	Read
	Scan
	Lease
)

// String returns the word of the text form.
func (k Kind) String() string { return [...]string{"append", "read", "scan", "lease"}[k] }

// Op is one operation on one list. Elements are unique in a history.
type Op struct {
	Kind Kind
	Key  string
	Elem int   // of Append and Lease
	List []int // of Read and Scan: everything that was read
	// Until is when a Lease ends, by the store's clock; 0 when not known.
	Until int64
}

// Txn is one transaction: its operations in their order, as they were answered.
type Txn struct {
	ID string
	history.Span
	Outcome history.Outcome
	Ops     []Op
	// Instant says that all of it saw one instant of the store's clock.
	Instant bool
	// Tags say how the transaction ran; Needs.Tags counts them.
	Tags []string
}

func (t *Txn) reads(k Kind) bool { return k == Read || k == Scan }

// keys returns how many keys t uses.
func (t *Txn) keys() int {
	var seen []string
	for i := range t.Ops {
		if !slices.Contains(seen, t.Ops[i].Key) {
			seen = append(seen, t.Ops[i].Key)
		}
	}
	return len(seen)
}
