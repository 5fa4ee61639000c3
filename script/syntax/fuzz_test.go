package syntax

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are small scripts that touch every part of the language, right and
// wrong; the corpus in testdata/fuzz adds what fuzzing found.
func seeds(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	var list []string
	for _, name := range files {
		for _, c := range readCases(t, name) {
			list = append(list, c.text)
		}
	}
	for _, text := range specExamples() {
		for _, l := range strings.Split(text, "\n") {
			if s, ok := strings.CutPrefix(l, "script: "); ok {
				list = append(list, strings.ReplaceAll(s, "⏎", "\n"))
			}
		}
	}
	return list
}

func FuzzScan(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if !utf8.ValidString(src) {
			return
		}
		errs := &errorList{}
		sc := newScanner(src, errs)
		sc.comments = true
		at := int32(0)
		for {
			tok := sc.next()
			if tok.kind == tEOF {
				break
			}
			if tok.pos.Offset < at || tok.end <= tok.pos.Offset {
				t.Fatalf("token at %d..%d after %d", tok.pos.Offset, tok.end, at)
			}
			if gap := src[at:tok.pos.Offset]; strings.Trim(gap, " \t\n\r\f\v") != "" {
				t.Fatalf("skipped %q", gap)
			}
			if want := place(src, tok.pos.Offset); tok.pos != want {
				t.Fatalf("token %q at %+v, want %+v", src[tok.pos.Offset:tok.end], tok.pos, want)
			}
			at = tok.end
		}
		for _, d := range errs.list {
			if want := place(src, d.Pos.Offset); d.Pos != want {
				t.Fatalf("%s at %+v, want %+v", d.Message, d.Pos, want)
			}
		}
	})
}

// place computes a position from its offset, slowly.
func place(src string, offset int32) Pos {
	p := Pos{Offset: offset, Line: 1, Column: 1}
	for i, r := range src[:offset] {
		switch {
		case r == '\n' && i > 0 && src[i-1] == '\r':
			p.Column = 1
		case r == '\n' || r == '\r':
			p.Line++
			p.Column = 1
		default:
			p.Column++
		}
	}
	return p
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) { checkParse(t, src) })
}

// heightFactor is how many nodes deep a tree may be for each level of nesting
// (Invariant SYN-2).
const heightFactor = 10

// checkParse checks Invariants SYN-1 and SYN-2 for any src.
func checkParse(t *testing.T, src string) {
	t.Helper()
	s, diags := Parse(src, Limits{})
	if (s == nil) != (len(diags) > 0) {
		t.Fatalf("script %v with %d diagnostics", s != nil, len(diags))
	}
	Complete(src)
	checkPartial(t, src, diags)
	if s != nil {
		if h := height(s); h > heightFactor*defaultNesting {
			t.Fatalf("tree is %d high", h)
		}
		return
	}
	if len(diags) > errorsMax {
		t.Fatalf("%d diagnostics", len(diags))
	}
	body := strings.TrimPrefix(src, byteOrderMark)
	last := int32(-1)
	for _, d := range diags {
		if d.Pos.Offset <= last {
			t.Fatalf("%q at %d, after one at %d", d.Message, d.Pos.Offset, last)
		}
		last = d.Pos.Offset
		if strings.ContainsAny(d.Text(), "\r\n") || !utf8.ValidString(d.Text()) {
			t.Fatalf("message of several lines: %q", d.Text())
		}
		if (d.Code == CodeSyntax) != strings.HasPrefix(d.Message, errorPrefix) || d.Severity != Error {
			t.Fatalf("%+v", d)
		}
		if !utf8.ValidString(body[:d.Pos.Offset]) {
			t.Fatalf("%+v is inside a character", d)
		}
		if want := place(body, d.Pos.Offset); d.Pos != want {
			t.Fatalf("%q at %+v, want %+v", d.Message, d.Pos, want)
		}
	}
}

// checkPartial checks what ParsePartial promises for any src with the given
// diagnostics.
func checkPartial(t *testing.T, src string, want []Diagnostic) {
	t.Helper()
	s, diags := ParsePartial(src, Limits{})
	if s == nil || !slices.Equal(diags, want) {
		t.Fatalf("partial tree %v, diagnostics %v, want %v", s != nil, diags, want)
	}
	if len(diags) == 0 && (s.Partial || len(s.Gaps) > 0) {
		t.Fatalf("a correct script is partial: %v", s.Gaps)
	}
	for _, g := range s.Gaps {
		if g.From >= g.To || g.From < 0 || int(g.To) > len(s.Source) {
			t.Fatalf("gap %v in %d bytes", g, len(s.Source))
		}
	}
	Walk(s, func(n any) bool {
		if p, ok := n.(interface{ Position() Pos }); ok && !p.Position().IsValid() {
			t.Fatalf("%T without a position", n)
		}
		return true
	})
}

// height returns the number of nodes on the longest path of s, where all
// operators in a row count as one.
func height(s *Script) int {
	deepest := 0
	var visit func(n any, depth int)
	visit = func(n any, depth int) {
		deepest = max(deepest, depth)
		for {
			x, _ := n.(Expr)
			left, right, ok := Operands(x)
			if !ok {
				break
			}
			n = left
			if l, ok := x.(*Logical); ok && l.Op == Coalesce {
				visit(left, depth+1)
				n = right
				continue
			}
			visit(right, depth+1)
		}
		deepest = max(deepest, depth)
		inner := true
		Walk(n, func(m any) bool {
			if inner { // n itself
				inner = false
				return true
			}
			visit(m, depth+1)
			return false
		})
	}
	visit(s, 1)
	return deepest
}

func FuzzFormat(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if s, _ := Parse(src, Limits{}); s == nil {
			if out, diags := Format(src); out != src || len(diags) == 0 {
				t.Fatalf("a faulty script was formatted: %q", out)
			}
			return
		}
		checkFormat(t, src)
	})
}
