package script

import (
	"math"
	"regexp"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// compiler turns the tree of a checked script into closures. What the checker
// rejects never gets here, so every name resolves.
type compiler struct {
	program *Program
	info    *check.Info
	spine   []syntax.Expr // see chain
	// patterns are those compiled beforehand, states how many states they have.
	patterns, states int
}

// code is a compiled expression; val is set when it is a constant.
type code struct {
	eval expr
	val  *Value
}

func constant(v Value) code {
	return code{eval: func(*frame) (Value, error) { return v, nil }, val: &v}
}

// expr compiles an expression for its value.
func (c *compiler) expr(x syntax.Expr) expr { return c.code(x).eval }

func (c *compiler) exprs(xs []syntax.Expr) []expr {
	if len(xs) == 0 {
		return nil
	}
	out := make([]expr, len(xs))
	for i, x := range xs {
		out[i] = c.expr(x)
	}
	return out
}

func (c *compiler) code(x syntax.Expr) code {
	switch x := x.(type) {
	case *syntax.NullLit:
		return constant(Null)
	case *syntax.BoolLit:
		return constant(Bool(x.Value))
	case *syntax.IntLit:
		return constant(Int(x.Value))
	case *syntax.FloatLit:
		return constant(Float(x.Value))
	case *syntax.StringLit:
		return constant(String(x.Value))
	case *syntax.Paren:
		return c.code(x.X)
	case *syntax.Binary, *syntax.Logical, *syntax.Index:
		return c.chain(x)
	case *syntax.Unary:
		return c.unary(x)
	case *syntax.Placeholder:
		i, _ := c.info.Param(x.Name)
		return code{eval: func(f *frame) (Value, error) { return f.params[i], nil }}
	case *syntax.Ident:
		return code{eval: c.variable(x)}
	case *syntax.Call:
		return code{eval: c.call(x)}
	case *syntax.Range:
		return code{eval: c.rangeArray(x)}
	case *syntax.ArrayLit:
		return code{eval: c.arrayLit(x)}
	case *syntax.MapLit:
		return code{eval: c.mapLit(x)}
	case *syntax.Guard:
		return code{eval: guardValue(x)}
	}
	run := c.command(x)
	return code{eval: func(f *frame) (Value, error) {
		if err := run(f); err != nil {
			return Null, err
		}
		return f.commandValue()
	}}
}

func (c *compiler) variable(x *syntax.Ident) expr {
	slot, _ := c.info.Slot(x.Name)
	name, pos := x.Name, x.Pos
	return func(f *frame) (Value, error) {
		v := &f.vars[slot]
		if v.kind == kindUnset {
			return Null, f.at(errf(CodeUndefinedVariable, "undefined variable '%s'", name), pos)
		}
		return *v, nil
	}
}

func (c *compiler) unary(x *syntax.Unary) code {
	operand := c.code(x.X)
	eval, pos := operand.eval, x.Pos
	if x.Op != syntax.Minus {
		word := x.Op.String()
		return code{eval: func(f *frame) (Value, error) {
			v, err := eval(f)
			if err != nil {
				return Null, err
			}
			b, err := f.condition(word, v, pos)
			return Bool(!b), err
		}}
	}
	if operand.val != nil {
		if v, err := negate(*operand.val); err == nil {
			return constant(v)
		}
	}
	return code{eval: func(f *frame) (Value, error) {
		v, err := eval(f)
		if err != nil {
			return Null, err
		}
		if err := f.reads(&v, &v, pos); err != nil {
			return Null, err
		}
		n, fault := negate(v)
		if fault != nil {
			return Null, f.at(fault, pos)
		}
		return n, nil
	}}
}

// condition judges the operand of what wants a bool.
func (f *frame) condition(word string, v Value, pos syntax.Pos) (bool, error) {
	if v.kind == KindBool {
		return v.num != 0, nil
	}
	b, fault := condition(word, v)
	if fault != nil {
		return false, f.at(fault, pos)
	}
	return b, nil
}

func (c *compiler) rangeArray(x *syntax.Range) expr {
	from, to, pos := c.expr(x.X), c.expr(x.Y), x.Pos
	return func(f *frame) (Value, error) {
		a, err := from(f)
		if err != nil {
			return Null, err
		}
		b, err := to(f)
		if err != nil {
			return Null, err
		}
		if err := f.reads(&a, &b, pos); err != nil {
			return Null, err
		}
		v, fault := rangeArray(a, b, &f.meter)
		if fault != nil {
			return Null, f.at(fault, pos)
		}
		return v, nil
	}
}

func (c *compiler) arrayLit(x *syntax.ArrayLit) expr {
	elems, pos := c.exprs(x.Elems), x.Pos
	return func(f *frame) (Value, error) {
		var vs []Value
		if len(elems) > 0 {
			vs = make([]Value, len(elems))
		}
		for i, e := range elems {
			v, err := e(f)
			if err != nil {
				return Null, err
			}
			vs[i] = v
		}
		v, fault := newArray(vs, &f.meter)
		if fault != nil {
			return Null, f.at(fault, pos)
		}
		return v, nil
	}
}

func (c *compiler) mapLit(x *syntax.MapLit) expr {
	type member struct {
		name  expr
		value expr
		pos   syntax.Pos
	}
	members, pos := make([]member, len(x.Members)), x.Pos
	for i := range x.Members {
		m := &x.Members[i]
		members[i] = member{c.expr(m.Key), c.expr(m.Value), m.Key.Position()}
	}
	return func(f *frame) (Value, error) {
		names, values := make([]string, len(members)), make([]Value, len(members))
		for i := range members {
			v, err := members[i].name(f)
			if err != nil {
				return Null, err
			}
			if names[i], err = f.memberName(&v, members[i].pos); err != nil {
				return Null, err
			}
			if values[i], err = members[i].value(f); err != nil {
				return Null, err
			}
		}
		v, fault := newMap(names, values, &f.meter)
		if fault != nil {
			return Null, f.at(fault, pos)
		}
		return v, nil
	}
}

// memberName converts the key of a member of a map literal.
func (f *frame) memberName(v *Value, pos syntax.Pos) (string, error) {
	text, fault := memberName(v)
	if fault != nil {
		return "", f.at(fault, pos)
	}
	return text, nil
}

func memberName(v *Value) (string, *Error) {
	if v.kind == KindNull || v.nested() {
		return "", errf(CodeType, "the key of a member must be a text, got %s", describe(*v))
	}
	return scalarText(*v), nil
}

func (c *compiler) call(x *syntax.Call) expr {
	fn, _ := check.Lookup(x.Name)
	impl, args, pos := builtins[fn.ID], c.exprs(x.Args), x.Pos
	reading := reads[fn.ID]
	if fn.ID == check.FuncMatches {
		impl = c.literalPattern(impl, x.Args[1])
	}
	return func(f *frame) (Value, error) {
		base := len(f.stack)
		for _, arg := range args {
			v, err := arg(f)
			if err != nil {
				return Null, err
			}
			f.push(&v)
		}
		if err := f.step(pos); err != nil {
			return Null, err
		}
		if reading && f.budget != math.MaxInt64 && f.meter.readsMuch(f.stack[base:]) {
			return Null, ErrSlowPath
		}
		v, fault := impl(&f.env, f.stack[base:])
		forget(f.stack[base:])
		f.stack = f.stack[:base]
		f.steps += f.meter.takeWork()
		if fault != nil {
			return Null, f.at(fault, pos)
		}
		return v, nil
	}
}

// literalPattern returns matches as it is called with a pattern, which when it
// is a literal is compiled now.
func (c *compiler) literalPattern(matches builtin, pattern syntax.Expr) builtin {
	for {
		p, ok := pattern.(*syntax.Paren)
		if !ok {
			break
		}
		pattern = p.X
	}
	lit, ok := pattern.(*syntax.StringLit)
	if !ok {
		return matches
	}
	re := regexp.MustCompile(lit.Value)
	states, _ := check.Pattern(lit.Value)
	c.patterns++
	c.states += states
	return func(e *callEnv, args []Value) (Value, *Error) {
		e.matcher, e.states = re, states
		return matches(e, args)
	}
}

// push appends an argument to the stack.
func (f *frame) push(v *Value) {
	n := len(f.stack)
	if n == cap(f.stack) {
		f.stack = append(f.stack, *v)
		return
	}
	f.stack = f.stack[:n+1]
	f.stack[n].assign(v)
}

var guardWords = [...]struct{ word, command string }{
	syntax.NotSet:      {"not set", "write"},
	syntax.NotFound:    {"not found", "read"},
	syntax.NotDeleted:  {"not deleted", "delete"},
	syntax.NotExtended: {"not extended", "extend"},
	syntax.Found:       {"found", "read"},
}

func guardValue(x *syntax.Guard) expr {
	kind, pos, holds := x.Kind, x.Pos, guardMiss
	if kind == syntax.Found {
		kind, holds = syntax.NotFound, guardHit
	}
	return func(f *frame) (Value, error) {
		if f.guards[kind] == guardUnset {
			g := guardWords[x.Kind]
			return Null, f.at(errf(CodeState, "'%s' used before any %s", g.word, g.command), pos)
		}
		return Bool(f.guards[kind] == holds), nil
	}
}
