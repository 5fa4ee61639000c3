package script_test

import (
	"fmt"
	"strings"
)

// generator makes random scripts that are well formed: every variable is
// assigned somewhere, every function gets its number of arguments. Types it
// leaves to chance, with a bias to what works.
type generator struct {
	pick  func(n int) int // a number from 0 to n-1
	depth int
	loops int
}

var (
	genVars = []string{"x", "y", "z", "s"}
	genKeys = []string{"a", "b", "c", "d", "e", "`n/1`", "'n/2'", "@a", "@k", "(concat('n/', x))", "(y)", "(concat('a', ''))", "(get a)", "(null ?? 'b')"}
)

func (g *generator) one(of ...string) string { return of[g.pick(len(of))] }

func (g *generator) script() string {
	var b strings.Builder
	begin := g.pick(4) == 0
	if begin {
		b.WriteString("begin ")
		b.WriteString(g.one("", "(autoCommit=true) ", "(timeout=50, locking=optimistic) ", "(autoCommit=@no) ", "(snapshot=250) "))
	}
	// All variables are assigned somewhere; in some scripts not on every path.
	if g.pick(5) == 0 {
		b.WriteString("if exists e then let x = 1 let y = 2 let z = 3 let s = 4 end\n")
	} else {
		b.WriteString("let x = 3 let y = 'a' let z = [1, 'b', null, [2.5]] let s = true\n")
	}
	b.WriteString(g.block())
	if begin {
		b.WriteString(g.one("commit", "commit return "+g.expr(), "") + " end")
	}
	return b.String()
}

func (g *generator) block() string {
	var b strings.Builder
	for range g.pick(4) + 1 {
		b.WriteString(g.stmt())
		b.WriteByte('\n')
	}
	return b.String()
}

func (g *generator) stmt() string {
	if g.depth > 3 {
		return "let x = " + g.one("1", "x", "y")
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.pick(20) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("let %s = %s", g.one(genVars...), g.expr())
	case 4, 5, 6:
		return g.write()
	case 7, 8:
		return g.read()
	case 9:
		return fmt.Sprintf("let %s = %s", g.one(genVars...), g.write())
	case 10:
		return fmt.Sprintf("if %s then\n%selseif %s then\n%selse\n%send", g.cond(), g.block(), g.cond(), g.block(), g.block())
	case 11:
		return fmt.Sprintf("if %s then\n%send", g.cond(), g.block())
	case 12:
		return fmt.Sprintf("switch %s case %s, %s then\n%scase %s then\n%selse\n%send", g.expr(), g.expr(), g.expr(), g.block(), g.expr(), g.block(), g.block())
	case 13:
		g.loops++
		defer func() { g.loops-- }()
		over := g.one("1..4", "z", "x..5", "[1, 'a', y]", "get by bucket n", g.expr())
		return fmt.Sprintf("for %s in %s do\n%send", g.one(genVars...), over, g.block())
	case 14:
		g.loops++
		defer func() { g.loops-- }()
		return fmt.Sprintf("let x = 0 while x < %d && %s do let x = x + 1\n%send", g.pick(5), g.cond(), g.block())
	case 15:
		if g.loops > 0 {
			return fmt.Sprintf("if %s then %s end", g.cond(), g.one("break", "continue"))
		}
		return "sleep " + g.one("0", "5", "x", "'7'", "2000")
	case 16:
		return fmt.Sprintf("assert %s, %s", g.cond(), g.expr())
	case 17:
		return fmt.Sprintf("if %s then %s end", g.cond(), g.one("commit", "rollback", "return", "return "+g.expr(), "return "+g.write(), "throw "+g.expr(), "commit return "+g.expr()))
	case 18:
		return "set a to_int(get a) + 1"
	}
	return "let s = " + g.cond()
}

func (g *generator) write() string {
	e := g.one("", "", "e")
	key := g.one(genKeys...)
	switch g.pick(6) {
	case 0:
		return e + "delete " + key
	case 1:
		return e + "extend " + key + " " + g.one("0", "500", "5s", "x", "-1", "@n")
	}
	var flags []string
	flags = append(flags, g.one("", "", "", "nx", "xx"))
	if g.pick(4) == 0 {
		flags = append(flags, "ex "+g.one("0", "100", "x", "'50'", "-1", g.expr()))
	}
	if g.pick(4) == 0 {
		flags = append(flags, "cmp "+g.one("'7'", "null", "''", "5", g.expr()))
	}
	if g.pick(4) == 0 {
		flags = append(flags, "cmprev "+g.one("-1", "0", "1", "rev(get a)", "null", g.expr()))
	}
	if g.pick(6) == 0 {
		flags = append(flags, "norev")
	}
	return fmt.Sprintf("%sset %s %s %s", e, key, g.expr(), strings.Join(flags, " "))
}

