package syntax

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	tests := []struct {
		src  string
		want bool
	}{
		{"", true},
		{"# a note", true},
		{"set k 1", true},
		{"return", true},
		{"get k\n", true},
		{"if a then set k 1 end", true},
		{"begin commit end", true},
		{"return 'a\nb'", true},

		{"set", false},
		{"set k", false},
		{"set `a b`", false},
		{"set k 1 ex", false},
		{"let", false},
		{"let x", false},
		{"let x =", false},
		{"let x = 1 +\n", false},
		{"return a ??", false},
		{"return a ..", false},
		{"return not", false},
		{"return -", false},
		{"if", false},
		{"if a", false},
		{"if a then", false},
		{"if a then # note", false},
		{"if a then set k 1 else", false},
		{"if a then set k 1\nelseif", false},
		{"while a do for i in b do set k 1 end", false},
		{"for", false},
		{"for i", false},
		{"for i in", false},
		{"switch", false},
		{"switch a", false},
		{"switch a case 1", false},
		{"switch a case 1,", false},
		{"switch a case 1 then", false},
		{"begin", false},
		{"begin (", false},
		{"begin (timeout", false},
		{"begin (timeout=5", false},
		{"begin (timeout=-", false},
		{"begin set k 1 commit", false},
		{"return (1", false},
		{"return [", false},
		{"return [1,", false},
		{"return f(", false},
		{"return a[0", false},
		{"set (a", false},
		{"get k at", false},
		{"get k @", false},
		{"get k as", false},
		{"get k as of", false},
		{"get by", false},
		{"get by bucket", false},
		{"scan", false},
		{"assert a", false},
		{"assert a,", false},
		{"throw", false},
		{"return 'abc", false},
		{"return \"abc\\", false},
		{"return 'abc\n# no note", false},
		{"if a then throw \"abc", false},

		// A further line would not help.
		{"return )", true},
		{"BROKEN", true},
		{"x = ", true},
		{"let x = $", true},
		{"if $ then", true},
		{"set k 1 nx nx ex", true},
		{"break if a then", true},
		{"set `abc", true},
		{"set '' (", true},
		{"begin commit end set k", true},
		{"commit", true},
		{"return \"\\q\" + (", true},
		{"\xff if a then", true},
		{"return " + strings.Repeat("(", 300), true},
	}
	for _, tt := range tests {
		if got := Complete(tt.src); got != tt.want {
			_, diags := Parse(tt.src, Limits{})
			t.Errorf("Complete(%q) = %v\n%v", tt.src, got, diags)
		}
	}
}

