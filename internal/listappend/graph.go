package listappend

import (
	"cmp"
	"fmt"
	"slices"

	"kahuna/internal/history"
)

// edgeKind is why one transaction comes before another; a set of them is a
// mask.
type edgeKind uint8

const (
	ww edgeKind = 1 << iota
	wr
	rw
	rt // real time, or the store's clock
)

func (k edgeKind) String() string {
	switch k {
	case ww:
		return "ww"
	case wr:
		return "wr"
	case rw:
		return "rw"
	}
	return "rt"
}

// edge says that the transaction it hangs on comes before to.
type edge struct {
	to   int
	kind edgeKind
	key  string
	scan bool // the reading side read a whole bucket or prefix
}

// graph has a node for every applied transaction, in the order of the
// inference, and after those the ends of leases.
type graph struct {
	in    *inference
	edges [][]edge
	ends  []string // names of the nodes after the transactions
	count map[edgeKind]int
}

func newGraph(in *inference) *graph {
	g := &graph{in: in, edges: make([][]edge, len(in.txns)), count: map[edgeKind]int{}}
	for _, key := range in.names {
		switch v := in.keys[key]; {
		case v.broken:
		case v.lease != nil:
			g.lease(v)
		default:
			g.list(v)
		}
	}
	g.leaseOrder()
	g.realTime()
	return g
}

func (g *graph) add(from, to int, kind edgeKind, key string, scan bool) {
	if from == to || from < 0 || to < 0 {
		return
	}
	e := edge{to, kind, key, scan}
	if slices.Contains(g.edges[from], e) {
		return
	}
	g.edges[from] = append(g.edges[from], e)
	g.count[kind]++
}

// list adds the edges of a list.
func (g *graph) list(v *versions) {
	writer := func(i int) int {
		if i < 0 {
			return -1
		}
		return g.in.writers[element{v.key, v.order[i]}].node
	}
	n := len(v.order)
	for i := 1; i < n; i++ {
		g.add(writer(i-1), writer(i), ww, v.key, false)
	}
	// What was applied and not read by the longest read came after it: a list
	// only grows.
	read := make(map[int]bool, n)
	for _, e := range v.order {
		read[e] = true
	}
	var unread []int
	for _, e := range v.written {
		if !read[e.elem] {
			unread = append(unread, g.in.writers[e].node)
		}
	}
	for _, u := range unread {
		g.add(writer(n-1), u, ww, v.key, false)
	}
	for _, r := range v.reads {
		at := len(r.list)
		g.add(writer(at-1), r.node, wr, v.key, r.scan)
		// The next version that is not the reader's own.
		for at < n && writer(at) == r.node {
			at++
		}
		if at < n {
			g.add(r.node, writer(at), rw, v.key, r.scan)
			continue
		}
		for _, u := range unread {
			g.add(r.node, u, rw, v.key, r.scan)
		}
	}
}

// end adds a node for the end of a lease.
func (g *graph) end(name string) int {
	g.ends = append(g.ends, name)
	g.edges = append(g.edges, nil)
	return len(g.edges) - 1
}

// lease adds the edges of a row that is written once and ends by itself. Who
// read nothing has missed it only if it was certainly there before.
func (g *graph) lease(v *versions) {
	if v.lease.node < 0 {
		return
	}
	end := g.end(fmt.Sprintf("the end of %s", v.key))
	g.add(v.lease.node, end, ww, v.key, false)
	there := v.lease.txn.Return
	for _, r := range v.reads {
		if len(r.list) > 0 {
			there = min(there, g.in.txns[r.node].Return)
			g.add(v.lease.node, r.node, wr, v.key, r.scan)
			g.add(r.node, end, rw, v.key, r.scan)
		}
	}
	for _, r := range v.reads {
		if t := g.in.txns[r.node]; len(r.list) == 0 && there < t.Call {
			g.add(end, r.node, wr, v.key, r.scan)
		}
	}
}

// leaseOrder makes a chain of the times at which leases end, and ties to it the
// transactions that saw one instant of the clock.
func (g *graph) leaseOrder() {
	var leases []*versions
	for _, key := range g.in.names {
		if v := g.in.keys[key]; v.lease != nil && v.lease.node >= 0 && v.until != 0 && !v.broken {
			leases = append(leases, v)
		}
	}
	slices.SortStableFunc(leases, func(a, b *versions) int { return cmp.Compare(a.until, b.until) })
	last, at := -1, int64(0)
	for _, v := range leases {
		if v.until != at {
			next := g.end(fmt.Sprintf("the time %d", v.until))
			g.add(last, next, rt, "", false)
			last, at = next, v.until
		}
		there := v.lease.txn.Return
		for _, r := range v.reads {
			if len(r.list) > 0 {
				there = min(there, g.in.txns[r.node].Return)
			}
		}
		for _, r := range v.reads {
			switch t := g.in.txns[r.node]; {
			case !t.Instant:
			case len(r.list) > 0:
				g.add(r.node, last, rw, v.key, r.scan)
			case there < t.Call:
				g.add(last, r.node, wr, v.key, r.scan)
			}
		}
	}
}

// realTime adds an edge from each transaction to those called after it had
// returned, but for those that follow from others: when one returns, it takes
// the place of all that came before it.
func (g *graph) realTime() {
	type event struct {
		at   int64
		node int
		over bool
	}
	var events []event
	for n, t := range g.in.txns {
		events = append(events, event{t.Call, n, false})
		if t.Return != history.Never {
			events = append(events, event{t.Return, n, true})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	frontier := map[int]bool{}
	before := make(map[int][]int)
	for _, e := range events {
		if !e.over {
			for n := range frontier {
				before[e.node] = append(before[e.node], n)
			}
			slices.Sort(before[e.node])
			for _, n := range before[e.node] {
				g.add(n, e.node, rt, "", false)
			}
			continue
		}
		for _, n := range before[e.node] {
			delete(frontier, n)
		}
		delete(before, e.node)
		frontier[e.node] = true
	}
}
