package script

import (
	"unicode/utf8"

	"kahuna/script/syntax"
)

func (c *compiler) block(stmts []syntax.Stmt) block {
	out := make(block, 0, len(stmts))
	for i, s := range stmts {
		if _, ok := s.(*syntax.Commit); ok && i+1 < len(stmts) {
			if r, ok := stmts[i+1].(*syntax.Return); ok && r.X != nil {
				out = append(out, statement{run: c.commitReturn(r), pos: s.Position()})
				return out // the rest can never run
			}
		}
		out = append(out, statement{run: c.stmt(s), pos: s.Position()})
	}
	return out
}

func (c *compiler) stmt(s syntax.Stmt) func(*frame) (flow, error) {
	switch s := s.(type) {
	case *syntax.CommandStmt:
		run := c.command(s.Command)
		return func(f *frame) (flow, error) { return flowNext, run(f) }
	case *syntax.Let:
		return c.let(s)
	case *syntax.If:
		return c.ifChain(s)
	case *syntax.Switch:
		return c.switchCases(s)
	case *syntax.For:
		if r, ok := s.X.(*syntax.Range); ok {
			return c.forRange(s, r)
		}
		return c.forArray(s)
	case *syntax.While:
		return c.while(s)
	case *syntax.Break:
		return func(*frame) (flow, error) { return flowBreak, nil }
	case *syntax.Continue:
		return func(*frame) (flow, error) { return flowContinue, nil }
	case *syntax.Commit:
		return func(f *frame) (flow, error) {
			f.committed = true
			return flowEnd, nil
		}
	case *syntax.Rollback:
		return func(*frame) (flow, error) {
			return flowEnd, errf(CodeRollback, "transaction rolled back")
		}
	case *syntax.Return:
		return c.ret(s)
	case *syntax.Throw:
		message, code, pos := c.expr(s.X), c.optional(s.Code), s.Pos
		return func(f *frame) (flow, error) { return flowEnd, f.throw(message, code, pos) }
	case *syntax.Assert:
		return c.assert(s)
	}
	return c.sleep(s.(*syntax.Sleep))
}

// isCommand reports whether x is a command itself, not one in parentheses.
func isCommand(x syntax.Expr) bool {
	switch x.(type) {
	case *syntax.Get, *syntax.Exists, *syntax.Multi, *syntax.Count,
		*syntax.Set, *syntax.Delete, *syntax.DeleteMany, *syntax.Extend:
		return true
	}
	return false
}

func (c *compiler) let(s *syntax.Let) func(*frame) (flow, error) {
	eval, command := c.expr(s.X), isCommand(s.X)
	slot, _ := c.info.Slot(s.Name)
	pos := s.Pos
	return func(f *frame) (flow, error) {
		v, err := eval(f)
		if err != nil {
			return flowEnd, err
		}
		f.vars[slot].assign(&v)
		if !command {
			f.setValue(OpLet, &v, pos)
		}
		return flowNext, nil
	}
}

func (c *compiler) ret(s *syntax.Return) func(*frame) (flow, error) {
	if s.X == nil {
		return func(*frame) (flow, error) { return flowEnd, nil }
	}
	if isCommand(s.X) {
		run := c.command(s.X)
		return func(f *frame) (flow, error) { return flowEnd, run(f) }
	}
	operand, pos := c.code(s.X), s.Pos
	if v := operand.val; v != nil {
		return func(f *frame) (flow, error) {
			f.setValue(OpReturn, v, pos)
			return flowEnd, nil
		}
	}
	eval := operand.eval
	return func(f *frame) (flow, error) {
		v, err := eval(f)
		if err == nil {
			f.setValue(OpReturn, &v, pos)
		}
		return flowEnd, err
	}
}

// commitReturn is "commit return e": the operand first, then the commit.
func (c *compiler) commitReturn(s *syntax.Return) func(*frame) (flow, error) {
	run, pos := c.ret(s), s.Pos
	return func(f *frame) (flow, error) {
		if err := f.step(pos); err != nil {
			return flowEnd, err
		}
		_, err := run(f)
		f.committed = true
		return flowEnd, err
	}
}

// optional compiles an expression that may be missing: then it is nil.
func (c *compiler) optional(x syntax.Expr) expr {
	if x == nil {
		return nil
	}
	return c.expr(x)
}

