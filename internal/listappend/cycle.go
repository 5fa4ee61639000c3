package listappend

// components returns the strongly connected components of more than one node:
// Tarjan's algorithm, with a stack of its own in place of recursion.
func (g *graph) components() [][]int {
	const unseen = -1
	n := len(g.edges)
	index, low, onStack := make([]int, n), make([]int, n), make([]bool, n)
	for i := range index {
		index[i] = unseen
	}
	type frame struct{ node, next int }
	var found [][]int
	var stack []int
	var calls []frame
	counter := 0
	enter := func(v int) {
		index[v], low[v] = counter, counter
		counter++
		stack = append(stack, v)
		onStack[v] = true
		calls = append(calls, frame{v, 0})
	}
	for root := range n {
		if index[root] != unseen {
			continue
		}
		enter(root)
		for len(calls) > 0 {
			f := &calls[len(calls)-1]
			v := f.node
			if f.next < len(g.edges[v]) {
				to := g.edges[v][f.next].to
				f.next++
				if index[to] == unseen {
					enter(to)
				} else if onStack[to] {
					low[v] = min(low[v], index[to])
				}
				continue
			}
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].node
				low[up] = min(low[up], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			at := len(stack) - 1
			for stack[at] != v {
				at--
			}
			component := append([]int(nil), stack[at:]...)
			for _, w := range component {
				onStack[w] = false
			}
			stack = stack[:at]
			if len(component) > 1 {
				found = append(found, component)
			}
		}
	}
	return found
}

// classes are the kinds of cycle, the gravest first: a cycle through one edge
// of kind first and otherwise edges of the kinds rest.
var classes = []struct {
	name  string
	first edgeKind
	rest  edgeKind
}{
	{"G0", ww, ww},
	{"G1c", wr, ww | wr},
	{"G-single", rw, ww | wr},
	{"G2-item", rw, ww | wr | rw},
	{"G0-realtime", ww, ww | rt},
	{"G1c-realtime", wr, ww | wr | rt},
	{"G-single-realtime", rw, ww | wr | rt},
	{"G2-item-realtime", rw, ww | wr | rw | rt},
}

// triesMax bounds from how many edges of a component a cycle is looked for, so
// that a thoroughly broken history does not take for ever.
const triesMax = 2000

// step is an edge with where it comes from.
type step struct {
	from int
	edge
}

// cycle returns the gravest cycle of a component, and of those the shortest it
// finds.
func (g *graph) cycle(component []int) (name string, cycle []step) {
	inside := make(map[int]bool, len(component))
	for _, n := range component {
		inside[n] = true
	}
	for _, class := range classes {
		tries := 0
		for _, from := range component {
			for _, e := range g.edges[from] {
				if e.kind != class.first || !inside[e.to] || tries == triesMax || len(cycle) == 2 {
					continue
				}
				tries++
				if path := g.path(e.to, from, class.rest, inside); path != nil && (cycle == nil || len(path)+1 < len(cycle)) {
					cycle = append([]step{{from, e}}, path...)
				}
			}
		}
		if cycle != nil {
			return phantom(class.name, cycle), cycle
		}
	}
	return "", nil
}

// phantom names a cycle with several rw for a missed row of a bucket.
func phantom(name string, cycle []step) string {
	for _, s := range cycle {
		if s.kind == rw && s.scan {
			switch name {
			case "G2-item":
				return "G2"
			case "G2-item-realtime":
				return "G2-realtime"
			}
		}
	}
	return name
}

// path returns a shortest path over edges of the given kinds, or nil.
func (g *graph) path(from, to int, kinds edgeKind, inside map[int]bool) []step {
	back := map[int]step{}
	queue := []int{from}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, e := range g.edges[v] {
			if e.kind&kinds == 0 || !inside[e.to] || e.to == from {
				continue
			}
			if _, seen := back[e.to]; seen {
				continue
			}
			back[e.to] = step{v, e}
			if e.to != to {
				queue = append(queue, e.to)
				continue
			}
			var path []step
			for at := to; at != from; at = back[at].from {
				path = append([]step{back[at]}, path...)
			}
			return path
		}
	}
	return nil
}
