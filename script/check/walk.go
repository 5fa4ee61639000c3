package check

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kahuna/script/syntax"
)

// block walks statements in source order.
func (c *checker) block(stmts []syntax.Stmt) {
	for _, s := range stmts {
		c.stmt(s)
	}
}

func (c *checker) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.CommandStmt:
		c.expr(s.Command)
	case *syntax.Let:
		c.inLet = s.Name
		c.expr(s.X)
		c.inLet = ""
		c.assign(s.Name, c.bindingOf(s.X))
	case *syntax.If:
		for i := range s.Branches {
			c.condition(s.Branches[i].Cond)
			c.block(s.Branches[i].Body)
		}
		c.block(s.Else)
	case *syntax.Switch:
		c.expr(s.X)
		for i := range s.Cases {
			c.exprs(s.Cases[i].Values)
			c.block(s.Cases[i].Body)
		}
		c.block(s.Else)
	case *syntax.For:
		c.expr(s.X)
		element := binding{read: c.bindingOf(s.X).rows}
		name, second := s.Name, s.Second
		if second != "" {
			c.assign(second, element)
			element = binding{} // of the key or index
		}
		if name != "" { // in a partial tree it may be missing
			c.assign(name, element)
		}
		c.block(s.Body)
	case *syntax.While:
		c.info.HasWhile = true
		c.condition(s.Cond)
		c.block(s.Body)
	case *syntax.Return:
		if s.X != nil {
			c.expr(s.X)
		}
	case *syntax.Throw:
		c.expr(s.X)
		c.expr(s.Code)
	case *syntax.Assert:
		c.condition(s.Cond)
		c.expr(s.Message)
		c.expr(s.Code)
	case *syntax.Sleep:
		if n, ok := s.X.(*syntax.IntLit); !ok || n.Value != 0 {
			c.info.CanSleep = true
		}
		c.expr(s.X)
	}
}

// assign makes name a variable.
func (c *checker) assign(name string, b binding) {
	slot, ok := c.info.slots[name]
	if !ok {
		if c.info.slots == nil {
			c.info.slots = make(map[string]int, 8)
		}
		c.info.slots[name] = len(c.info.Vars)
		c.info.Vars = append(c.info.Vars, name)
		c.vars = append(c.vars, variable{onlyGet: b.get, onlyRead: b.read, onlyRows: b.rows})
		return
	}
	v := &c.vars[slot]
	v.onlyGet, v.onlyRead, v.onlyRows = v.onlyGet && b.get, v.onlyRead && b.read, v.onlyRows && b.rows
}

// bindingOf tells what x gives to a variable.
func (c *checker) bindingOf(x syntax.Expr) binding {
	switch x := bared(x).(type) {
	case *syntax.Get:
		return binding{get: true, read: true}
	case *syntax.Multi:
		return binding{rows: true}
	case *syntax.Ident:
		if slot, ok := c.info.slots[x.Name]; ok {
			return binding{read: c.vars[slot].onlyRead, rows: c.vars[slot].onlyRows}
		}
	case *syntax.Index:
		return binding{read: c.bindingOf(x.X).rows}
	case *syntax.Call:
		if f, ok := Lookup(x.Name); ok && len(x.Args) > 0 {
			rows := c.bindingOf(x.Args[0]).rows
			switch f.ID {
			case FuncFirst, FuncLast:
				return binding{read: rows && len(x.Args) == 1, rows: rows && len(x.Args) == 2}
			case FuncSort, FuncSortText, FuncReverse, FuncSlice, FuncUnique:
				return binding{rows: rows}
			}
		}
	}
	return binding{}
}

// bared returns x without parentheses around it.
func bared(x syntax.Expr) syntax.Expr {
	for {
		p, ok := x.(*syntax.Paren)
		if !ok {
			return x
		}
		x = p.X
	}
}

func (c *checker) exprs(xs []syntax.Expr) {
	for _, x := range xs {
		c.expr(x)
	}
}

