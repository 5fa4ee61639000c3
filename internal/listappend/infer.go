package listappend

import (
	"fmt"
	"slices"

	"kahuna/internal/history"
)

// element is one element of one list.
type element struct {
	key  string
	elem int
}

// writer is who wrote an element.
type writer struct {
	txn  *Txn
	node int  // -1 when it was not applied
	last bool // the transaction's last write to that key
}

// external is what a transaction saw of a key before it wrote it itself.
type external struct {
	node int
	list []int
	scan bool
}

// versions is what is known of one key: the order of its elements, and who read
// which beginning of it.
type versions struct {
	key     string
	order   []int
	longest *Txn // who read all of order
	reads   []external
	written []element // by transactions that were applied
	writes  int       // by anybody
	lease   *writer
	until   int64
	broken  bool // the reads contradict each other: no order follows
}

// inference gathers what a history says, and what is wrong with it without a
// look at cycles.
type inference struct {
	txns      []*Txn // those that were applied; a node is an index here
	writers   map[element]*writer
	keys      map[string]*versions
	names     []string // of keys, as they came up
	anomalies []Anomaly
}

// infer reads a history. An error means that it is none: an element is written
// twice, or a lease is written to.
func infer(all []Txn) (*inference, error) {
	in := &inference{writers: map[element]*writer{}, keys: map[string]*versions{}}
	for i := range all {
		if err := in.writes(&all[i]); err != nil {
			return nil, err
		}
	}
	observed := map[*Txn]bool{}
	for i := range all {
		if all[i].Outcome != history.Applied {
			continue
		}
		for _, op := range all[i].Ops {
			for _, e := range op.List {
				if w := in.writers[element{op.Key, e}]; w != nil {
					observed[w.txn] = true
				}
			}
		}
	}
	nodes := map[*Txn]int{}
	for i := range all {
		if t := &all[i]; t.Outcome == history.Applied || t.Outcome == history.Unknown && observed[t] {
			nodes[t] = len(in.txns)
			in.txns = append(in.txns, t)
		}
	}
	for e, w := range in.writers {
		if n, ok := nodes[w.txn]; ok {
			w.node = n
			v := in.version(e.key)
			v.written = append(v.written, e)
		}
	}
	for n, t := range in.txns {
		if t.Outcome == history.Applied {
			in.transaction(n, t)
		}
	}
	for _, key := range in.names {
		v := in.keys[key]
		slices.SortFunc(v.written, func(a, b element) int { return a.elem - b.elem })
		in.order(v)
	}
	return in, nil
}

func (in *inference) version(key string) *versions {
	v := in.keys[key]
	if v == nil {
		v = &versions{key: key}
		in.keys[key] = v
		in.names = append(in.names, key)
	}
	return v
}

// writes notes the elements that t writes.
func (in *inference) writes(t *Txn) error {
	last := map[string]*writer{}
	for i := range t.Ops {
		op := &t.Ops[i]
		if t.reads(op.Kind) {
			in.version(op.Key)
			continue
		}
		e := element{op.Key, op.Elem}
		if in.writers[e] != nil {
			return fmt.Errorf("element %d of %s is written twice: by %s and %s", e.elem, e.key, in.writers[e].txn.ID, t.ID)
		}
		w := &writer{txn: t, node: -1, last: true}
		in.writers[e] = w
		if before := last[op.Key]; before != nil {
			before.last = false
		}
		last[op.Key] = w
		v := in.version(op.Key)
		v.writes++
		if v.writes > 1 && (v.lease != nil || op.Kind == Lease) {
			return fmt.Errorf("%s is a lease, and is written again by %s", op.Key, t.ID)
		}
		if op.Kind == Lease {
			v.lease, v.until = w, op.Until
		}
	}
	return nil
}

// transaction checks what t saw of its own writes, and notes what it saw of
// those of others.
func (in *inference) transaction(n int, t *Txn) {
	type view struct {
		known bool
		list  []int
		own   []int // written before anything was read
	}
	views := map[string]*view{}
	for i := range t.Ops {
		op := &t.Ops[i]
		v := views[op.Key]
		if v == nil {
			v = &view{}
			views[op.Key] = v
		}
		if !t.reads(op.Kind) {
			if v.known {
				v.list = append(v.list, op.Elem)
			} else {
				v.own = append(v.own, op.Elem)
			}
			continue
		}
		switch {
		case !v.known && !endsWith(op.List, v.own):
			in.report("internal", fmt.Sprintf("%s wrote %v to %s and then read %v", t.ID, v.own, op.Key, op.List), t)
		case v.known && !slices.Equal(v.list, op.List):
			in.report("internal", fmt.Sprintf("%s read %s as %v where it must still be %v", t.ID, op.Key, op.List, v.list), t)
		case !v.known:
			base := op.List[:len(op.List)-len(v.own)]
			in.external(n, t, op, base)
		}
		v.known, v.list = true, slices.Clone(op.List)
	}
}

func endsWith(list, tail []int) bool {
	return len(list) >= len(tail) && slices.Equal(list[len(list)-len(tail):], tail)
}

// external notes what transaction n saw of a key, and reports what it should
// not have seen.
func (in *inference) external(n int, t *Txn, op *Op, base []int) {
	v := in.version(op.Key)
	if len(op.List) > len(v.order) || v.longest == nil {
		v.order, v.longest = op.List, t
	}
	seen := map[int]bool{}
	for i, e := range base {
		w := in.writers[element{op.Key, e}]
		switch {
		case seen[e]:
			in.report("duplicate-elements", fmt.Sprintf("%s read %s as %v, with %d twice", t.ID, op.Key, base, e), t)
			v.broken = true
			return
		case w == nil:
			in.report("garbage-read", fmt.Sprintf("%s read %d in %s, which nobody wrote", t.ID, e, op.Key), t)
			v.broken = true
			return
		case w.node < 0:
			in.report("G1a", fmt.Sprintf("%s read %d in %s, which %s wrote, which was not applied", t.ID, e, op.Key, w.txn.ID), w.txn, t)
			v.broken = true
			return
		case !w.last && i == len(base)-1 && w.node != n:
			in.report("G1b", fmt.Sprintf("%s read %s as %v, in the middle of what %s wrote", t.ID, op.Key, base, w.txn.ID), w.txn, t)
		}
		seen[e] = true
	}
	v.reads = append(v.reads, external{n, base, op.Kind == Scan})
}

// order checks that all reads of a key are beginnings of the longest one.
func (in *inference) order(v *versions) {
	if v.broken || v.lease != nil {
		return
	}
	for _, r := range v.reads {
		if len(r.list) > len(v.order) || !slices.Equal(r.list, v.order[:len(r.list)]) {
			in.report("incompatible-order", fmt.Sprintf("%s read %s as %v, %s as %v", in.txns[r.node].ID, v.key, r.list, v.longest.ID, v.order),
				in.txns[r.node], v.longest)
			v.broken = true
			return
		}
	}
}

// report adds an anomaly that needs no cycle.
func (in *inference) report(name, why string, txns ...*Txn) {
	a := Anomaly{Name: name, Why: []string{why}}
	for _, t := range txns {
		if !slices.Contains(a.Txns, t) {
			a.Txns = append(a.Txns, t)
		}
	}
	in.anomalies = append(in.anomalies, a)
}
