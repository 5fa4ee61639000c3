package script

import (
	"strings"
	"unicode/utf8"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// command is a compiled command. It leaves what it did in frame.last.
type command func(f *frame) error

func (c *compiler) command(x syntax.Expr) command {
	switch x := x.(type) {
	case *syntax.Get:
		return c.pointRead(x.Space, &x.Key, x.At, x.AsOf, OpGet, x.Pos)
	case *syntax.Exists:
		return c.pointRead(x.Space, &x.Key, x.At, x.AsOf, OpExists, x.Pos)
	case *syntax.Multi:
		return c.multi(x)
	case *syntax.Count:
		return c.count(x)
	case *syntax.DeleteMany:
		return c.deleteMany(x)
	case *syntax.Set:
		return c.set(x)
	case *syntax.Delete:
		key, space, pos := c.key(&x.Key), x.Space, x.Pos
		return func(f *frame) error {
			k, err := key(f)
			if err != nil {
				return err
			}
			w, err := f.env.tx.Delete(space, k.key)
			return f.wrote(OpDelete, space, k, 0, w, err, pos)
		}
	}
	return c.extend(x.(*syntax.Extend))
}

// key compiles the key of a command. A text of the script and a parameter
// have been checked before the run, a computed key is checked here.
func (c *compiler) key(k *syntax.Key) func(f *frame) (*origin, error) { return c.keyOf(k, false) }

// keyOf is key for one that may be empty, if so.
func (c *compiler) keyOf(k *syntax.Key, empty bool) func(f *frame) (*origin, error) {
	switch k.Kind {
	case syntax.PlaceholderKey:
		i, _ := c.info.Param(k.Name)
		return func(f *frame) (*origin, error) { return &f.keys[i], nil }
	case syntax.ComputedKey:
		eval, pos := c.expr(k.X), k.Pos
		return func(f *frame) (*origin, error) {
			v, err := eval(f)
			if err != nil {
				return nil, err
			}
			text, fault := keyText(v, f.meter.limits, empty)
			if fault != nil {
				return nil, f.at(fault, pos)
			}
			return &origin{key: text}, nil
		}
	}
	name := &origin{key: k.Name}
	return func(*frame) (*origin, error) { return name, nil }
}

// keyText converts the value of a computed key.
// It may be empty if so.
func keyText(v Value, lim *Limits, empty bool) (string, *Error) {
	switch {
	case v.kind == KindNull || v.nested():
		return "", errf(CodeBadKey, "a key must be a non-empty text, got %s", v.kind)
	case v.kind == KindString && v.str == "" && !empty:
		return "", errf(CodeBadKey, "a key must be a non-empty text, got an empty one")
	}
	text := scalarText(v)
	switch {
	case len(text) > lim.KeyBytes:
		return "", keyTooLong(len(text), lim)
	case v.kind != KindString:
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return "", errf(CodeBadKey, "a key %s, got %s", check.KeyProblem(text), quote(text))
	}
	return text, nil
}

// time compiles the operand of "as of"; without one it is the time of the
// snapshot transaction that the script is, or nil.
func (c *compiler) time(asOf syntax.Expr) func(f *frame) (int64, error) {
	if asOf == nil {
		if c.info.Snapshot() {
			return func(f *frame) (int64, error) { return f.snapshot, nil }
		}
		return nil
	}
	eval, pos := c.expr(asOf), asOf.Position()
	return func(f *frame) (int64, error) {
		v, err := eval(f)
		if err != nil {
			return 0, err
		}
		if err := f.reads(&v, &v, pos); err != nil {
			return 0, err
		}
		ms, fault := whole(v, "as of")
		if fault == nil && ms <= 0 {
			fault = errf(CodeRange, "as of must be greater than 0, got %d", ms)
		}
		if fault != nil {
			return 0, f.at(fault, pos)
		}
		return ms, nil
	}
}

// ttlMax is the longest time to live in milliseconds, some 285,000 years: now
// and it together are far from the end of int64, and JSON keeps it exactly.
const ttlMax = 1<<53 - 1

// natural judges an operand of ex, extend or at.
func natural(n int64, what string) *Error {
	switch {
	case n < 0:
		return errf(CodeRange, "%s must not be negative, got %d", what, n)
	case n > ttlMax && what != "at":
		return errf(CodeRange, "%s must be at most %d milliseconds, got %d", what, int64(ttlMax), n)
	}
	return nil
}

// natural compiles an operand that is a whole number and not negative.
func (c *compiler) natural(x syntax.Expr, what string, pos syntax.Pos) func(f *frame) (int64, error) {
	eval := c.expr(x)
	return func(f *frame) (int64, error) {
		v, err := eval(f)
		if err != nil {
			return 0, err
		}
		if err := f.reads(&v, &v, pos); err != nil {
			return 0, err
		}
		n, fault := whole(v, what)
		if fault == nil {
			fault = natural(n, what)
		}
		if fault != nil {
			return 0, f.at(fault, pos)
		}
		return n, nil
	}
}

// pointRead compiles get and exists.
func (c *compiler) pointRead(space Space, k *syntax.Key, at, asOf syntax.Expr, op Op, pos syntax.Pos) command {
	key := c.key(k)
	if at != nil {
		revision := c.natural(at, "at", at.Position())
		return func(f *frame) error {
			k, err := key(f)
			if err != nil {
				return err
			}
			n, err := revision(f)
			if err != nil {
				return err
			}
			row, err := f.env.tx.GetAt(space, k.key, n)
			row.Expires, row.TTL = 0, 0
			return f.found(op, k, &row, err, pos)
		}
	}
	if when := c.time(asOf); when != nil {
		return func(f *frame) error {
			k, err := key(f)
			if err != nil {
				return err
			}
			ms, err := when(f)
			if err != nil {
				return err
			}
			row, err := f.env.tx.GetAsOf(space, k.key, ms)
			return f.found(op, k, &row, err, pos)
		}
	}
	return func(f *frame) error {
		k, err := key(f)
		if err != nil {
			return err
		}
		row, err := f.env.tx.Get(space, k.key)
		return f.found(op, k, &row, err, pos)
	}
}

// parting is a compiled operand of a command on many keys. It adds to the part
// it is given; a pointer would move it to the heap.
type parting func(f *frame, p Part) (Part, error)

// part compiles the key, the as of and the parts of a command on many keys.
// What it says is then in frame.part. A prefix that is limited may be empty.
func (c *compiler) part(space Space, prefix bool, k *syntax.Key, asOf syntax.Expr, limited bool, parts ...parting) command {
	key, when := c.keyOf(k, prefix && limited), c.time(asOf)
	return func(f *frame) error {
		p := Part{Space: space, Prefix: prefix, Limit: -1}
		text, err := key(f)
		if err != nil {
			return err
		}
		p.Text = rangeText(prefix, text.key)
		if when != nil {
			if p.AsOf, err = when(f); err != nil {
				return err
			}
		}
		for _, part := range parts {
			if p, err = part(f, p); err != nil {
				return err
			}
		}
		f.part = p
		return nil
	}
}

// multi compiles get by bucket and scan by prefix.
func (c *compiler) multi(x *syntax.Multi) command {
	pos, desc := x.Pos, x.DescPos.IsValid()
	if x.Limit == nil && x.After == nil && !desc {
		part := c.part(x.Space, x.Prefix, &x.Key, x.AsOf, false)
		return func(f *frame) error {
			if err := part(f); err != nil {
				return err
			}
			err := f.scanRows(&f.part, pos)
			f.part.Text, f.part.After = "", ""
			return err
		}
	}
	var parts []parting
	for _, p := range x.Parts() {
		if p == x.Limit {
			parts = append(parts, c.limit(x.Limit, x.LimitPos))
		} else {
			parts = append(parts, c.after(x.After, x.AfterPos))
		}
	}
	part := c.part(x.Space, x.Prefix, &x.Key, x.AsOf, x.Limit != nil, parts...)
	return func(f *frame) error {
		if err := part(f); err != nil {
			return err
		}
		f.part.Desc = desc
		err := f.scanPart(&f.part, pos)
		f.part.Text, f.part.After = "", ""
		return err
	}
}

// limit compiles the operand of limit.
func (c *compiler) limit(x syntax.Expr, pos syntax.Pos) parting {
	eval := c.expr(x)
	return func(f *frame, p Part) (Part, error) {
		v, err := eval(f)
		if err != nil {
			return p, err
		}
		if err := f.reads(&v, &v, pos); err != nil {
			return p, err
		}
		n, fault := whole(v, "limit")
		if most := f.meter.limits.Elements; fault == nil && (n < 0 || n > int64(most)) {
			fault = errf(CodeRange, "limit must be 0 to %d, got %d", most, n)
		}
		if fault != nil {
			return p, f.at(fault, pos)
		}
		p.Limit = int(n)
		return p, nil
	}
}

// after compiles the operand of after.
func (c *compiler) after(x syntax.Expr, pos syntax.Pos) parting {
	eval := c.expr(x)
	return func(f *frame, p Part) (Part, error) {
		v, err := eval(f)
		if err != nil {
			return p, err
		}
		switch v.kind {
		case KindNull:
		case KindString:
			p.HasAfter, p.After = true, v.str
		default:
			return p, f.at(errf(CodeType, "after needs a text or null, got %s", describe(v)), pos)
		}
		return p, nil
	}
}

func (c *compiler) count(x *syntax.Count) command {
	part, pos := c.part(x.Space, x.Prefix, &x.Key, x.AsOf, false), x.Pos
	return func(f *frame) error {
		if err := part(f); err != nil {
			return err
		}
		err := f.countRows(&f.part, pos)
		f.part.Text, f.part.After = "", ""
		return err
	}
}

func (c *compiler) deleteMany(x *syntax.DeleteMany) command {
	var parts []parting
	if x.Limit != nil {
		parts = append(parts, c.limit(x.Limit, x.LimitPos))
	}
	part, pos := c.part(x.Space, x.Prefix, &x.Key, nil, x.Limit != nil, parts...), x.Pos
	return func(f *frame) error {
		if err := part(f); err != nil {
			return err
		}
		err := f.deleteRows(&f.part, pos)
		f.part.Text, f.part.After = "", ""
		return err
	}
}

// rangeText is the operand of a bucket or prefix read as Tx takes it.
func rangeText(prefix bool, text string) string {
	if prefix {
		return text
	}
	return strings.TrimSuffix(text, "/")
}

func (c *compiler) set(x *syntax.Set) command {
	key, value := c.key(&x.Key), c.expr(x.X)
	var fixed SetOptions
	var flags []flag
	for i := range x.Flags {
		switch fl := &x.Flags[i]; fl.Kind {
		case syntax.FlagNX:
			fixed.NX = true
		case syntax.FlagXX:
			fixed.XX = true
		case syntax.FlagNoRev:
			fixed.NoRev = true
		case syntax.FlagKeepTTL:
			fixed.KeepTTL = true
		default:
			flags = append(flags, c.flag(fl))
		}
	}
	space, pos, valuePos := x.Space, x.Pos, x.X.Position()
	return func(f *frame) error {
		k, err := key(f)
		if err != nil {
			return err
		}
		v, err := value(f)
		if err != nil {
			return err
		}
		text, fault := f.stored(v)
		if fault != nil {
			return f.at(fault, valuePos)
		}
		opts := &fixed
		if len(flags) > 0 {
			o := fixed
			for _, flag := range flags {
				if o, err = flag(f, o); err != nil {
					return err
				}
			}
			f.setOpts = o
			opts = &f.setOpts
		}
		w, err := f.env.tx.Set(space, k.key, text, opts)
		return f.wrote(OpSet, space, k, len(text), w, err, pos)
	}
}

// stored converts a value to what the store keeps of it.
func (f *frame) stored(v Value) (string, *Error) {
	text, fault := storeText(v)
	if fault == nil && len(text) > f.meter.limits.ValueBytes {
		fault = f.meter.valueLimit()
	}
	return text, fault
}

// flag is a compiled flag that has an operand. It adds to the options it is
// given; they are passed by value, as a pointer would move them to the heap.
type flag func(f *frame, o SetOptions) (SetOptions, error)

func (c *compiler) flag(fl *syntax.SetFlag) flag {
	pos := fl.Pos
	if fl.Kind == syntax.FlagEx {
		ttl := c.natural(fl.X, "ex", pos)
		return func(f *frame, o SetOptions) (SetOptions, error) {
			var err error
			o.TTL, err = ttl(f)
			return o, err
		}
	}
	eval := c.expr(fl.X)
	if fl.Kind == syntax.FlagCmp {
		return func(f *frame, o SetOptions) (SetOptions, error) {
			v, err := eval(f)
			if err != nil {
				return o, err
			}
			if err := f.reads(&v, &v, pos); err != nil {
				return o, err
			}
			text, fault := f.stored(v)
			if fault != nil {
				return o, f.at(fault, pos)
			}
			o.HasCmp, o.Cmp, o.CmpNull = true, text, v.kind == KindNull
			return o, nil
		}
	}
	return func(f *frame, o SetOptions) (SetOptions, error) {
		v, err := eval(f)
		if err != nil {
			return o, err
		}
		o.HasCmpRev, o.CmpRev = true, -1
		if v.kind != KindNull {
			if err := f.reads(&v, &v, pos); err != nil {
				return o, err
			}
			n, fault := whole(v, "cmprev")
			if fault != nil {
				return o, f.at(fault, pos)
			}
			o.CmpRev = n
		}
		return o, nil
	}
}

func (c *compiler) extend(x *syntax.Extend) command {
	key, ttl := c.key(&x.Key), c.natural(x.X, "extend", x.Pos)
	space, pos := x.Space, x.Pos
	return func(f *frame) error {
		k, err := key(f)
		if err != nil {
			return err
		}
		ms, err := ttl(f)
		if err != nil {
			return err
		}
		w, err := f.env.tx.Extend(space, k.key, ms)
		return f.wrote(OpExtend, space, k, 0, w, err, pos)
	}
}
