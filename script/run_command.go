package script

import (
	"slices"

	"kahuna/script/syntax"
)

// last is the result of the script if it ended now: that of the last command
// or let, or of return.
type last struct {
	kind  lastKind
	typ   Type
	own   bool // a version that the script wrote itself
	op    Op
	value Value // of a let or return, or what a command is as an expression
	pos   syntax.Pos
	// Of a command on one key; the rest is in value.
	key      string
	modified Timestamp
	ttl      int64
}

// forget drops what l refers to.
func (l *last) forget() {
	l.kind = lastNone
	if l.key != "" {
		l.key = ""
	}
	if l.value.str != "" || l.value.ref != nil {
		l.value.str, l.value.ref = "", nil
	}
}

type lastKind uint8

const (
	lastNone  lastKind = iota
	lastPoint          // value and key
	lastRows           // frame.rows
	lastValue          // value
)

func (f *frame) setValue(op Op, v *Value, pos syntax.Pos) {
	f.last.kind, f.last.typ, f.last.op, f.last.pos = lastValue, TypeGet, op, pos
	f.last.value.assign(v)
}

// commandValue is the value of the command that ran last.
func (f *frame) commandValue() (Value, error) {
	if f.last.kind != lastRows {
		return f.last.value, nil
	}
	elems, keys := make([]Value, len(f.rows)), make([]origin, len(f.rows))
	for i := range f.rows {
		r := &f.rows[i]
		elems[i].setString(r.Value, r.Revision, r.Expires)
		keys[i].key = r.Key
		elems[i].ref = &keys[i]
		if i%pollParts == pollParts-1 {
			if fault := f.meter.poll(); fault != nil {
				return Null, f.at(fault, f.scan.pos)
			}
		}
	}
	v, fault := newArray(elems, &f.meter)
	if fault != nil {
		return Null, f.at(fault, f.scan.pos)
	}
	return v, nil
}

// keyBytes is about what an engine keeps of a key that a run has come to.
const keyBytes = 256

// found takes note of what get or exists read.
func (f *frame) found(op Op, key *origin, row *Row, err error, pos syntax.Pos) error {
	if err != nil {
		return f.fail(err, pos)
	}
	f.meter.fresh += keyBytes
	l := &f.last
	l.kind, l.op, l.key = lastPoint, op, key.key
	l.own, l.modified, l.ttl = row.Own, row.Modified, row.TTL
	if !row.Found {
		f.guards[syntax.NotFound] = guardMiss
		l.typ = TypeDoesNotExist
		if op == OpExists {
			l.value.setBool(false, -1, 0)
		} else {
			l.value.setNull()
		}
		return nil
	}
	f.guards[syntax.NotFound] = guardHit
	if op == OpExists {
		l.typ = TypeExists
		l.value.setBool(true, row.Revision, row.Expires)
		l.value.ref = key
		return nil
	}
	l.typ = TypeGet
	l.value.setString(row.Value, row.Revision, row.Expires)
	l.value.ref = key
	if fault := f.meter.charge(len(row.Value)); fault != nil {
		return f.at(fault, pos)
	}
	return nil
}

// wrote takes note of what a write did.
func (f *frame) wrote(op Op, space Space, key *origin, size int, w WriteResult, err error, pos syntax.Pos) error {
	if err != nil {
		return f.fail(err, pos)
	}
	f.meter.fresh += keyBytes
	l := &f.last
	l.kind, l.op, l.key = lastPoint, op, key.key
	l.own, l.modified, l.ttl = false, 0, 0
	hit, expires := guardMiss, int64(0)
	if w.Done {
		hit, expires = guardHit, w.Expires
		l.own = op != OpExtend // an extend leaves the version as it is
		l.ttl = w.TTL
	}
	l.value.setBool(w.Done, w.Revision, expires)
	l.value.ref = key
	if w.Done {
		if fault := f.written.add(space, key.key, size, f.meter.limits); fault != nil {
			return f.at(fault, pos)
		}
	}
	f.guards[syntax.NotSet] = hit
	switch op {
	case OpSet:
		l.typ = TypeNotSet
		if w.Done {
			l.typ = TypeSet
		}
		return nil
	case OpDelete:
		f.guards[syntax.NotDeleted] = hit
		l.typ = TypeDeleted
	default:
		f.guards[syntax.NotExtended] = hit
		l.typ = TypeExtended
	}
	if !w.Done {
		l.typ = TypeDoesNotExist
	}
	return nil
}

// scan is the bucket or prefix read under way.
type scan struct {
	text string
	pos  syntax.Pos
	most int // rows it may have
}

// scanRows reads a bucket or prefix into f.rows, sorted by key.
func (f *frame) scanRows(p *Part, pos syntax.Pos) error {
	f.beginScan(p, pos)
	if err := f.env.tx.Scan(p.Space, p.Prefix, p.Text, p.AsOf, f.visitRow); err != nil {
		return f.fail(err, pos)
	}
	if fault := sortRows(f.rows, &f.meter); fault != nil {
		return f.at(fault, pos)
	}
	f.scanned(p.Prefix)
	return nil
}

// scanPart reads a part of a bucket or prefix into f.rows.
func (f *frame) scanPart(p *Part, pos syntax.Pos) error {
	f.beginScan(p, pos)
	if p.Limit != 0 {
		if err := f.env.tx.ScanPart(p, f.visitRow); err != nil {
			return f.fail(err, pos)
		}
	}
	f.scanned(p.Prefix)
	return nil
}

