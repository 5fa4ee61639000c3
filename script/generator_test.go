package script_test

import (
	"fmt"
	"slices"
	"strings"

	"kahuna/script/check"
)

// generator makes random scripts that are well formed: every variable is
// assigned somewhere, every function gets its number of arguments. The
// variable i always holds an int64; otherwise types are left to chance, but
// most of the time something is chosen that works.
type generator struct {
	pick  func(n int) int // a number from 0 to n-1
	depth int
	loops int
}

var (
	genVars = []string{"x", "y", "z", "s"}
	genKeys = []string{"a", "a", "b", "c", "d", "e", "`n/1`", "'n/2'", "@a", "@k", "(concat('n/', i))", "(concat('a', @n))", "(get a ?? 'none')", "(null ?? 'b')"}
	// Now and then a key that is none, or depends on what a variable holds.
	genOddKeys = []string{"(x)", "(y)", "(null)", "(concat('a', s))", "(z)"}
)

func (g *generator) one(of ...string) string { return of[g.pick(len(of))] }

// odd reports whether to choose something that may well fail.
func (g *generator) odd() bool { return g.pick(12) == 11 }

func (g *generator) key() string {
	if g.odd() {
		return g.one(genOddKeys...)
	}
	return g.one(genKeys...)
}

// num is an expression that is a number.
func (g *generator) num() string {
	if g.depth > 4 {
		return g.one("1", "i")
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.pick(9) {
	case 0, 1, 2:
		return g.one("0", "1", "2", "3", "-3", "1.5", "'4'", "@b", "@n", "@f", "9223372036854775807")
	case 3, 4:
		return "i"
	case 5:
		return fmt.Sprintf("(%s %s %s)", g.num(), g.one("+", "-", "*", "/", "%"), g.num())
	case 6:
		return fmt.Sprintf("%s %s %s %s %s", g.one("1", "i", "2.5"), g.one("+", "-", "*"), g.one("2", "i"), g.one("+", "-", "/"), g.one("3", "i"))
	case 7:
		return fmt.Sprintf("%s(%s, %s)", g.one("min", "max"), g.num(), g.num())
	}
	return g.one("rev(get a)", "to_int(get a)", "expires(get b)", "current_time()", "hlc_counter()", "count(z ?? [])", "rev(set e 1)")
}

func (g *generator) script() string {
	var b strings.Builder
	begin := g.pick(4) == 0
	if begin {
		b.WriteString("begin ")
		b.WriteString(g.one("", "(autoCommit=true) ", "(timeout=50, locking=optimistic) ", "(autoCommit=@no) ", "(snapshot=250) "))
	}
	// All variables are assigned somewhere; in some scripts not on every path.
	if g.pick(5) == 0 {
		b.WriteString("if exists e then let x = 1 let y = 2 let z = 3 let s = 4 let i = 5 let m = {} end\n")
	} else {
		b.WriteString("let x = 3 let y = 'a' let z = [1, 'b', null, [2.5]] let s = true let i = 1 let m = {a: 1, b: z}\n")
	}
	if !begin || !strings.Contains(b.String(), "snapshot") {
		b.WriteString(g.one("", "get e set b 'text' delete e extend a 50\n", "exists a eset a 2 xx delete a extend e 50\n"))
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
	switch g.pick(23) {
	case 20:
		return "let m = put(m, " + g.one("'a'", "'b'", "'c'", "to_str(i)") + ", " + g.expr() + ")"
	case 21:
		return "let z = " + g.one("append(z, i)", "put(z, 0, i)", "append(z, z)", "put(z, 1, z)", "append([], z)")
	case 22:
		g.loops++
		defer func() { g.loops-- }()
		return fmt.Sprintf("for k, v in %s do\n%send", g.one("m", "z", "get by bucket n", "2..4", g.expr()), g.block())
	case 0, 1, 2:
		return fmt.Sprintf("let %s = %s", g.one(genVars...), g.expr())
	case 3:
		return "let i = (i + " + g.one("1", "2", "7") + ") % 5"
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
		over := g.one("1..4", "i..5", "[1, 'a', x]", "get by bucket n", "@list")
		if g.odd() {
			over = g.expr()
		}
		return fmt.Sprintf("for %s in %s do\n%send", g.one(genVars...), over, g.block())
	case 14:
		g.loops++
		defer func() { g.loops-- }()
		return fmt.Sprintf("let i = 0 while i < %d && %s do let i = i + 1\n%send", g.pick(5), g.one("true", g.cond()), g.block())
	case 15:
		if g.loops > 0 {
			return fmt.Sprintf("if %s then %s end", g.cond(), g.one("break", "continue"))
		}
		return "sleep " + g.one("0", "5", "i", "'7'")
	case 16:
		return fmt.Sprintf("assert %s, %s", g.one("true", "exists a", "i < 9", g.cond()), g.expr())
	case 17:
		return fmt.Sprintf("if %s then %s end", g.cond(), g.one("commit", "rollback", "return", "return "+g.expr(), "return "+g.write(), "throw "+g.expr(), "throw "+g.expr()+", "+g.one("'CODE'", "y"), "commit return "+g.expr()))
	case 18:
		return "set a to_int(get a) + 1"
	}
	return "let s = " + g.cond()
}

func (g *generator) write() string {
	e := g.one("", "", "e")
	key := g.key()
	switch g.pick(7) {
	case 6:
		return e + "delete by " + g.one("bucket n", "prefix 'n/'", "bucket "+key, "prefix "+key, "prefix '' limit 2") + g.one("", "", " limit 1")
	case 0:
		return e + "delete " + key
	case 1:
		return e + "extend " + key + " " + g.one("0", "500", "5s", "i", "@n", g.expr())
	}
	var flags []string
	flags = append(flags, g.one("", "", "", "nx", "xx"))
	if g.pick(4) == 0 {
		flags = append(flags, "ex "+g.one("0", "100", "i", "'50'", "70", g.expr()))
	}
	if g.pick(4) == 0 {
		flags = append(flags, "cmp "+g.one("'7'", "null", "''", "5", g.expr()))
	}
	if g.pick(4) == 0 {
		flags = append(flags, "cmprev "+g.one("-1", "0", "1", "rev(get a)", "null", g.expr()))
	}
	if g.pick(5) == 0 {
		flags = append(flags, "keepttl")
	}
	if g.pick(6) == 0 {
		flags = append(flags, "norev")
	}
	value := g.num()
	if g.pick(3) == 0 {
		value = g.expr()
	}
	return fmt.Sprintf("%sset %s %s %s", e, key, value, strings.Join(flags, " "))
}

func (g *generator) read() string {
	e := g.one("", "", "e")
	key := g.key()
	switch g.pick(7) {
	case 5:
		return e + "count by " + g.one("bucket n", "prefix n", "bucket "+key) + g.one("", "", " as of 350")
	case 6:
		parts := []string{g.one("", "limit 1", "limit 2", "limit 0", "limit i"), g.one("", "desc"), g.one("", "after 'n/1'", "after null", "after y", "after @k")}
		if g.pick(2) == 0 {
			parts[0], parts[2] = parts[2], parts[0]
		}
		return e + g.one("get by bucket n", "scan by prefix 'n/'", "scan by prefix a", "get by bucket "+key) + g.one("", "", " as of 350") + " " + strings.Join(parts, " ")
	case 0:
		return e + "get by bucket " + g.one("n", "'n/'", "`n/2`", key) + g.one("", "", " as of 350", " as of 450 + i")
	case 1:
		return e + "scan by prefix " + g.one("n", "'n/'", "a", key) + g.one("", "", " as of 350")
	}
	mod := g.one("", "", "", "", " at 0", " at 1", " at i", " as of 150", " as of 90 + i", " as of 2000000", " at (x)")
	return e + g.one("get ", "get ", "exists ") + key + mod
}

func (g *generator) cond() string {
	if g.odd() {
		return g.one("true && x", "false || 1", "(get a)", "s", fmt.Sprintf("(%s) < (%s)", g.expr(), g.expr()))
	}
	switch g.pick(9) {
	case 0:
		return "(" + g.write() + ")"
	case 1:
		return g.one("not set", "not found", "not deleted", "not extended", "!set", "found")
	case 2, 3:
		return fmt.Sprintf("(%s) %s (%s)", g.num(), g.one("==", "!=", "<", "<=", ">", ">="), g.num())
	case 4:
		return fmt.Sprintf("(%s) %s (%s)", g.expr(), g.one("==", "!="), g.expr())
	case 5:
		return g.one("true", "false", "s == true", "exists a", "(exists e)", "not (exists e)")
	case 6:
		return fmt.Sprintf("i %s %d", g.one("<", ">", "==", "!="), g.pick(5))
	case 7:
		return g.one("i == 3 && y == 'a'", "i == 1 || exists a", "true && false || true", "not true == false")
	}
	return fmt.Sprintf(g.one("is_null(%s)", "type_of(%s) == 'int64'", "to_json(%s) != 'null'"), g.expr())
}

func (g *generator) expr() string {
	if g.depth > 4 {
		return g.one("1", "x", "'t'")
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.pick(19) {
	case 16:
		return g.one("m", "m.a", "m['b']", "m.q", "m[i]", "({a: m}).a", "(@q ?? 5)")
	case 17:
		return fmt.Sprintf("{a: %s, b: %s, %s: %s}", g.arg(), g.expr(), g.one("a", "c", "'x y'", "(y)", "(i)"), g.expr())
	case 18:
		return g.list()
	case 0, 1:
		return g.one("0", "1", "2", "-3", "1.5", "'4'", "'text'", "null", "true", "false", "[]", "9223372036854775807", `"\xff"`)
	case 2, 3, 4:
		return g.one(genVars...)
	case 5:
		return g.one("@a", "@b", "@k", "@n", "@f", "@list", "@no")
	case 6, 7:
		return g.num()
	case 8:
		if g.odd() {
			return fmt.Sprintf("(%s %s %s)", g.expr(), g.one("+", "-", "*", "/", "%"), g.expr())
		}
		return fmt.Sprintf("(%s ?? %s)", g.expr(), g.expr())
	case 9:
		return fmt.Sprintf("[%s, %s]", g.arg(), g.arg())
	case 10:
		return fmt.Sprintf("(%s)", g.arg())
	case 11:
		return fmt.Sprintf("(%s)", g.cond())
	case 12:
		return fmt.Sprintf("%s[%s]", g.one("[1, 'b', [3]]", "(get by bucket n)", "@list"), g.one("0", "0", "1", "1", "i", "(x)"))
	case 13:
		return fmt.Sprintf("(%s..%s)", g.one("1", "i", "-2"), g.one("3", "i", "'6'"))
	case 14:
		return fmt.Sprintf("-%s", g.one("i", "'5'", "1.5", "(i + 1)"))
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

// list is an expression of the functions of arrays and maps.
func (g *generator) list() string {
	array := g.one("[3, 1, 2]", "(get by bucket n)", "@list", "[x, y]", "z", "['b', 'a', 'b']", "(scan by prefix 'n/' desc)")
	m := g.one("m", "m", "{a: 1, b: x}", "from_json('{\"k\": [1, {}]}')")
	switch g.pick(9) {
	case 0:
		return fmt.Sprintf("%s(%s)", g.one("first", "last", "reverse", "sort", "sort_text", "unique", "sum", "min", "max", "count"), array)
	case 1:
		return fmt.Sprintf("append(%s, %s)", array, g.arg())
	case 2:
		return fmt.Sprintf("put(%s, %s, %s)", array, g.one("0", "1", "i"), g.expr())
	case 3:
		return fmt.Sprintf("put(%s, %s, %s)", m, g.one("'a'", "'c'", "y"), g.expr())
	case 4:
		return fmt.Sprintf("%s(%s)", g.one("keys", "values", "count", "to_json", "to_str"), m)
	case 5:
		return fmt.Sprintf("remove(%s, %s)", g.one(array, m), g.one("0", "'a'", "'q'"))
	case 6:
		return fmt.Sprintf("merge(%s, %s)", m, g.one("{b: 1, z: 2}", "{}", m))
	case 7:
		return fmt.Sprintf("%s(%s)", g.one("key", "ttl", "rev", "from_json", "key"), g.arg())
	}
	return fmt.Sprintf("%s(%s, %s, %s)", g.one("insert", "slice"), array, g.one("0", "1"), g.one("1", "2", "x"))
}

// anyFunctions are all functions of which a script gets the same each time.
var anyFunctions = slices.DeleteFunc(check.FunctionNames(), func(name string) bool { return name == "random" || name == "uuid" })

// anyCall is a call of any function, with as many arguments as it takes.
func (g *generator) anyCall() string {
	f, _ := check.Lookup(g.one(anyFunctions...))
	n := f.Min
	if f.Accepts(n+1) && g.pick(3) == 2 {
		n++
	}
	args := make([]string, n)
	for i := range args {
		args[i] = g.one("'a,b'", "'b'", "'b'", "'%Y'", "'YQ=='", "2", "0", "i", "1.5", "x", "m", "[2, 1]", "@list", "(get a)")
	}
	return f.Name + "(" + strings.Join(args, ", ") + ")"
}

func (g *generator) call() string {
	switch g.pick(9) {
	case 7:
		return g.anyCall()
	case 0:
		return g.one("current_time()", "hlc()", "hlc_counter()")
	case 1:
		return fmt.Sprintf("%s(%s)", g.one("rev", "expires", "to_json", "is_array", "is_str"), g.arg())
	case 2:
		return fmt.Sprintf("%s(%s, %s)", g.one("coalesce", "coalesce", "concat"), g.arg(), g.expr())
	case 3:
		return fmt.Sprintf("%s(%s)", g.one("to_int", "to_str", "to_bool", "abs", "floor"), g.num())
	case 4:
		return fmt.Sprintf("repeat(%s, %s)", g.one("'xyz'", "'t'"), g.one("3", "i", "60", "(x)"))
	case 5:
		return fmt.Sprintf("split(%s, %s)", g.one("'a,b,c'", "'-'"), g.one("','", "'b'"))
	case 6:
		return fmt.Sprintf("upper(to_str(%s))", g.arg())
	}
	return fmt.Sprintf("is_null(%s)", g.arg())
}
