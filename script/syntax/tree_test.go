package syntax

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrees parses the scripts in testdata/tree; below each stands its tree.
func TestTrees(t *testing.T) {
	golden(t, "testdata/tree/*.txt", func(t *testing.T, src string) string {
		s, diags := Parse(src, Limits{})
		if s == nil {
			t.Errorf("%s\n%v", src, diags)
			return ""
		}
		checkFormat(t, src)
		return strings.ReplaceAll(dumpScript(s), "} {", "}\n  {")
	})
}

// TestFormat formats the scripts in testdata/format.
func TestFormat(t *testing.T) {
	golden(t, "testdata/format/*.txt", func(t *testing.T, src string) string {
		checkFormat(t, src)
		out, _ := Format(src)
		return strings.TrimSuffix(out, "\n")
	})
}

// golden runs f on each case of the files and compares what it returns with
// what stands below the case's line of dashes. A case without such a line is
// a script of one line, its name, and the result.
func golden(t *testing.T, pattern string, f func(t *testing.T, src string) string) {
	files, _ := filepath.Glob(pattern)
	if len(files) == 0 {
		t.Fatal("no test files")
	}
	const dashes = "----\n"
	for _, file := range files {
		var out strings.Builder
		for _, c := range readCases(t, file) {
			src, want, multi := strings.Cut(c.text+"\n", dashes)
			if !multi {
				src, want = c.name, src
			}
			got := escape.Replace(f(t, unescape.Replace(src))) + "\n"
			if *update {
				if multi {
					got = src + dashes + got
				}
				out.WriteString("== " + c.name + "\n" + got)
			} else if got != want {
				t.Errorf("%s: %s\n--- got\n%s\n--- want\n%s", filepath.Base(file), c.name, got, want)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}