func (f *frame) beginScan(p *Part, pos syntax.Pos) {
	clear(f.rows)
	f.rows = f.rows[:0]
	f.scan = scan{text: p.Text, pos: pos, most: f.meter.limits.Rows}
	if p.Limit >= 0 {
		f.scan.most = p.Limit
	}
}

// scanned takes note of the rows that a read of many keys found.
func (f *frame) scanned(prefix bool) {
	l := &f.last
	l.kind, l.op, l.typ = lastRows, OpBucket, TypeGet
	if prefix {
		l.op = OpScan
	}
	f.guards[syntax.NotFound] = guardHit
	if len(f.rows) == 0 {
		l.typ = TypeDoesNotExist
		f.guards[syntax.NotFound] = guardMiss
	}
}

// countRows counts the rows of a bucket or prefix.
func (f *frame) countRows(p *Part, pos syntax.Pos) error {
	n := int64(0)
	err := f.env.tx.Scan(p.Space, p.Prefix, p.Text, p.AsOf, func(Row) error {
		n++
		return f.visited()
	})
	if err != nil {
		return f.fail(err, pos)
	}
	v := Int(n)
	f.setValue(OpCount, &v, pos)
	f.guards[syntax.NotFound] = guardMiss
	if n > 0 {
		f.guards[syntax.NotFound] = guardHit
	}
	return nil
}

// deleteRows deletes the rows of a bucket or prefix, or the first of them.
func (f *frame) deleteRows(p *Part, pos syntax.Pos) error {
	var keys []string
	visit := func(r Row) error {
		if err := f.visited(); err != nil {
			return err
		}
		if len(keys) == f.meter.limits.WrittenKeys {
			return writtenLimit(f.meter.limits)
		}
		if fault := f.meter.charge(nameBytes + len(r.Key)); fault != nil {
			return fault
		}
		f.meter.fresh += keyBytes
		keys = append(keys, r.Key)
		return nil
	}
	var err error
	switch {
	case p.Limit < 0:
		if err = f.env.tx.Scan(p.Space, p.Prefix, p.Text, 0, visit); err == nil {
			slices.Sort(keys) // the order shows when one of them fails
		}
	case p.Limit > 0:
		err = f.env.tx.ScanPart(p, visit)
	}
	if err != nil {
		return f.fail(err, pos)
	}
	for _, key := range keys {
		if err := f.step(pos); err != nil {
			return err
		}
		w, err := f.env.tx.Delete(p.Space, key)
		if err != nil {
			return f.fail(err, pos)
		}
		if w.Done {
			if fault := f.written.add(p.Space, key, 0, f.meter.limits); fault != nil {
				return f.at(fault, pos)
			}
		}
	}
	v := Int(int64(len(keys)))
	f.setValue(OpDelete, &v, pos)
	f.last.typ = TypeDeleted
	hit := guardHit
	if len(keys) == 0 {
		f.last.typ, hit = TypeDoesNotExist, guardMiss
	}
	f.guards[syntax.NotSet], f.guards[syntax.NotDeleted] = hit, hit
	return nil
}

// visit receives one row of a scan.
func (f *frame) visit(r Row) error {
	if err := f.visited(); err != nil {
		return err
	}
	if len(f.rows) >= f.scan.most {
		text, cut := shorten(f.scan.text)
		if cut {
			text += "..."
		}
		return limitf("Rows", "too many keys: more than %d match '%s'", f.scan.most, text)
	}
	const rowBytes = 96 // of a Row without its texts
	size := rowBytes + len(r.Key) + len(r.Value)
	if fault := f.meter.charge(size); fault != nil {
		return fault
	}
	f.meter.fresh += int64(size)
	f.rows = append(f.rows, r)
	return nil
}

// written bounds what one script writes. Few keys are the rule, so the first
// ones stand in an array and only more than that in a map.
type written struct {
	few   [8]writtenKey
	n     int // keys in few
	many  map[writtenKey]struct{}
	bytes int64
}

type writtenKey struct {
	space Space
	key   string
}

func (w *written) reset() {
	for i := range w.few[:w.n] {
		w.few[i].key = ""
	}
	w.n, w.many, w.bytes = 0, nil, 0
}

// add counts a write that had an effect.
func (w *written) add(space Space, key string, size int, lim *Limits) *Error {
	if w.bytes += int64(len(key) + size); w.bytes > lim.WrittenBytes {
		return limitf("WrittenBytes", "script writes too much: more than %d bytes", lim.WrittenBytes)
	}
	k := writtenKey{space, key}
	if slices.Contains(w.few[:w.n], k) {
		return nil
	}
	switch {
	case w.n < len(w.few):
		w.few[w.n] = k
		w.n++
	case w.many == nil:
		w.many = map[writtenKey]struct{}{k: {}}
	default:
		w.many[k] = struct{}{}
	}
	if w.n+len(w.many) > lim.WrittenKeys {
		return writtenLimit(lim)
	}
	return nil
}

func writtenLimit(lim *Limits) *Error {
	return limitf("WrittenKeys", "script writes too many keys: more than %d", lim.WrittenKeys)
}
