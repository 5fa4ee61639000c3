package syntax

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "kahuna/internal/seed" // fixed seeds
)

// writer makes up correct scripts, with white space and comments anywhere.
type writer struct {
	t *rapid.T
	b strings.Builder
}

// TestRandomScripts checks that what the grammar allows is parsed, and that
// formatting keeps it (Invariant SYN-3).
func TestRandomScripts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{t: rt}
		if w.n(5) == 0 {
			w.put("begin")
			if w.n(2) == 0 {
				w.put("(", "timeout", "=", w.one("5s", "@x", "'7'", "- 3", "-1.5", "null", "Word"), ",", "`a b`", "=", "True", ")")
			}
			w.block(3, false)
			w.put("end")
		} else {
			w.put("sleep", "1")
			w.block(3, false)
		}
		checkFormat(t, w.b.String())
	})
}

func (w *writer) n(n int) int { return rapid.IntRange(0, n-1).Draw(w.t, "") }

func (w *writer) one(list ...string) string { return list[w.n(len(list))] }

// put writes tokens with something between them.
func (w *writer) put(tokens ...string) {
	for _, tok := range tokens {
		w.b.WriteString(w.one(" ", " ", " ", " ", "\t", "\n", "\n\n\n", " # note\n", "\n# own line\n", "\r\n", "\r"))
		w.b.WriteString(tok)
	}
}

func (w *writer) block(depth int, loop bool) {
	for range w.n(4) {
		w.stmt(depth, loop)
	}
}

func (w *writer) stmt(depth int, loop bool) {
	for range w.n(3) {
		w.put(w.one("", ";"))
	}
	w.statement(depth, loop)
	if w.n(3) == 0 {
		w.put(";")
	}
}

func (w *writer) statement(depth int, loop bool) {
	if depth > 0 {
		switch w.n(8) {
		case 0:
			w.put("if")
			w.expr(2)
			w.put("then")
			w.block(depth-1, loop)
			for range w.n(3) {
				w.put(w.one("elseif", "ELIF"))
				w.expr(2)
				w.put("then")
				w.block(depth-1, loop)
			}
			w.elseEnd(depth-1, loop)
			return
		case 1:
			w.put("switch")
			w.expr(2)
			for range w.n(3) + 1 {
				w.put("case")
				w.expr(1)
				for range w.n(3) {
					w.put(",")
					w.expr(1)
				}
				w.put("then")
				w.block(depth-1, loop)
			}
			w.elseEnd(depth-1, loop)
			return
		case 2:
			w.put("while")
			w.expr(2)
			w.put("do")
			w.block(depth-1, true)
			w.put("end")
			return
		case 3:
			w.put("for", w.one("i", "while", "`x y`"))
			if w.n(2) == 0 {
				w.put(",", w.one("v", "limit"))
			}
			w.put("in")
			w.expr(2)
			w.put("do")
			w.block(depth-1, true)
			w.put("end")
			return
		}
	}
	switch w.n(10) {
	case 0:
		w.put("let", w.one("a", "case", "`b c`"), "=")
		w.argument(2)
	case 1:
		w.put("return")
		if w.n(3) > 0 {
			w.put("(")
			w.argument(2)
			w.put(")")
		}
	case 2:
		if w.n(2) == 0 {
			w.put("sleep")
			w.expr(2)
			return
		}
		w.put("throw")
		w.expr(2)
		w.code()
	case 3:
		w.put("Assert")
		w.expr(2)
		w.put(",")
		w.expr(2)
		w.code()
	case 4:
		w.put(w.one("commit", "rollback"))
	case 5:
		if loop {
			w.put(w.one("break", "Continue"))
		}
	case 6:
		w.read(1)
	default:
		w.write(2)
	}
}

func (w *writer) code() {
	if w.n(3) == 0 {
		w.put(",")
		w.expr(1)
	}
}

func (w *writer) elseEnd(depth int, loop bool) {
	if w.n(2) == 0 {
		w.put("else")
		w.block(depth, loop)
	}
	w.put("END")
}

func (w *writer) key(depth int) {
	switch w.n(5) {
	case 0:
		if depth > 0 {
			w.put("(")
			w.argument(depth - 1)
			w.put(")")
			return
		}
		fallthrough
	default:
		w.put(w.one("k", "case", "`a/b`", "'x'", "\"y\\n\"", "@p"))
	}
}

