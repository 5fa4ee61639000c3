package syntax

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestSpecExamples parses the examples of the language specification, where
// its text is at hand: exactly those that expect a syntax error have one, at
// the place they name.
func TestSpecExamples(t *testing.T) {
	text, err := os.ReadFile("../../../shared/spec/examples.txt")
	if err != nil {
		t.Skip("the specification is not part of this checkout")
	}
	for _, example := range strings.Split(string(text), "\nexample ")[1:] {
		id, rest, _ := strings.Cut(example, "\n")
		var src, result string
		for _, l := range strings.Split(rest, "\n") {
			if s, ok := strings.CutPrefix(l, "script: "); ok {
				src = strings.ReplaceAll(s, "⏎", "\n")
			}
			if s, ok := strings.CutPrefix(l, "result: "); ok {
				result = s
			}
		}
		s, diags := Parse(src, Limits{})
		if !strings.HasPrefix(result, "Errored syntax") {
			if s == nil {
				t.Errorf("%s: %s\n%v", id, src, diags)
				continue
			}
			checkFormat(t, src)
			continue
		}
		if s != nil {
			t.Errorf("%s: %s: no error", id, src)
			continue
		}
		d := diags[0]
		if strings.Contains(result, " line ") &&
			!strings.Contains(result+" ", fmt.Sprintf(" line %d column %d ", d.Pos.Line, d.Pos.Column)) {
			t.Errorf("%s: %s: error at %s, want %s", id, src, d.Pos, result)
		}
	}
}
