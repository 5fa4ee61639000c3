package syntax

import (
	"fmt"
	"strings"
)

// dump writes a tree as s-expressions, all of it but its positions.
type dump struct{ strings.Builder }

func dumpScript(s *Script) string {
	var d dump
	if s.Begin != nil {
		d.WriteString("(begin")
		for _, o := range s.Begin.Options {
			fmt.Fprintf(&d, " [%s=%s", o.Name, o.Value.Word)
			if o.Value.Expr != nil {
				d.expr(o.Value.Expr)
			}
			d.WriteString("]")
		}
		d.WriteString(")")
	}
	d.stmts(s.Body)
	return d.String()
}

func dumpExpr(x Expr) string {
	var d dump
	d.expr(x)
	return d.String()
}

func (d *dump) f(format string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case Expr:
			args[i] = dumpExpr(a)
		case []Stmt:
			var b dump
			b.stmts(a)
			args[i] = b.String()
		}
	}
	fmt.Fprintf(d, format, args...)
}

func (d *dump) stmts(list []Stmt) {
	d.WriteString("{")
	for i, s := range list {
		if i > 0 {
			d.WriteString(" ")
		}
		d.stmt(s)
	}
	d.WriteString("}")
}

func (d *dump) stmt(s Stmt) {
	switch s := s.(type) {
	case *CommandStmt:
		d.expr(s.Command)
	case *Let:
		d.f("(let %s %s)", s.Name, s.X)
	case *If:
		d.f("(if")
		for _, b := range s.Branches {
			d.f(" %s %s", b.Cond, b.Body)
		}
		if s.HasElse {
			d.f(" else %s", s.Else)
		}
		d.f(")")
	case *Switch:
		d.f("(switch %s", s.X)
		for _, c := range s.Cases {
			d.f(" (case")
			for _, v := range c.Values {
				d.f(" %s", v)
			}
			d.f(" %s)", c.Body)
		}
		if s.HasElse {
			d.f(" else %s", s.Else)
		}
		d.f(")")
	case *For:
		if s.Second != "" {
			d.f("(for %s %s %s %s)", s.Name, s.Second, s.X, s.Body)
			return
		}
		d.f("(for %s %s %s)", s.Name, s.X, s.Body)
	case *While:
		d.f("(while %s %s)", s.Cond, s.Body)
	case *Break:
		d.f("(break)")
	case *Continue:
		d.f("(continue)")
	case *Commit:
		d.f("(commit)")
	case *Rollback:
		d.f("(rollback)")
	case *Return:
		if s.X == nil {
			d.f("(return)")
			return
		}
		d.f("(return %s)", s.X)
	case *Throw:
		d.f("(throw %s", s.X)
		d.code(s.Code)
	case *Assert:
		d.f("(assert %s %s", s.Cond, s.Message)
		d.code(s.Code)
	case *Sleep:
		d.f("(sleep %s)", s.X)
	default:
		d.f("?%T", s)
	}
}

func (d *dump) expr(x Expr) {
	switch x := x.(type) {
	case *NullLit:
		d.f("null")
	case *BoolLit:
		d.f("%v", x.Value)
	case *IntLit:
		d.f("%d", x.Value)
		if x.Text != fmt.Sprint(x.Value) {
			d.f("<%s>", x.Text)
		}
	case *FloatLit:
		d.f("%v<%s>", x.Value, x.Text)
	case *StringLit:
		d.f("%q", x.Value)
	case *Placeholder:
		d.f("@%s", x.Name)
	case *Ident:
		if x.Quoted {
			d.f("`%s`", x.Name)
			return
		}
		d.f("%s", x.Name)
	case *Call:
		d.f("(call %s", x.Name)
		for _, a := range x.Args {
			d.f(" %s", a)
		}
		d.f(")")
	case *Unary:
		d.f("(%s %s)", x.Op, x.X)
	case *Binary:
		d.f("(%s %s %s)", x.Op, x.X, x.Y)
	case *Logical:
		d.f("(%s %s %s)", x.Op, x.X, x.Y)
	case *Range:
		d.f("(.. %s %s)", x.X, x.Y)
	case *Index:
		d.f("(%s %s %s)", map[bool]string{true: "member", false: "index"}[x.Dot], x.X, x.Y)
	case *ArrayLit:
		d.f("[")
		for i, e := range x.Elems {
			if i > 0 {
				d.f(" ")
			}
			d.f("%s", e)
		}
		d.f("]")
	case *MapLit:
		d.f("{")
		for i, m := range x.Members {
			if i > 0 {
				d.f(" ")
			}
			d.f("%s: %s", m.Key, m.Value)
		}
		d.f("}")
	case *Paren:
		d.f("<%s>", x.X)
	case *Guard:
		if x.Kind == Found {
			d.f("(found)")
			return
		}
		d.f("(%s %s)", map[bool]string{true: "!", false: "not"}[x.Bang], [...]string{"set", "found", "deleted", "extended"}[x.Kind])
	case *Get:
		d.f("(%sget %s", space(x.Space), dumpKey(x.Key))
		d.version(x.At, x.AsOf)
	case *Exists:
		d.f("(%sexists %s", space(x.Space), dumpKey(x.Key))
		d.version(x.At, x.AsOf)
	case *Multi:
		d.f("(%s%s %s", space(x.Space), map[bool]string{true: "scan", false: "bucket"}[x.Prefix], dumpKey(x.Key))
		if x.AsOf != nil {
			d.f(" as-of %s", x.AsOf)
		}
		if x.Limit != nil {
			d.f(" limit %s", x.Limit)
		}
		if x.After != nil {
			d.f(" after %s", x.After)
		}
		if x.DescPos.IsValid() {
			d.f(" desc")
		}
		d.f(")")
	case *Count:
		d.f("(%scount-%s %s", space(x.Space), rangeWord(x.Prefix), dumpKey(x.Key))
		d.version(nil, x.AsOf)
	case *DeleteMany:
		d.f("(%sdelete-%s %s", space(x.Space), rangeWord(x.Prefix), dumpKey(x.Key))
		if x.Limit != nil {
			d.f(" limit %s", x.Limit)
		}
		d.f(")")
	case *Set:
		d.f("(%sset %s %s", space(x.Space), dumpKey(x.Key), x.X)
		for _, f := range x.Flags {
			d.f(" %s", flagWord[f.Kind])
			if f.X != nil {
				d.f(" %s", f.X)
			}
		}
		d.f(")")
	case *Delete:
		d.f("(%sdelete %s)", space(x.Space), dumpKey(x.Key))
	case *Extend:
		d.f("(%sextend %s %s)", space(x.Space), dumpKey(x.Key), x.X)
	default:
		d.f("?%T", x)
	}
}

var flagWord = [...]string{"nx", "xx", "norev", "keepttl", "ex", "cmp", "cmprev"}

func space(s Space) string { return [...]string{"", "e"}[s] }

func (d *dump) code(x Expr) {
	if x != nil {
		d.f(" %s", x)
	}
	d.f(")")
}

func (d *dump) version(at, asOf Expr) {
	if at != nil {
		d.f(" at %s", at)
	}
	if asOf != nil {
		d.f(" as-of %s", asOf)
	}
	d.f(")")
}

func dumpKey(k Key) string {
	switch k.Kind {
	case NameKey:
		return k.Name
	case QuotedNameKey:
		return "`" + k.Name + "`"
	case StringKey:
		return fmt.Sprintf("%q", k.Name)
	case PlaceholderKey:
		return "@" + k.Name
	}
	return "<" + dumpExpr(k.X) + ">"
}
