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
		c.expr(s.X)
		_, get := s.X.(*syntax.Get)
		c.assign(s.Name, get)
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
		if s.Name != "" { // in a partial tree it may be missing
			c.assign(s.Name, false)
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
	case *syntax.Assert:
		c.condition(s.Cond)
		c.expr(s.Message)
	case *syntax.Sleep:
		if n, ok := s.X.(*syntax.IntLit); !ok || n.Value != 0 {
			c.info.CanSleep = true
		}
		c.expr(s.X)
	}
}

// assign makes name a variable.
func (c *checker) assign(name string, get bool) {
	slot, ok := c.info.slots[name]
	if !ok {
		if c.info.slots == nil {
			c.info.slots = make(map[string]int, 8)
		}
		c.info.slots[name] = len(c.info.Vars)
		c.info.Vars = append(c.info.Vars, name)
		c.vars = append(c.vars, variable{onlyGet: get})
		return
	}
	c.vars[slot].onlyGet = c.vars[slot].onlyGet && get
}

func (c *checker) exprs(xs []syntax.Expr) {
	for _, x := range xs {
		c.expr(x)
	}
}

func (c *checker) expr(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Placeholder:
		c.placeholder(x.Name, x.Pos, false)
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
		access := ReadBucket
		if x.Prefix {
			access = ReadPrefix
		}
		c.read(x.Space, &x.Key, access, nil, x.AsOf)
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
			if l, ok := x.(*syntax.Logical); ok && l.Op != syntax.Coalesce {
				c.bare(left)
				c.bare(right)
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
	for {
		p, ok := x.(*syntax.Paren)
		if !ok {
			break
		}
		x = p.X
	}
	switch x := x.(type) {
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
	c.exprs(x.Args)
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

func (c *checker) placeholder(name string, pos syntax.Pos, key bool) {
	in := c.info
	i, ok := in.params[name]
	if !ok {
		if in.params == nil {
			in.params = make(map[string]int, 8)
		}
		i = len(in.Placeholders)
		in.params[name] = i
		in.Placeholders = append(in.Placeholders, Placeholder{Name: name, Pos: pos})
	}
	if p := &in.Placeholders[i]; key && !p.Key {
		p.Key, p.KeyPos = true, pos
	}
}

func (c *checker) read(space syntax.Space, k *syntax.Key, access Access, at, asOf syntax.Expr) {
	c.impure++
	use := c.key(space, k, access)
	c.info.Keys[use].History = at != nil || asOf != nil || c.info.Snapshot()
	if at != nil {
		c.expr(at)
	}
	if asOf != nil {
		c.expr(asOf)
	}
}

func (c *checker) write(pos syntax.Pos, space syntax.Space, k *syntax.Key) {
	c.impure++
	c.info.CanWrite = true
	if c.info.Snapshot() {
		c.errorAt(syntax.CodeReadOnly, pos, "", "writes are not allowed in a snapshot transaction")
	}
	c.key(space, k, Write)
}

// key records a key and returns its index in Info.Keys.
func (c *checker) key(space syntax.Space, k *syntax.Key, access Access) int {
	use := len(c.info.Keys)
	c.info.Keys = append(c.info.Keys, KeyUse{Key: k, Space: space, Access: access})
	class := Static
	switch k.Kind {
	case syntax.PlaceholderKey:
		class = Bindable
		c.placeholder(k.Name, k.Pos, true)
	case syntax.ComputedKey:
		class = Bindable
		before := c.impure
		c.expr(k.X)
		if c.impure != before {
			class = Dynamic
		}
	case syntax.NameKey:
		c.nameKeys = append(c.nameKeys, k)
	default:
		if problem := KeyProblem(k.Name); problem != "" {
			c.errorAt(syntax.CodeBadKey, k.Pos, "", "a key "+problem)
		}
	}
	c.info.Keys[use].Class = class
	return use
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