func (c *checker) expr(x syntax.Expr) {
	if x == nil {
		return
	}
	switch x := x.(type) {
	case *syntax.Placeholder:
		c.placeholder(x.Name, x.Pos, use{optional: x == c.lenient})
	case *syntax.Ident:
		c.impure++
		c.readIdents = append(c.readIdents, x)
	case *syntax.Call:
		c.call(x)
	case *syntax.Unary:
		if x.Op == syntax.Minus {
			c.expr(x.X)
		} else {
			c.condition(x.X)
		}
	case *syntax.Binary, *syntax.Logical, *syntax.Index:
		c.chain(x)
	case *syntax.Range:
		c.expr(x.X)
		c.expr(x.Y)
	case *syntax.ArrayLit:
		c.exprs(x.Elems)
	case *syntax.MapLit:
		for i := range x.Members {
			c.expr(x.Members[i].Key)
			c.expr(x.Members[i].Value)
		}
	case *syntax.Paren:
		c.expr(x.X)
	case *syntax.Guard:
		c.impure++
		if x.Kind == syntax.NotDeleted || x.Kind == syntax.NotExtended {
			c.guards = append(c.guards, x)
		}
	case *syntax.Get:
		c.read(x.Space, &x.Key, Read, x.At, x.AsOf)
	case *syntax.Exists:
		c.read(x.Space, &x.Key, Read, x.At, x.AsOf)
	case *syntax.Multi:
		n := len(c.info.Keys)
		c.readMany(x.Space, &x.Key, x.Prefix, x.LimitPos.IsValid(), x.AsOf)
		c.info.Keys[n].Part = x.LimitPos.IsValid() || x.AfterPos.IsValid()
		c.exprs(x.Parts())
	case *syntax.Count:
		c.readMany(x.Space, &x.Key, x.Prefix, false, x.AsOf)
	case *syntax.Set:
		c.write(x.Pos, x.Space, &x.Key)
		if name, ok := x.X.(*syntax.Ident); ok {
			c.setTo = append(c.setTo, name)
		}
		c.expr(x.X)
		for i := range x.Flags {
			if x.Flags[i].X != nil {
				c.expr(x.Flags[i].X)
			}
		}
	case *syntax.Delete:
		c.write(x.Pos, x.Space, &x.Key)
	case *syntax.DeleteMany:
		c.deleteMany(x)
	case *syntax.Extend:
		c.write(x.Pos, x.Space, &x.Key)
		c.expr(x.X)
	}
}

// chain walks operators in a row without recursing along them: the parser
// bounds nesting, but not how many terms a sum has.
func (c *checker) chain(x syntax.Expr) {
	base := len(c.spine)
	for {
		if left, right, ok := syntax.Operands(x); ok {
			if l, ok := x.(*syntax.Logical); ok {
				if l.Op != syntax.Coalesce {
					c.bare(left)
					c.bare(right)
				} else if p, ok := bared(left).(*syntax.Placeholder); ok {
					c.lenient = p
				}
			}
			c.spine = append(c.spine, right)
			x = left
			continue
		}
		c.expr(x)
		if len(c.spine) == base {
			return
		}
		x = c.spine[len(c.spine)-1]
		c.spine = c.spine[:len(c.spine)-1]
	}
}

// condition walks an operand that must be a bool.
func (c *checker) condition(x syntax.Expr) {
	c.bare(x)
	c.expr(x)
}

// bare remarks on a condition that is nothing but the text of a key.
func (c *checker) bare(x syntax.Expr) {
	switch x := bared(x).(type) {
	case *syntax.Get:
		word := "get"
		if x.Space == syntax.Ephemeral {
			word = "eget"
		}
		c.warnAt(x.Pos, hintBare, fmt.Sprintf("this condition is what '%s' reads, a text or null, never a bool", word))
	case *syntax.Ident:
		c.conditions = append(c.conditions, x)
	}
}

const hintBare = "compare it: x == true, or test is_null(x)"

func (c *checker) call(x *syntax.Call) {
	f, ok := Lookup(x.Name)
	switch {
	case !ok && c.gaps.keyword(x.Name):
		// Its operand in parentheses looks like arguments.
	case !ok && c.gaps.mention(x.Name):
		// The script may have meant to define it.
	case !ok:
		c.errorAt(syntax.CodeUnknownFunction, x.Pos, didYouMean(syntax.Suggest(x.Name, FunctionNames())),
			fmt.Sprintf("unknown function '%s'", x.Name))
	case !f.Accepts(len(x.Args)):
		c.errorAt(syntax.CodeArity, x.Pos, "", fmt.Sprintf("%s() takes %s, got %d", x.Name, arity(f), len(x.Args)))
	}
	if !f.Pure {
		c.impure++
	}
	if f.ID == FuncMatches && len(x.Args) == 2 {
		c.pattern(x.Args[1])
	}
	c.exprs(x.Args)
}

// pattern reports what is wrong with a literal regular expression.
func (c *checker) pattern(x syntax.Expr) {
	if lit, ok := bared(x).(*syntax.StringLit); ok {
		if _, problem := Pattern(lit.Value); problem != "" {
			c.errorAt(syntax.CodeRange, lit.Pos, "", problem)
		}
	}
}