func (g *generator) read() string {
	e := g.one("", "", "e")
	key := g.one(genKeys...)
	switch g.pick(5) {
	case 0:
		return e + "get by bucket " + g.one("n", "'n/'", "`n/2`", key) + g.one("", "", " as of 350", " as of x")
	case 1:
		return e + "scan by prefix " + g.one("n", "'n/'", "a", key) + g.one("", "", " as of 350")
	}
	mod := g.one("", "", "", "", " at 0", " at 1", " at x", " as of 150", " as of x", " as of 2000000", " at -1")
	return e + g.one("get ", "get ", "exists ") + key + mod
}

func (g *generator) cond() string {
	switch g.pick(10) {
	case 0, 1:
		return g.one("not set", "not found", "not deleted", "not extended", "!set")
	case 2, 3:
		return fmt.Sprintf("(%s) %s (%s)", g.expr(), g.one("==", "!=", "<", "<=", ">", ">="), g.expr())
	case 4:
		return g.one("true", "false", "s", "s == true", "exists a", "(exists e)")
	case 5:
		return fmt.Sprintf("not (%s)", g.one("s", "x == 3", "exists e"))
	case 6:
		return fmt.Sprintf("x %s %d", g.one("<", ">", "==", "!="), g.pick(5))
	case 7:
		return fmt.Sprintf("is_null(%s)", g.expr())
	case 8:
		return g.one("x == 3 && y == 'a'", "x == 1 || s", "true && false || true", "false || 1", "true && x")
	}
	return fmt.Sprintf("type_of(%s) == 'int64'", g.expr())
}

func (g *generator) expr() string {
	if g.depth > 4 {
		return g.one("1", "x", "'t'")
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.pick(16) {
	case 0, 1:
		return g.one("0", "1", "2", "-3", "1.5", "'4'", "'text'", "null", "true", "false", "[]", "9223372036854775807", `"\xff"`)
	case 2, 3, 4:
		return g.one(genVars...)
	case 5:
		return g.one("@a", "@b", "@k", "@n", "@f", "@list", "@no")
	case 6, 7:
		return fmt.Sprintf("(%s %s %s)", g.expr(), g.one("+", "-", "*", "/", "%", "??"), g.expr())
	case 8:
		return fmt.Sprintf("%s %s %s %s %s", g.one("1", "x", "2.5"), g.one("+", "-", "*"), g.one("2", "x"), g.one("+", "-", "/", "%"), g.one("3", "x", "0"))
	case 9:
		return fmt.Sprintf("[%s, %s]", g.arg(), g.arg())
	case 10:
		return fmt.Sprintf("(%s)", g.arg())
	case 11:
		return fmt.Sprintf("(%s)", g.cond())
	case 12:
		return fmt.Sprintf("%s[%s]", g.one("z", "[1, 2, [3]]", "(get by bucket n)", "@list"), g.one("0", "1", "2", "x", g.expr()))
	case 13:
		return fmt.Sprintf("(%s..%s)", g.one("1", "x", "-2"), g.one("3", "x", "100"))
	case 14:
		return fmt.Sprintf("-%s", g.one("x", "'5'", "(y)", "1.5"))
	}
	return g.call()
}

func (g *generator) arg() string {
	switch g.pick(4) {
	case 0:
		return g.write()
	case 1:
		return g.read()
	}
	return g.expr()
}

func (g *generator) call() string {
	switch g.pick(8) {
	case 0:
		return g.one("current_time()", "hlc()", "hlc_counter()")
	case 1:
		return fmt.Sprintf("%s(%s)", g.one("rev", "expires", "count", "to_json", "to_bool"), g.arg())
	case 2:
		return fmt.Sprintf("%s(%s, %s)", g.one("min", "max", "concat", "coalesce", "contains"), g.arg(), g.expr())
	case 3:
		return fmt.Sprintf("%s(%s)", g.one("to_int", "to_str", "len", "abs", "floor"), g.expr())
	case 4:
		return fmt.Sprintf("repeat(%s, %s)", g.one("'xyz'", "y"), g.one("3", "x", "50", "100"))
	case 5:
		return fmt.Sprintf("split(%s, %s)", g.one("'a,b,c'", "y"), g.one("','", "'b'"))
	case 6:
		return fmt.Sprintf("upper(to_str(%s))", g.arg())
	}
	return fmt.Sprintf("is_null(%s)", g.arg())
}
