package syntax

import (
	"strings"
	"testing"
)

// fill returns unit, repeated to size bytes.
func fill(unit string, size int) string { return strings.Repeat(unit, size/len(unit)) }

// TestHostileInputs parses, completes and formats texts that are as large as
// is allowed and as one-sided as can be. They are to return, whatever they
// return: a stack that overflows or a quadratic loop would not.
func TestHostileInputs(t *testing.T) {
	units := []string{
		"(", "[", "not ", "!", "-", "a ?? ", "1 + ", "1 .. ", "a[0]", "[", "a(", "get (", "get k at ", "set k (set k ",
		"if true then ", "while a do ", "for i in a do ", "switch a case 1 then ", "if a then x elseif ",
		"if a then elseif ", "elseif ", "else ", "end ", "case 1 then ", "then ", "do ", "begin ", "begin (",
		"#", "#\n", "\"", "'", "`", "\"\\", "'\\", "`\n", "$", "${", "{", "}", ";", "\r", "\n", "\t", "\"\n\" ", "'a' ",
		"@", "@a ", "1", "1.", ".", "..", "0x", "1e", "9", "é", "\u00a0", "x ", "x = ", "x += ", "retrun ", "elsif ", "fi ",
		"return ", "break ", "let ", "let x = ", "set k 1 ", "set k 1 nx ", "set k 1 ex ", "nx ", "get by ", "scan by prefix ",
		"a and ", "return 1 and ", "== ", "=== ", "& ", "? ", ": ", ":= ", "// ", "-- ", "return 5 // ", "commit ", "assert a, ",
		"return [1, ", "return f(1, ", "return a", "return (a ?? (",
		"{\"", "{a:", "{a: {", "{}", "{'x': 1} ", "foo ", "foo \"\n", "fro a ", "fro a 'x' ", "fro a {\" ", "lett a = ", "print ", "print\n",
		"try ", "try\n", "unless a then ", "function f(", "function f() ", "repeat ", "catch ", "try catch ", "a == b then ",
		"f(a) do ", "if a: ", "if a:\n", "a.b(", "x++ ", "set a-b 1 ", "set a = ", "'a'b", "=> ", "a is not ",
	}
	for _, u := range units {
		for _, prefix := range []string{"", "return "} {
			src := prefix + fill(u, defaultSourceBytes-len(prefix))
			Complete(src)
			if s, _ := Parse(src, Limits{Statements: 1 << 30}); s != nil {
				if _, diags := Format(src); len(diags) > 0 {
					t.Errorf("%.40q parses but does not format", src)
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	nest := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	tests := []struct {
		name   string
		src    func(n int) string // a script that needs the limit n
		limits func(n int) Limits
		at     int
		want   string
	}{
		{"parentheses", func(n int) string { return "return " + nest("(", "1", ")", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"arrays", func(n int) string { return "return " + nest("[", "1", "]", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"indexes", func(n int) string { return "return " + nest("a[", "1", "]", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"calls", func(n int) string { return "return " + nest("f(", "", ")", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"not", func(n int) string { return "return " + nest("not ", "a", "", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"minus", func(n int) string { return "return " + nest("-", "a", "", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"at", func(n int) string { return "return " + nest("get k at ", "1", "", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"blocks", func(n int) string { return nest("if a then ", "", " end", n) }, nil, 200, "nested deeper than 200; the limit is Limits.Nesting"},
		{"nesting set", func(n int) string { return "return " + nest("(", "1", ")", n) },
			func(n int) Limits { return Limits{Nesting: n} }, 3, "nested deeper than 3; the limit is Limits.Nesting"},
		{"all operators", func(n int) string { return "return " + nest("1..2||a&&a==a<a??a+a*(", "1", ")", n) }, nil, 200,
			"nested deeper than 200; the limit is Limits.Nesting"},
		{"statements", func(n int) string { return strings.Repeat("sleep 0 ", n) }, nil, 10000,
			"script has more than 10000 statements; the limit is Limits.Statements"},
		{"bytes", func(n int) string { return "return 1" + strings.Repeat(" ", n-8) }, nil, 256 << 10,
			"script is longer than 262144 bytes; the limit is Limits.SourceBytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := Limits{}
			if tt.limits != nil {
				limits = tt.limits(tt.at)
			}
			s, diags := Parse(tt.src(tt.at), limits)
			if s == nil {
				t.Fatalf("at the limit: %v", diags)
			}
			if h := height(s); h > heightFactor*limits.withDefaults().Nesting+2 {
				t.Errorf("tree is %d high", h)
			}
			_, diags = Parse(tt.src(tt.at+1), limits)
			if len(diags) != 1 || diags[0].Code != CodeLimit || diags[0].Text() != tt.want || !diags[0].Pos.IsValid() {
				t.Errorf("beyond the limit: %v, want %s", diags, tt.want)
			}
		})
	}
}

// TestChainsDoNotNest checks that what is long, but not deep, is no nesting.
func TestChainsDoNotNest(t *testing.T) {
	for _, src := range []string{
		"if a then" + strings.Repeat(" return elseif a then", 2000) + " end",
		"switch a" + strings.Repeat(" case 1 then", 2000) + " end",
		"switch a case 1" + strings.Repeat(", 1", 2000) + " then end",
		"return [1" + strings.Repeat(", 1 + 1", 20000) + "]",
		"return a == 1" + strings.Repeat(" || a == 1", 20000),
		"return 1" + strings.Repeat(" + 1", 60000),
		"return a" + strings.Repeat(" ?? a", 50000),
		"return a" + strings.Repeat("[0]", 80000),
		"return 1" + strings.Repeat(" + 1 ?? 2", 20000),
		strings.Repeat("if a then end ", 5000),
	} {
		if _, diags := Parse(src, Limits{}); len(diags) > 0 {
			t.Errorf("%.30s: %v", src, diags)
		}
	}
}