func arity(f Function) string {
	plural := func(n int) string {
		if n == 1 {
			return "argument"
		}
		return "arguments"
	}
	switch {
	case f.Max < f.Min:
		return fmt.Sprintf("at least %d %s", f.Min, plural(f.Min))
	case f.Max == 0:
		return "no arguments"
	case f.Max == f.Min+1:
		return fmt.Sprintf("%d or %d arguments", f.Min, f.Max)
	case f.Max > f.Min:
		return fmt.Sprintf("%d to %d arguments", f.Min, f.Max)
	}
	return fmt.Sprintf("%d %s", f.Min, plural(f.Min))
}

// use is what a placeholder is used for.
type use struct {
	optional bool // the left operand of ??
	key      bool
	anyKey   bool // a key that may be empty
}

func (c *checker) placeholder(name string, pos syntax.Pos, u use) {
	in := c.info
	i, ok := in.params[name]
	if !ok {
		if in.params == nil {
			in.params = make(map[string]int, 8)
		}
		i = len(in.Placeholders)
		in.params[name] = i
		in.Placeholders = append(in.Placeholders, Placeholder{Name: name, Pos: pos, Optional: true, AnyKey: true})
	}
	p := &in.Placeholders[i]
	if p.Optional && !u.optional {
		p.Optional, p.Pos = false, pos
	}
	if u.key {
		if p.AnyKey && !u.anyKey || !p.Key {
			p.KeyPos = pos
		}
		p.Key, p.AnyKey = true, p.AnyKey && u.anyKey
	}
}

func (c *checker) read(space syntax.Space, k *syntax.Key, access Access, at, asOf syntax.Expr) {
	c.impure++
	use := c.key(space, k, access, false)
	c.info.Keys[use].History = at != nil || asOf != nil || c.info.Snapshot()
	if at != nil {
		c.expr(at)
	}
	if asOf != nil {
		c.expr(asOf)
	}
}

// readMany walks a read of a bucket or prefix, without its parts.
func (c *checker) readMany(space syntax.Space, k *syntax.Key, prefix, limited bool, asOf syntax.Expr) {
	c.impure++
	access := ReadBucket
	if prefix {
		access = ReadPrefix
	}
	use := c.key(space, k, access, prefix && limited)
	c.info.Keys[use].History = asOf != nil || c.info.Snapshot()
	c.expr(asOf)
}

func (c *checker) deleteMany(x *syntax.DeleteMany) {
	c.impure++
	c.writes(x.Pos)
	access := DeleteBucket
	if x.Prefix {
		access = DeletePrefix
	}
	n := c.key(x.Space, &x.Key, access, x.Prefix && x.Limit != nil)
	c.info.Keys[n].Part = x.Limit != nil
	c.expr(x.Limit)
}

func (c *checker) write(pos syntax.Pos, space syntax.Space, k *syntax.Key) {
	c.impure++
	c.writes(pos)
	c.key(space, k, Write, false)
}

// writes notes that there is a write command.
func (c *checker) writes(pos syntax.Pos) {
	c.info.CanWrite = true
	if c.info.Snapshot() {
		c.errorAt(syntax.CodeReadOnly, pos, "", "writes are not allowed in a snapshot transaction")
	}
}

// key records a key, which may be empty when it is the prefix of a limited
// read, and returns its index in Info.Keys.
func (c *checker) key(space syntax.Space, k *syntax.Key, access Access, limited bool) int {
	n := len(c.info.Keys)
	c.info.Keys = append(c.info.Keys, KeyUse{Key: k, Space: space, Access: access, Limited: limited})
	class := Static
	switch k.Kind {
	case syntax.PlaceholderKey:
		class = Bindable
		c.placeholder(k.Name, k.Pos, use{key: true, anyKey: limited})
	case syntax.ComputedKey:
		class = Bindable
		before := c.impure
		c.expr(k.X)
		if c.impure != before {
			class = Dynamic
			c.computed = append(c.computed, k)
		}
	case syntax.NameKey:
		c.nameKeys = append(c.nameKeys, k)
		if access == Read && c.inLet == k.Name {
			if c.readInto == nil {
				c.readInto = map[string]bool{}
			}
			c.readInto[k.Name] = true
		}
	default:
		if problem := KeyProblem(k.Name); problem != "" && k.Name != "" { // the parser reports those
			c.errorAt(syntax.CodeBadKey, k.Pos, "", "a key "+problem)
		}
	}
	c.info.Keys[n].Class = class
	return n
}

// KeyProblem says why a text can not be a key (docs/language.md, "Keys"),
// to be put after "a key"; it is "" when it can. Length is not judged here.
func KeyProblem(text string) string {
	switch {
	case text == "":
		return "must not be empty"
	case strings.IndexByte(text, 0) >= 0:
		return "must not contain a NUL character"
	case !utf8.ValidString(text):
		return "must be valid UTF-8"
	}
	return ""
}

func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return "did you mean '" + word + "'?"
}