// throw makes the error of a throw. code, the application's own, may be nil.
func (f *frame) throw(message, code expr, pos syntax.Pos) error {
	v, err := message(f)
	if err != nil {
		return err
	}
	thrown := &Error{Code: CodeThrow}
	var fault *Error
	if thrown.Message, fault = displayText(v, &f.meter); fault != nil {
		return f.at(fault, pos)
	}
	if code != nil {
		if v, err = code(f); err != nil {
			return err
		}
		if thrown.UserCode, fault = userCode(v); fault != nil {
			return f.at(fault, pos)
		}
	}
	return f.at(thrown, pos)
}

// userCodeBytes is how long the code of a throw may be.
const userCodeBytes = 100

// userCode judges the code of a throw.
func userCode(v Value) (string, *Error) {
	switch {
	case v.kind != KindString:
		return "", errf(CodeType, "the code of a throw must be a text, got %s", describe(v))
	case v.str == "" || len(v.str) > userCodeBytes:
		return "", errf(CodeRange, "the code of a throw must have 1 to %d bytes, got %d", userCodeBytes, len(v.str))
	case !utf8.ValidString(v.str):
		return "", errf(CodeRange, "the code of a throw must be UTF-8, got %s", quote(v.str))
	}
	return v.str, nil
}

func (c *compiler) assert(s *syntax.Assert) func(*frame) (flow, error) {
	cond, message, code, pos := c.expr(s.Cond), c.expr(s.Message), c.optional(s.Code), s.Pos
	return func(f *frame) (flow, error) {
		ok, err := f.test(cond, "assert", pos)
		if err != nil || ok {
			return flowNext, err
		}
		return flowEnd, f.throw(message, code, pos)
	}
}

// test evaluates a condition.
func (f *frame) test(cond expr, word string, pos syntax.Pos) (bool, error) {
	v, err := cond(f)
	if err != nil {
		return false, err
	}
	if v.kind == KindBool {
		return v.num != 0, nil
	}
	return f.condition(word, v, pos)
}

func (c *compiler) ifChain(s *syntax.If) func(*frame) (flow, error) {
	type branch struct {
		cond expr
		body block
		word string
		pos  syntax.Pos
	}
	branches := make([]branch, len(s.Branches))
	word := "if"
	for i := range s.Branches {
		b := &s.Branches[i]
		branches[i] = branch{cond: c.expr(b.Cond), body: c.block(b.Body), word: word, pos: b.Pos}
		word = "elseif"
	}
	otherwise := c.block(s.Else)
	return func(f *frame) (flow, error) {
		for i := range branches {
			b := &branches[i]
			ok, err := f.test(b.cond, b.word, b.pos)
			if err != nil {
				return flowEnd, err
			}
			if ok {
				return b.body.run(f)
			}
		}
		return otherwise.run(f)
	}
}

func (c *compiler) switchCases(s *syntax.Switch) func(*frame) (flow, error) {
	type branch struct {
		values []expr
		body   block
	}
	subject, pos := c.expr(s.X), s.Pos
	branches := make([]branch, len(s.Cases))
	for i := range s.Cases {
		branches[i] = branch{values: c.exprs(s.Cases[i].Values), body: c.block(s.Cases[i].Body)}
	}
	otherwise := c.block(s.Else)
	return func(f *frame) (flow, error) {
		v, err := subject(f)
		if err != nil {
			return flowEnd, err
		}
		for i := range branches {
			for _, value := range branches[i].values {
				w, err := value(f)
				if err != nil {
					return flowEnd, err
				}
				if err := f.reads(&v, &w, pos); err != nil {
					return flowEnd, err
				}
				same, err := f.equal(&v, &w, pos)
				if err != nil {
					return flowEnd, err
				}
				if same {
					return branches[i].body.run(f)
				}
			}
		}
		return otherwise.run(f)
	}
}

// pass runs a loop's body once. It reports whether the loop goes on.
func (f *frame) pass(body block) (bool, flow, error) {
	fl, err := body.run(f)
	switch {
	case err != nil || fl == flowEnd:
		return false, flowEnd, err
	case fl == flowBreak:
		return false, flowNext, nil
	}
	return true, flowNext, nil
}

