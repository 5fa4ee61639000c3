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
		return c.pointRead(x.Space, &x.Key, x.At, x.AsOf, opGet, x.Pos)
	case *syntax.Exists:
		return c.pointRead(x.Space, &x.Key, x.At, x.AsOf, opExists, x.Pos)
	case *syntax.Multi:
		return c.multi(x)
	case *syntax.Set:
		return c.set(x)
	case *syntax.Delete:
		key, space, pos := c.key(&x.Key), x.Space, x.Pos
		return func(f *frame) error {
			k, err := key(f)
			if err != nil {
				return err
			}
			w, err := f.env.tx.Delete(space, k)
			return f.wrote(opDelete, space, k, 0, w, err, pos)
		}
	}
	return c.extend(x.(*syntax.Extend))
}

// key compiles the key of a command. A text of the script and a parameter
// have been checked before the run, a computed key is checked here.
func (c *compiler) key(k *syntax.Key) func(f *frame) (string, error) {
	switch k.Kind {
	case syntax.PlaceholderKey:
		i, _ := c.info.Param(k.Name)
		return func(f *frame) (string, error) { return f.keys[i], nil }
	case syntax.ComputedKey:
		eval, pos := c.expr(k.X), k.Pos
		return func(f *frame) (string, error) {
			v, err := eval(f)
			if err != nil {
				return "", err
			}
			text, fault := keyText(v, f.meter.limits)
			if fault != nil {
				return "", f.at(fault, pos)
			}
			return text, nil
		}
	}
	name := k.Name
	return func(*frame) (string, error) { return name, nil }
}

// keyText converts the value of a computed key.
func keyText(v Value, lim *Limits) (string, *Error) {
	switch {
	case v.kind == KindNull || v.kind == KindArray:
		return "", errf(CodeBadKey, "a key must be a non-empty text, got %s", v.kind)
	case v.kind == KindString && v.str == "":
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
func (c *compiler) pointRead(space Space, k *syntax.Key, at, asOf syntax.Expr, op opCode, pos syntax.Pos) command {
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
			row, err := f.env.tx.GetAt(space, k, n)
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
			row, err := f.env.tx.GetAsOf(space, k, ms)
			return f.found(op, k, &row, err, pos)
		}
	}
	return func(f *frame) error {
		k, err := key(f)
		if err != nil {
			return err
		}
		row, err := f.env.tx.Get(space, k)
		return f.found(op, k, &row, err, pos)
	}
}

// multi compiles get by bucket and scan by prefix.
func (c *compiler) multi(x *syntax.Multi) command {
	key, when := c.key(&x.Key), c.time(x.AsOf)
	space, prefix, pos := x.Space, x.Prefix, x.Pos
	return func(f *frame) error {
		text, err := key(f)
		if err != nil {
			return err
		}
		var asOf int64
		if when != nil {
			if asOf, err = when(f); err != nil {
				return err
			}
		}
		return f.scanRows(space, prefix, rangeText(prefix, text), asOf, pos)
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
		w, err := f.env.tx.Set(space, k, text, opts)
		return f.wrote(opSet, space, k, len(text), w, err, pos)
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
		w, err := f.env.tx.Extend(space, k, ms)
		return f.wrote(opExtend, space, k, 0, w, err, pos)
	}
}
