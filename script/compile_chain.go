package script

import "kahuna/script/syntax"

// chain compiles operators in a row, a + b + c, a && b || c or a ?? b ?? c,
// without recursing along them: the parser bounds nesting, but not how many
// terms a sum has. A constant beginning of the chain is folded; an operation
// that fails stays, so that it fails where and when it should.
func (c *compiler) chain(x syntax.Expr) code {
	base := len(c.spine)
	work := chainWork(x)
	for {
		left, _, ok := syntax.Operands(x)
		if !ok {
			break
		}
		c.spine = append(c.spine, x)
		x = left
	}
	acc := c.code(x)
	var links []link
	for len(c.spine) > base {
		top := c.spine[len(c.spine)-1]
		c.spine = c.spine[:len(c.spine)-1]
		if l, ok := top.(*syntax.Logical); ok && l.Op == syntax.Coalesce {
			links = c.coalesce(links, l)
			continue
		}
		l, right := c.link(top)
		if len(links) == 0 && acc.val != nil && right != nil {
			if v, ok := l.fold(*acc.val, *right); ok {
				acc = constant(v)
				continue
			}
		}
		links = append(links, l)
	}
	switch {
	case len(links) == 0:
		return acc
	case len(links) == 1 && work == 0:
		return code{eval: links[0].after(acc.eval)}
	}
	first := acc.eval
	return code{eval: func(f *frame) (Value, error) {
		f.steps += work
		v, err := first(f)
		for i := 0; i < len(links) && err == nil; i++ {
			v, err = links[i].apply(f, v)
		}
		return v, err
	}}
}

// coalesce appends the links of a ?? b ?? c behind a. The operator groups to
// the right, but that shows nowhere: either way the operands are tried one
// after the other.
func (c *compiler) coalesce(links []link, l *syntax.Logical) []link {
	for {
		next, ok := l.Y.(*syntax.Logical)
		if !ok || next.Op != syntax.Coalesce {
			return append(links, link{op: linkCoalesce, right: c.expr(l.Y), pos: l.Pos})
		}
		links = append(links, link{op: linkCoalesce, right: c.expr(next.X), pos: l.Pos})
		l = next
	}
}

// operatorsPerStep is how many operators in a row take one step.
const operatorsPerStep = 256

// chainWork returns the steps that the operators in a row at the top of x take.
// It is 0 for all but very long rows, so that those are not free.
func chainWork(x syntax.Expr) int64 {
	n := int64(0)
	for {
		left, right, ok := syntax.Operands(x)
		if !ok {
			return n / operatorsPerStep
		}
		n++
		if l, ok := x.(*syntax.Logical); ok && l.Op == syntax.Coalesce {
			for l, ok := right.(*syntax.Logical); ok && l.Op == syntax.Coalesce; l, ok = l.Y.(*syntax.Logical) {
				n++
			}
		}
		x = left
	}
}

// link is one operator of a chain with its right operand.
type link struct {
	op    linkOp
	bin   syntax.Op
	right expr
	pos   syntax.Pos
}

type linkOp uint8

const (
	linkArith linkOp = iota
	linkOrder
	linkEqual
	linkNotEqual
	linkAnd
	linkOr
	linkCoalesce
	linkIndex
)

// link compiles the operator at the end of a chain, which is no ??. val is its
// right operand when that is a constant.
func (c *compiler) link(x syntax.Expr) (l link, val *Value) {
	var right code
	switch n := x.(type) {
	case *syntax.Binary:
		l.pos, l.bin = n.Pos, n.Op
		right = c.code(n.Y)
		switch n.Op {
		case syntax.Eq:
			l.op = linkEqual
		case syntax.NotEq:
			l.op = linkNotEqual
		case syntax.Less, syntax.LessEq, syntax.Greater, syntax.GreaterEq:
			l.op = linkOrder
		}
	case *syntax.Logical:
		l.pos = n.Pos
		right = c.code(n.Y)
		l.op = linkAnd
		if n.Op == syntax.Or {
			l.op = linkOr
		}
	case *syntax.Index:
		l.op, l.pos = linkIndex, n.Pos
		right = c.code(n.Y)
	}
	l.right = right.eval
	return l, right.val
}