// TestCompleteLines checks that a script typed line by line is complete only
// where it could end.
func TestCompleteLines(t *testing.T) {
	lines := strings.SplitAfter(leakyBucket, "\n")
	depth := 0
	for i := range lines {
		src := strings.Join(lines[:i+1], "")
		depth += strings.Count(lines[i], " then\n") - strings.Count(lines[i], "end\n")
		if got, want := Complete(src), depth == 0; got != want {
			t.Errorf("after line %d: %v, want %v", i+1, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	functions := []string{"upper", "lower", "to_int", "to_str", "len", "length", "concat", "current_time", "rev", "revision", "abs"}
	tests := []struct {
		word, want string
	}{
		{"uper", "upper"},
		{"upr", ""},
		{"UPPER", "upper"},
		{"toint", "to_int"},
		{"to_itn", "to_int"},
		{"to_strr", "to_str"},
		{"curent_tme", "current_time"},
		{"currenttimes", "current_time"},
		{"lenght", "length"},
		{"lne", "len"},
		{"asb", "abs"},
		{"revison", "revision"},
		{"upper", ""},
		{"", ""},
		{"x", ""},
		{"frobnicate", ""},
		{strings.Repeat("a", 1000), ""},
		{strings.Repeat("é", 60), ""},
	}
	for _, tt := range tests {
		if got := Suggest(tt.word, functions); got != tt.want {
			t.Errorf("Suggest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Suggest("ab", []string{"ac", "ba"}); got != "ba" {
		t.Errorf("two letters: %q", got)
	}
	if got := Suggest("ab", []string{"AB"}); got != "AB" {
		t.Errorf("two letters in another case: %q", got)
	}
	if got := Suggest("größe", []string{"groesse", "grösse", "GRÖßE"}); got != "GRÖßE" {
		t.Errorf("letters outside ASCII: %q", got)
	}
	if got := Suggest("word", []string{strings.Repeat("w", 500), "world", "wore"}); got != "world" {
		t.Errorf("the first of two equally close: %q", got)
	}
}

func TestKeywords(t *testing.T) {
	words := Keywords()
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Errorf("not in order: %v", words)
	}
	for _, w := range []string{"as", "xx", "while", "elif", "elseif", "del", "edel", "norev", "assert"} {
		if !slices.Contains(words, w) {
			t.Errorf("%s is missing", w)
		}
	}
	for _, w := range words {
		if w != strings.ToLower(w) || len(w) > keywordLenMax {
			t.Errorf("%q", w)
		}
		_, diags := Parse("get "+w, Limits{})
		if soft := SoftKeyword(w); soft != (len(diags) == 0) {
			t.Errorf("%s as a key: %v", w, diags)
		}
		if _, diags := Parse("get `"+w+"`", Limits{}); len(diags) > 0 {
			t.Errorf("%s between backticks: %v", w, diags)
		}
		if lookup(strings.ToUpper(w)) != lookup(w) {
			t.Errorf("%s in capitals is another word", w)
		}
	}
	if words[0] = ""; Keywords()[0] == "" {
		t.Error("the list is shared")
	}
}

// everything is a script that has every node with every field.
const everything = `begin (timeout=@a, locking=optimistic)
let b = c[d]
if e then get (f) at g elseif not h then exists (i) as of j else throw k end
switch l case m, n then get by bucket (o) as of p else sleep q end
for r in s..t do while u do break continue end end
assert v, w
set (x) y ex z cmp [aa, (bb)] nx cmprev cc + dd
delete (ee) extend (ff) gg
return hh && !ii ?? jj(kk, set (ll) mm)
commit rollback return throw not set sleep null assert true, 1.5 throw 'x'
end`

func TestWalk(t *testing.T) {
	s, diags := Parse(everything, Limits{})
	if s == nil {
		t.Fatal(diags)
	}
	var names []string
	kinds := map[string]int{}
	Walk(s, func(n any) bool {
		kinds[strings.TrimPrefix(fmt.Sprintf("%T", n), "*syntax.")]++
		switch n := n.(type) {
		case *Ident:
			names = append(names, n.Name)
		case *Placeholder:
			names = append(names, n.Name)
		}
		return true
	})
	want := strings.Fields("a c d e f g h i j k l m n o p q s t u v w x y z aa bb cc dd ee ff gg hh ii jj kk ll mm")
	want = slices.DeleteFunc(want, func(s string) bool { return s == "jj" }) // a function
	if !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	for _, k := range strings.Fields(`Script Option CommandStmt Let If Switch For While Break Continue Commit Rollback
		Return Throw Assert Sleep NullLit BoolLit IntLit FloatLit StringLit Placeholder Ident Call Unary Binary
		Logical Range Index ArrayLit Paren Guard Get Exists Multi Set Delete Extend`) {
		if kinds[k] == 0 && k != "IntLit" {
			t.Errorf("no %s was visited", k)
		}
	}
}

func TestWalkStops(t *testing.T) {
	s, _ := Parse("if a then return b end return (c)", Limits{})
	var seen []string
	visit := func(n any) bool {
		seen = append(seen, strings.TrimPrefix(fmt.Sprintf("%T", n), "*syntax."))
		_, paren := n.(*Paren)
		_, chain := n.(*If)
		return !paren && !chain
	}
	Walk(s.Body, visit)
	if want := []string{"If", "Return", "Paren"}; !slices.Equal(seen, want) {
		t.Errorf("visited %v, want %v", seen, want)
	}
	seen = nil
	for _, n := range []any{nil, (*Script)(nil), (*Option)(nil), []Stmt(nil), 5} {
		Walk(n, visit)
	}
	if len(seen) > 0 {
		t.Errorf("visited %v of nothing", seen)
	}
}

// TestPositions checks the tokens that nodes point at.
func TestPositions(t *testing.T) {
	tests := []struct{ src, want string }{
		{"return a + b", "+"},
		{"return a && b", "&&"},
		{"return a ?? b", "??"},
		{"return a .. b", ".."},
		{"return !a", "!"},
		{"return not a == b", "not a == b"},
		{"return a[0]", "[0]"},
		{"return f(x)", "f(x)"},
		{"return (a)", "(a)"},
		{"return [a]", "[a]"},
		{"return get k", "get k"},
		{"return not set", "not set"},
		{"return - 9223372036854775808", "- 9223372036854775808"},
		{"return @x", "@x"},
	}
	for _, tt := range tests {
		s, diags := Parse(tt.src, Limits{})
		if s == nil {
			t.Fatal(diags)
		}
		pos := s.Body[0].(*Return).X.Position()
		if got := tt.src[pos.Offset:]; !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: at %q, want %q", tt.src, got, tt.want)
		}
	}
	s, _ := Parse(everything, Limits{})
	Walk(s, func(n any) bool {
		p, ok := n.(interface{ Position() Pos })
		if ok && p.Position() != place(s.Source, p.Position().Offset) {
			t.Errorf("%T at %v", n, p.Position())
		}
		return true
	})
}
