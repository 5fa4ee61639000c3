package script

// compound is what an array or a map consists of. Values are immutable, and yet
// a loop that appends to an array, or puts into a map, must not copy it each
// time. So storage has one owner, the newest version, which changes it in
// place; the version before gives it up, and remembers in next, at and old how
// to get back from there. Whoever still uses the older version copies the
// storage then (meter.open), which is what it would have cost at first.
//
// Invariant VALUE-3: an older version never shows what a newer one changed.
//
// A compound that a run makes belongs to that run. One made by Array or Map is
// never changed, and may be read by several goroutines.
type compound struct {
	origin // of the value
	elems  []Value
	names  []string         // of a map: the name of each element, else nil
	index  map[string]int32 // of a larger map, made when it is first needed
	n      int              // elements

	next *compound // the version that has the storage now, or knows who has
	at   int       // element that next put another value in place of, or atEnd
	old  Value     // the value that was there
}

// asOrigin returns what a value refers to c by.
func (c *compound) asOrigin() *origin {
	c.list = c
	return &c.origin
}

const (
	// atEnd tells that next has more elements, and nothing else changed.
	atEnd = -1
	// compoundBytes is about the size of a compound.
	compoundBytes = 160
	// nameBytes is the size of a name without its text, and indexBytes about
	// what the index takes for it.
	nameBytes  = 16
	indexBytes = 48
	// indexFrom is how many members a map has that needs an index.
	indexFrom = 9
)

// elems returns the elements of v, an array or a map. They must not be changed,
// and are not to be kept while the script runs on.
func (m *meter) elems(v *Value) ([]Value, *Error) {
	c := v.compound()
	if c == nil {
		return nil, nil
	}
	if err := m.open(c); err != nil {
		return nil, err
	}
	return c.elems[:c.n], nil
}

// open makes c have storage of its own, if it gave it up.
func (m *meter) open(c *compound) *Error {
	if c.next == nil {
		return nil
	}
	var path []*compound // c and all newer ones that gave up their storage
	owner := c
	for owner.next != nil {
		path = append(path, owner)
		owner = owner.next
	}
	if m != nil {
		if err := m.examine(len(path) * valueBytes); err != nil {
			return err
		}
		if err := m.build(int64(c.n) * valueBytes); err != nil {
			return err
		}
	}
	elems := make([]Value, c.n)
	copy(elems, owner.elems)
	for i := len(path) - 1; i >= 0; i-- {
		if p := path[i]; p.at >= 0 && p.at < c.n {
			elems[p.at] = p.old
		}
	}
	if owner.names != nil {
		c.names = owner.names[:c.n:c.n] // names are never replaced
	}
	c.elems, c.next, c.old = elems, nil, Null
	return nil
}

// succeed returns the version after c, which is open, with all of its storage.
// The caller changes it, and notes in at and old what.
func (c *compound) succeed() *compound {
	next := &compound{elems: c.elems, names: c.names, index: c.index, n: c.n}
	c.elems, c.names, c.index, c.next = nil, nil, nil, next
	return next
}

// replace returns v with its element i, which it has, replaced by x.
func (m *meter) replace(v *Value, i int, x *Value) (Value, *Error) {
	c := v.compound()
	if err := m.open(c); err != nil {
		return Null, err
	}
	depth, weight := measure(*v)
	d, w := measureElem(x)
	od, ow := measureElem(&c.elems[i])
	if d >= od && d+1 > depth {
		depth = d + 1
	} else if d < od && od+1 == depth {
		// The deepest of the elements may be gone.
		depth = 1
		for j := range c.elems[:c.n] {
			if j != i {
				e, _ := measureElem(&c.elems[j])
				depth = max(depth, e+1)
			}
		}
		depth = max(depth, d+1)
		if err := m.examine(c.n * 8); err != nil {
			return Null, err
		}
	}
	weight += w - ow
	if err := m.fits(depth, weight); err != nil {
		return Null, err
	}
	if err := m.build(compoundBytes); err != nil {
		return Null, err
	}
	next := c.succeed()
	c.at, c.old = i, next.elems[i]
	next.elems[i] = *x
	return measured(v.kind, next, depth, weight), nil
}

