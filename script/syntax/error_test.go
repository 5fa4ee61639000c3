package syntax

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the test files with what is found")

// TestErrors parses the scripts in testdata/errors. Each shows its expected
// diagnostics between « and », right before the place they point at; what
// stands there is no part of the script. The words "Syntax error: " are left
// out, another code than syntax stands in front: «limit! nested deeper ...».
func TestErrors(t *testing.T) {
	files, _ := filepath.Glob("testdata/errors/*.txt")
	if len(files) == 0 {
		t.Fatal("no test files")
	}
	for _, file := range files {
		var out strings.Builder
		for _, c := range readCases(t, file) {
			src := unescape.Replace(unmark(c.text))
			s, diags := Parse(src, Limits{})
			got := mark(strings.TrimPrefix(src, byteOrderMark), diags)
			if *update {
				out.WriteString("== " + c.name + "\n" + escape.Replace(got) + "\n")
				continue
			}
			if want := strings.TrimPrefix(unescape.Replace(c.text), byteOrderMark); got != want {
				t.Errorf("%s: %s\n--- got\n%s\n--- want\n%s", filepath.Base(file), c.name, got, want)
			}
			if s != nil {
				t.Errorf("%s: %s: there is a tree", filepath.Base(file), c.name)
			}
			checkParse(t, src)
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// unmark removes the expected diagnostics from a test case.
func unmark(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "«")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, "»")
	}
}

// mark inserts diagnostics into the source they belong to.
func mark(src string, diags []Diagnostic) string {
	var b strings.Builder
	at := int32(0)
	for _, d := range diags {
		b.WriteString(src[at:d.Pos.Offset])
		at = d.Pos.Offset
		b.WriteString("«")
		if d.Code != CodeSyntax {
			b.WriteString(string(d.Code) + "! ")
		}
		b.WriteString(strings.TrimPrefix(d.Text(), errorPrefix) + "»")
	}
	return b.String() + src[at:]
}
