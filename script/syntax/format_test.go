package syntax

import (
	"strings"
	"testing"
)

// checkFormat checks Invariant SYN-3 for the correct script src.
func checkFormat(t *testing.T, src string) {
	t.Helper()
	limits := Limits{SourceBytes: 1 << 30, Statements: 1 << 30}
	before, diags := Parse(src, limits)
	if before == nil {
		t.Fatalf("does not parse: %v\n%s", diags, src)
	}
	once, diags := Format(src)
	if len(diags) > 0 {
		t.Fatalf("does not format: %v\n%s", diags, src)
	}
	after, diags := Parse(once, limits)
	if after == nil {
		t.Fatalf("does not parse once formatted: %v\n%s\n---\n%s", diags, src, once)
	}
	if b, a := dumpScript(before), dumpScript(after); b != a {
		t.Fatalf("another tree once formatted:\n%s\n%s\n%s\n---\n%s", b, a, src, once)
	}
	if b, a := comments(src), comments(once); b != a {
		t.Fatalf("other comments once formatted:\n%s\n---\n%s", b, a)
	}
	if twice, _ := Format(once); twice != once {
		t.Fatalf("formatted again it changes:\n%s\n---\n%s\n---\n%s", src, once, twice)
	}
}

// comments returns the comments of src, one a line.
func comments(src string) string {
	sc := newScanner(strings.TrimPrefix(src, byteOrderMark), &errorList{})
	sc.comments = true
	var b strings.Builder
	for t := sc.next(); t.kind != tEOF; t = sc.next() {
		if t.kind == tComment {
			b.WriteString(strings.TrimRight(sc.src[t.pos.Offset:t.end], " \t\f\v") + "\n")
		}
	}
	return b.String()
}