// fold computes a link of two constants, when that can not fail and costs no
// steps.
func (l *link) fold(a, b Value) (Value, bool) {
	if pairWork(&a, &b) != 0 || a.nested() || b.nested() {
		return Null, false
	}
	switch l.op {
	case linkArith:
		v, fault := arith(l.bin, &a, &b)
		return v, fault == nil
	case linkOrder:
		v, fault := order(l.bin, &a, &b)
		return Bool(v), fault == nil
	case linkEqual:
		return Bool(equal(&a, &b)), true
	case linkNotEqual:
		return Bool(!equal(&a, &b)), true
	}
	return Null, false
}

// after compiles a chain of this single link behind left.
func (l link) after(left expr) expr {
	right, pos, op := l.right, l.pos, l.bin
	switch l.op {
	case linkArith:
		return func(f *frame) (Value, error) {
			a, err := left(f)
			if err != nil {
				return Null, err
			}
			b, err := right(f)
			if err != nil {
				return Null, err
			}
			if err := f.reads(&a, &b, pos); err != nil {
				return Null, err
			}
			v, fault := arith(op, &a, &b)
			if fault != nil {
				return Null, f.at(fault, pos)
			}
			return v, nil
		}
	case linkOrder:
		return func(f *frame) (Value, error) {
			a, err := left(f)
			if err != nil {
				return Null, err
			}
			b, err := right(f)
			if err != nil {
				return Null, err
			}
			if err := f.reads(&a, &b, pos); err != nil {
				return Null, err
			}
			return f.ordered(op, &a, &b, pos)
		}
	}
	return func(f *frame) (Value, error) {
		v, err := left(f)
		if err != nil {
			return Null, err
		}
		return l.apply(f, v)
	}
}

// apply evaluates the link behind the value v of its left side.
func (l *link) apply(f *frame, v Value) (Value, error) {
	switch l.op {
	case linkAnd, linkOr:
		return l.logic(f, v)
	case linkCoalesce:
		if v.kind != KindNull {
			return v, nil
		}
		return l.right(f)
	}
	w, err := l.right(f)
	if err != nil {
		return Null, err
	}
	if l.op != linkIndex || w.kind == KindString {
		if err := f.reads(&v, &w, l.pos); err != nil {
			return Null, err
		}
	}
	switch l.op {
	case linkEqual, linkNotEqual:
		same, err := f.equal(&v, &w, l.pos)
		return Bool(same == (l.op == linkEqual)), err
	case linkOrder:
		return f.ordered(l.bin, &v, &w, l.pos)
	}
	var fault *Error
	if l.op == linkIndex {
		v, fault = indexValue(&v, &w, &f.meter)
	} else {
		v, fault = arith(l.bin, &v, &w)
	}
	if fault != nil {
		return Null, f.at(fault, l.pos)
	}
	return v, nil
}

// logic evaluates && and ||, whose right side may not be needed.
func (l *link) logic(f *frame, v Value) (Value, error) {
	word := "&&"
	if l.op == linkOr {
		word = "||"
	}
	b, err := f.condition(word, v, l.pos)
	if err != nil || b == (l.op == linkOr) {
		return Bool(b), err
	}
	if v, err = l.right(f); err != nil {
		return Null, err
	}
	b, err = f.condition(word, v, l.pos)
	return Bool(b), err
}

func (f *frame) equal(a, b *Value, pos syntax.Pos) (bool, error) {
	f.steps += pairWork(a, b)
	if !a.nested() {
		return equal(a, b), nil
	}
	same, fault := f.meter.equal(a, b)
	f.steps += f.meter.takeWork()
	if fault != nil {
		return false, f.at(fault, pos)
	}
	return same, nil
}

func (f *frame) ordered(op syntax.Op, a, b *Value, pos syntax.Pos) (Value, error) {
	f.steps += pairWork(a, b)
	v, fault := order(op, a, b)
	if fault != nil {
		return Null, f.at(fault, pos)
	}
	return Bool(v), nil
}