func (c *compiler) forRange(s *syntax.For, r *syntax.Range) func(*frame) (flow, error) {
	from, to := c.expr(r.X), c.expr(r.Y)
	body := c.block(s.Body)
	slot, _ := c.info.Slot(s.Name)
	second := c.second(s)
	pos, rangePos := s.Pos, r.Pos
	return func(f *frame) (flow, error) {
		a, err := from(f)
		if err != nil {
			return flowEnd, err
		}
		b, err := to(f)
		if err != nil {
			return flowEnd, err
		}
		if err := f.reads(&a, &b, rangePos); err != nil {
			return flowEnd, err
		}
		i, last, fault := rangeBounds(a, b)
		if fault != nil {
			return flowEnd, f.at(fault, rangePos)
		}
		for first := i; i <= last; i++ {
			if err := f.step(pos); err != nil {
				return flowEnd, err
			}
			if second < 0 {
				f.vars[slot] = Int(i)
			} else {
				f.vars[slot] = Int(i - first)
				f.vars[second] = Int(i)
			}
			if more, fl, err := f.pass(body); !more {
				return fl, err
			}
			if i == last { // i++ may overflow
				break
			}
		}
		return flowNext, nil
	}
}

// second returns the slot of the second variable of a for, or -1.
func (c *compiler) second(s *syntax.For) int {
	if s.Second == "" {
		return -1
	}
	slot, _ := c.info.Slot(s.Second)
	return slot
}

func (c *compiler) forArray(s *syntax.For) func(*frame) (flow, error) {
	over := c.expr(s.X)
	body := c.block(s.Body)
	slot, _ := c.info.Slot(s.Name)
	second := c.second(s)
	pos := s.Pos
	return func(f *frame) (flow, error) {
		v, err := over(f)
		if err != nil {
			return flowEnd, err
		}
		if fault := iterable(&v, second >= 0); fault != nil {
			return flowEnd, f.at(fault, pos)
		}
		items := v.compound()
		for i := range items.n {
			if err := f.step(pos); err != nil {
				return flowEnd, err
			}
			// The body may put into what it runs over.
			if fault := f.meter.open(items); fault != nil {
				return flowEnd, f.at(fault, pos)
			}
			element := slot
			if second >= 0 {
				element = second
				if v.kind == KindMap {
					f.vars[slot] = String(items.names[i])
				} else {
					f.vars[slot] = Int(int64(i))
				}
			}
			f.vars[element].assign(&items.elems[i])
			if more, fl, err := f.pass(body); !more {
				return fl, err
			}
		}
		return flowNext, nil
	}
}

// iterable judges what a for with one or two variables runs over.
func iterable(v *Value, two bool) *Error {
	switch {
	case v.kind == KindArray || v.kind == KindMap && two:
		return nil
	case v.kind == KindMap:
		return errf(CodeType, "for needs an array, got map").hinted("a map has two variables: for k, v in ...")
	case two:
		return errf(CodeType, "for needs an array or a map, got %s", describe(*v))
	}
	return errf(CodeType, "for needs an array, got %s", describe(*v))
}

func (c *compiler) while(s *syntax.While) func(*frame) (flow, error) {
	cond := c.expr(s.Cond)
	body := c.block(s.Body)
	pos := s.Pos
	return func(f *frame) (flow, error) {
		for {
			// The step comes before the condition, which may be where the
			// loop spends its time.
			if err := f.step(pos); err != nil {
				return flowEnd, err
			}
			ok, err := f.test(cond, "while", pos)
			if err != nil {
				return flowEnd, err
			}
			if !ok {
				return flowNext, nil
			}
			if more, fl, err := f.pass(body); !more {
				return fl, err
			}
		}
	}
}

func (c *compiler) sleep(s *syntax.Sleep) func(*frame) (flow, error) {
	eval, pos := c.expr(s.X), s.Pos
	return func(f *frame) (flow, error) {
		v, err := eval(f)
		if err != nil {
			return flowEnd, err
		}
		if err := f.reads(&v, &v, pos); err != nil {
			return flowEnd, err
		}
		ms, fault := whole(v, "sleep")
		if fault == nil && (ms < 0 || ms > f.meter.limits.SleepMs) {
			fault = errf(CodeRange, "sleep must be 0 to %d, got %d", f.meter.limits.SleepMs, ms)
		}
		if fault != nil {
			return flowEnd, f.at(fault, pos)
		}
		if ms == 0 {
			return flowNext, nil // nothing to wait for: no reason to leave the fast path
		}
		if err := f.env.tx.Sleep(ms); err != nil {
			return flowEnd, f.fail(err, pos)
		}
		if err := f.meter.in.Err(); err != nil {
			return flowEnd, f.fail(err, pos)
		}
		return flowNext, nil
	}
}