// extend returns v with elements, and of a map with their names, at its end.
func (m *meter) extend(v *Value, names []string, xs []Value) (Value, *Error) {
	c := v.compound()
	if err := m.open(c); err != nil {
		return Null, err
	}
	n := c.n + len(xs)
	if n > m.limits.Elements {
		return Null, m.elementsLimit()
	}
	depth, weight := measure(*v)
	for i := range xs {
		d, w := measureElem(&xs[i])
		depth = max(depth, d+1)
		weight += 1 + w
	}
	weight += int64(len(names))
	if err := m.fits(depth, weight); err != nil {
		return Null, err
	}
	per := int64(valueBytes)
	if v.kind == KindMap {
		per += nameBytes
	}
	size := int64(compoundBytes)
	room := cap(c.elems)
	if n > room {
		room = max(n, min(2*room, m.limits.Elements), 4)
		size += int64(room) * per
	}
	if len(names) > 0 && n >= indexFrom {
		size += indexBytes * int64(len(names))
	}
	if err := m.build(size); err != nil {
		return Null, err
	}
	next := c.succeed()
	c.at = atEnd
	if room > cap(next.elems) {
		next.elems = append(make([]Value, 0, room), next.elems[:c.n]...)
	}
	next.elems, next.n = append(next.elems[:c.n], xs...), n
	if v.kind == KindMap {
		if n > cap(next.names) {
			next.names = append(make([]string, 0, room), next.names[:c.n]...)
		}
		next.names = append(next.names[:c.n], names...)
		if next.index != nil {
			for i, name := range names {
				next.index[name] = int32(c.n + i)
			}
		}
	}
	return measured(v.kind, next, depth, weight), nil
}

// find returns the place of a member of the map v, or -1.
func (m *meter) find(v *Value, name string) (int, *Error) {
	c := v.compound()
	if err := m.open(c); err != nil {
		return 0, err
	}
	if c.n < indexFrom {
		for i := range c.names[:c.n] {
			if c.names[i] == name {
				return i, nil
			}
		}
		return -1, nil
	}
	if c.index == nil {
		if m == nil || v.num == 0 { // it may be shared
			for i := range c.names[:c.n] {
				if c.names[i] == name {
					return i, nil
				}
			}
			return -1, nil
		}
		if err := m.build(int64(c.n) * indexBytes); err != nil {
			return 0, err
		}
		c.index = make(map[string]int32, c.n)
		for i, name := range c.names[:c.n] {
			c.index[name] = int32(i)
		}
	}
	if i, ok := c.index[name]; ok {
		return int(i), nil
	}
	return -1, nil
}

// member returns the value of a member of the map v, null when it has none.
func (m *meter) member(v *Value, name string) (Value, *Error) {
	i, err := m.find(v, name)
	if err != nil || i < 0 {
		return Null, err
	}
	return v.compound().elems[i], nil
}

// put returns the map v with a member.
func (m *meter) put(v *Value, name string, x *Value) (Value, *Error) {
	i, err := m.find(v, name)
	switch {
	case err != nil:
		return Null, err
	case i >= 0:
		return m.replace(v, i, x)
	}
	return m.extend(v, []string{name}, []Value{*x})
}

// newMap makes a map of members, of which the names may stand there twice: the
// later value counts, at the earlier place. The slices belong to it.
func newMap(names []string, elems []Value, m *meter) (Value, *Error) {
	if err := m.makeMap(int64(len(elems))); err != nil {
		return Null, err
	}
	return m.sealMap(names, elems)
}

// sealMap is newMap where the storage is already charged.
func (m *meter) sealMap(names []string, elems []Value) (Value, *Error) {
	var index map[string]int32
	n := 0
	if len(names) >= indexFrom {
		if err := m.build(indexBytes * int64(len(names))); err != nil {
			return Null, err
		}
		index = make(map[string]int32, len(names))
	}
	for i, name := range names {
		at := n
		if index != nil {
			if j, ok := index[name]; ok {
				at = int(j)
			}
			index[name] = int32(at)
		} else {
			for j := range n {
				if names[j] == name {
					at = j
				}
			}
		}
		names[at], elems[at] = name, elems[i]
		if at == n {
			n++
		}
	}
	c := &compound{names: names[:n], elems: elems[:n], index: index, n: n}
	depth, weight, err := m.weigh(c.elems)
	weight += int64(n)
	if err == nil {
		err = m.fits(depth, weight)
	}
	if err != nil {
		return Null, err
	}
	return measured(KindMap, c, depth, weight), nil
}

// makeMap admits the storage of a new map of n members.
func (m *meter) makeMap(n int64) *Error {
	if err := m.makeArray(n); err != nil {
		return err
	}
	return m.build(compoundBytes + n*nameBytes)
}
