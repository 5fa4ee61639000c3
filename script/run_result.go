package script

// result makes r, which is new or was Reset, the answer of a script that
// committed (docs/language.md, "Results").
func (f *frame) result(r *Result) error {
	l := &f.last
	r.Type, r.Outcome, r.Op, r.List, r.Time, r.Elapsed = l.typ, Applied, l.op, false, 0, 0
	if f.prog.warnings != nil {
		r.Warnings = f.prog.Warnings()
	}
	switch l.kind {
	case lastNone:
		r.Type, r.Op = TypeCommitted, OpNone
	case lastPoint:
		r.grow(1)
		e := &r.Entries[0]
		e.Key, e.Revision, e.Expires, e.Modified = l.key, l.value.rev, l.value.exp, l.modified
		if l.op == OpGet {
			e.Value, e.HasValue, e.Kind = l.value.str, l.value.kind == KindString, l.value.kind
		}
		e.own(l.own, l.ttl)
	case lastRows:
		r.List = true
		r.grow(len(f.rows))
		size := int64(0)
		for i := range f.rows {
			w := &f.rows[i]
			if size += int64(len(w.Key) + len(w.Value)); size > f.meter.limits.AnswerBytes {
				return f.at(f.meter.answerLimit(), f.scan.pos)
			}
			r.Entries[i] = Entry{
				Key: w.Key, Value: w.Value, HasValue: true, Kind: KindString, Revision: w.Revision,
				Expires: w.Expires, Modified: w.Modified,
			}
			r.Entries[i].own(w.Own, w.TTL)
		}
	case lastValue:
		if fault := f.valueEntries(r, &l.value); fault != nil {
			return f.at(fault, l.pos)
		}
	}
	return nil
}

// valueEntries makes the entries of a value: one, or one for each element of
// an array. A map, and an array in an array, are JSON.
func (f *frame) valueEntries(r *Result, v *Value) *Error {
	if v.kind != KindArray {
		r.grow(1)
		e := &r.Entries[0]
		e.Value, e.HasValue, e.Kind, e.Revision, e.Expires = v.str, v.kind != KindNull, v.kind, v.rev, v.exp
		switch v.kind {
		case KindString:
		case KindMap:
			var fault *Error
			if e.Value, fault = jsonText(*v, &f.meter); fault != nil {
				return fault
			}
		default:
			e.Value = scalarText(*v)
		}
		return nil
	}
	r.List = true
	elems, fault := f.meter.elems(v)
	if fault != nil {
		return fault
	}
	r.grow(len(elems))
	size := int64(0) // a string that occurs many times is sent as often
	for i, e := range elems {
		text := ""
		if e.nested() {
			var fault *Error
			if text, fault = jsonText(e, &f.meter); fault != nil {
				return fault
			}
		} else {
			text = scalarText(e)
		}
		if size += int64(len(text)); size > f.meter.limits.AnswerBytes {
			return f.meter.answerLimit()
		}
		r.Entries[i] = Entry{Value: text, HasValue: e.kind != KindNull, Kind: e.kind, Revision: e.rev, Expires: e.exp}
	}
	return nil
}
