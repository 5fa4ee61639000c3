package syntax

// Walk calls visit for node and, when it returns true, for all nodes below
// it, in the order in which they stand in the source. A node is a *Script, an
// *Option, a Stmt, an Expr or a []Stmt; visit sees every one of these except
// slices. Branches, cases, keys and flags are no nodes: what they hold is
// visited as if it belonged to the statement or command around them.
//
// A nil node is not visited. Walk recurses no deeper than Limits.Nesting lets
// a tree grow (Invariant SYN-2).
func Walk(node any, visit func(node any) bool) {
	w := walker{visit}
	switch n := node.(type) {
	case *Script:
		if n == nil || !visit(n) {
			return
		}
		if n.Begin != nil {
			for _, o := range n.Begin.Options {
				w.option(o)
			}
		}
		w.stmts(n.Body)
	case *Option:
		if n != nil {
			w.option(n)
		}
	case []Stmt:
		w.stmts(n)
	case Stmt:
		w.stmt(n)
	case Expr:
		w.expr(n)
	}
}

type walker struct{ visit func(node any) bool }

func (w walker) option(o *Option) {
	if w.visit(o) {
		w.expr(o.Value.Expr)
	}
}

func (w walker) stmts(list []Stmt) {
	for _, s := range list {
		w.stmt(s)
	}
}

func (w walker) stmt(s Stmt) {
	if s == nil || !w.visit(s) {
		return
	}
	switch s := s.(type) {
	case *CommandStmt:
		w.expr(s.Command)
	case *Let:
		w.expr(s.X)
	case *If:
		for i := range s.Branches {
			w.expr(s.Branches[i].Cond)
			w.stmts(s.Branches[i].Body)
		}
		w.stmts(s.Else)
	case *Switch:
		w.expr(s.X)
		for i := range s.Cases {
			w.exprs(s.Cases[i].Values)
			w.stmts(s.Cases[i].Body)
		}
		w.stmts(s.Else)
	case *For:
		w.expr(s.X)
		w.stmts(s.Body)
	case *While:
		w.expr(s.Cond)
		w.stmts(s.Body)
	case *Return:
		w.expr(s.X)
	case *Throw:
		w.expr(s.X)
		w.expr(s.Code)
	case *Assert:
		w.expr(s.Cond)
		w.expr(s.Message)
		w.expr(s.Code)
	case *Sleep:
		w.expr(s.X)
	}
}

func (w walker) exprs(list []Expr) {
	for _, x := range list {
		w.expr(x)
	}
}

// expr walks x. Operators in a row are a deep tree, to the left or, for ??, to
// the right: neither is walked by recursion.
func (w walker) expr(x Expr) {
	var right []Expr // operands that wait for what is left of them
	for {
		if x != nil && w.visit(x) {
			if l, r, ok := Operands(x); ok {
				right = append(right, r)
				x = l
				continue
			}
			w.inside(x)
		}
		if len(right) == 0 {
			return
		}
		x = right[len(right)-1]
		right = right[:len(right)-1]
	}
}

// Parts returns the operands of limit and after in source order, without those
// that are not there.
func (x *Multi) Parts() []Expr {
	switch {
	case x.Limit == nil && x.After == nil:
		return nil
	case x.After == nil:
		return []Expr{x.Limit}
	case x.Limit == nil:
		return []Expr{x.After}
	case x.LimitPos.Offset < x.AfterPos.Offset:
		return []Expr{x.Limit, x.After}
	}
	return []Expr{x.After, x.Limit}
}

// Operands returns the two operands of an operator, of which many can stand in
// a row, so that a tree has no bounded depth along them: *Binary, *Logical and
// *Index. ok is false for every other expression.
func Operands(x Expr) (left, right Expr, ok bool) {
	switch x := x.(type) {
	case *Binary:
		return x.X, x.Y, true
	case *Logical:
		return x.X, x.Y, true
	case *Index:
		return x.X, x.Y, true
	}
	return nil, nil, false
}

// inside walks what an expression with no, one or many operands is made of.
func (w walker) inside(x Expr) {
	switch x := x.(type) {
	case *Call:
		w.exprs(x.Args)
	case *Unary:
		w.expr(x.X)
	case *Range:
		w.expr(x.X)
		w.expr(x.Y)
	case *ArrayLit:
		w.exprs(x.Elems)
	case *MapLit:
		for i := range x.Members {
			w.expr(x.Members[i].Key)
			w.expr(x.Members[i].Value)
		}
	case *Paren:
		w.expr(x.X)
	case *Get:
		w.expr(x.Key.X)
		w.expr(x.At)
		w.expr(x.AsOf)
	case *Exists:
		w.expr(x.Key.X)
		w.expr(x.At)
		w.expr(x.AsOf)
	case *Multi:
		w.expr(x.Key.X)
		w.expr(x.AsOf)
		for _, part := range x.Parts() {
			w.expr(part)
		}
	case *Count:
		w.expr(x.Key.X)
		w.expr(x.AsOf)
	case *DeleteMany:
		w.expr(x.Key.X)
		w.expr(x.Limit)
	case *Set:
		w.expr(x.Key.X)
		w.expr(x.X)
		for i := range x.Flags {
			w.expr(x.Flags[i].X)
		}
	case *Delete:
		w.expr(x.Key.X)
	case *Extend:
		w.expr(x.Key.X)
		w.expr(x.X)
	}
}