func (w *writer) write(depth int) {
	switch w.n(5) {
	case 4:
		w.put(w.one("delete", "EDel"), "BY", w.one("bucket", "prefix"))
		w.key(depth)
		if w.n(2) == 0 {
			w.put(w.one("limit", "Limit"))
			w.operand(0)
		}
	case 0:
		w.put(w.one("delete", "DEL", "edel"))
		w.key(depth)
	case 1:
		w.put(w.one("extend", "eextend"))
		w.key(depth)
		w.expr(depth)
	default:
		w.put(w.one("set", "ESet"))
		w.key(depth)
		w.expr(depth)
		if w.n(3) == 0 {
			w.put(w.one("nx", "XX"))
		}
		if w.n(3) == 0 {
			w.put(w.one("ex", "cmp", "cmprev"))
			w.expr(depth - 1)
		}
		if w.n(3) == 0 {
			w.put("norev")
		}
		if w.n(3) == 0 {
			w.put(w.one("keepttl", "KeepTTL"))
		}
	}
}

func (w *writer) read(depth int) {
	switch w.n(5) {
	case 4:
		w.put(w.one("count", "Ecount"), "by", w.one("bucket", "PREFIX"))
		w.key(depth)
	case 0:
		w.put(w.one("get by bucket", "scan by prefix", "escan by prefix"))
		w.key(depth)
		switch w.n(4) {
		case 0:
			w.put("limit", "3", "AFTER", w.one("@p", "'x' + 1", "(limit)"))
		case 1:
			w.put("desc", w.one("Limit", "after"), "- a")
		}
	default:
		w.put(w.one("get", "exists", "EGET"))
		w.key(depth)
		if w.n(4) == 0 {
			w.put(w.one("at", "@"))
			w.put(w.one("3", "- 1", "(n)"))
		}
	}
	if w.n(6) == 0 {
		// What was read may have an at: this is another command.
		w.put("exists", "k", "as", "of", w.one("5 - 1", "@t", "a * -b"))
	}
}

func (w *writer) argument(depth int) {
	if w.n(4) == 0 {
		w.write(depth)
		return
	}
	w.expr(depth)
}

func (w *writer) expr(depth int) {
	w.operand(depth)
	for range w.n(3) {
		w.put(w.one("+", "-", "*", "/", "%", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "&&", "||", "??"))
		w.operand(depth)
	}
	if w.n(8) == 0 {
		w.put("..")
		w.operand(depth)
	}
}

func (w *writer) operand(depth int) {
	switch w.n(4) {
	case 0:
		w.put(w.one("-", "!", "not", "NOT not", "- -"))
	}
	if depth <= 0 {
		w.put(w.one("a", "while", "deleted_at", "`x y`", "1", "0xF", "5m", "1.5", "2e3", "'s'", "\"t\\x41\"", "'two\nlines'", "@p",
			"null", "True", "(not set)", "(! found)", "found", "(not Deleted)", "count", "Desc", "{}"))
		return
	}
	switch w.n(8) {
	case 0:
		w.put("(")
		w.argument(depth - 1)
		w.put(")")
	case 1:
		w.put(w.one("f", "case", "`g h`"), "(")
		for i := range w.n(3) {
			if i > 0 {
				w.put(",")
			}
			w.argument(depth - 1)
		}
		w.put(")")
	case 2:
		w.put("[")
		for range w.n(3) {
			w.argument(depth - 1)
			w.put(",")
		}
		w.put("0", "]")
	case 3:
		w.put("[")
		w.expr(depth - 1)
		w.put(",", "]")
	case 5:
		w.put("{")
		for i := range w.n(3) {
			if i > 0 {
				w.put(",")
			}
			switch w.n(3) {
			case 0:
				w.put("(")
				w.argument(depth - 1)
				w.put(")")
			default:
				w.put(w.one("a", "limit", "'k'", "`x y`"))
			}
			w.put(":")
			w.argument(depth - 1)
		}
		w.put("}")
	case 4:
		w.put("(", "get")
		w.key(depth - 1)
		w.put(")")
	default:
		w.operand(0)
	}
	switch w.n(6) {
	case 0:
		w.put("[")
		w.expr(depth - 1)
		w.put("]")
	case 1:
		w.put(".", w.one("a", "limit", "set", "`x y`", "count", "if"))
	}
}
