package check

import "kahuna/script/syntax"

// flow remarks on statements that never run and on a begin block that can end
// without commit. It judges literals only: "while true" is endless, any other
// condition may go either way.
func (c *checker) flow(s *syntax.Script) {
	f := flow{checker: c, rollsBack: s.Begin != nil && !c.info.Options.AutoCommit && !c.bound(optAutoCommit)}
	if f.block(s.Body) && f.rollsBack {
		c.warnAt(s.Begin.End, "commit before it, or use begin (autoCommit=true)",
			"the block can reach its end without commit, and is then rolled back")
	}
}

// bound reports whether the value of an option is a placeholder.
func (c *checker) bound(id OptionID) bool {
	for _, o := range c.info.BoundOptions {
		if o.ID == id {
			return true
		}
	}
	return false
}

type flow struct {
	*checker
	rollsBack bool // ending without commit undoes everything
	breaks    bool // the innermost loop can be left by break
}

// block reports whether control can come out at the end of stmts. Of the
// statements that can not be reached it remarks on the first.
func (f *flow) block(stmts []syntax.Stmt) bool {
	for i := 0; i < len(stmts); i++ {
		if f.stmt(stmts[i]) {
			continue
		}
		if _, ok := stmts[i].(*syntax.Commit); ok && i+1 < len(stmts) {
			if r, ok := stmts[i+1].(*syntax.Return); ok && r.X != nil {
				i++ // "commit return e" is one thing
			}
		}
		if i+1 < len(stmts) {
			f.warnAt(stmts[i+1].Position(), "", "this statement is never reached")
		}
		return false
	}
	return true
}

// stmt reports whether control can go on after s.
func (f *flow) stmt(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.If:
		goesOn := !s.HasElse
		for i := range s.Branches {
			goesOn = f.block(s.Branches[i].Body) || goesOn
		}
		return f.block(s.Else) && s.HasElse || goesOn
	case *syntax.Switch:
		goesOn := !s.HasElse
		for i := range s.Cases {
			goesOn = f.block(s.Cases[i].Body) || goesOn
		}
		return f.block(s.Else) && s.HasElse || goesOn
	case *syntax.For:
		f.loop(s.Body)
		return true
	case *syntax.While:
		left := f.loop(s.Body)
		lit, ok := s.Cond.(*syntax.BoolLit)
		return left || !ok || !lit.Value
	case *syntax.Break:
		f.breaks = true
		return false
	case *syntax.Return:
		if f.rollsBack {
			f.warnAt(s.Pos, "write 'commit return' to keep what was written",
				"this return ends the block without commit, which rolls it back")
		}
		return false
	case *syntax.Continue, *syntax.Commit, *syntax.Rollback, *syntax.Throw:
		return false
	}
	return true
}

// loop walks a loop's body and reports whether a break in it can be reached.
func (f *flow) loop(body []syntax.Stmt) bool {
	outer := f.breaks
	f.breaks = false
	f.block(body)
	left := f.breaks
	f.breaks = outer
	return left
}
