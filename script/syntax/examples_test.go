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
	if len(specExamples()) == 0 {
		t.Log("the specification is not part of this checkout")
	}
	for id, rest := range specExamples() {
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
			if s == nil && !strings.HasPrefix(result, "Errored "+string(diags[0].Code)) {
				t.Errorf("%s: %s\n%v", id, src, diags)
				continue
			}
			if s != nil {
				checkFormat(t, src)
			}
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

// specExamples returns the examples of the language specification by their
// names. What is in the second file takes the place of what is in the first.
func specExamples() map[string]string {
	examples := map[string]string{}
	for _, file := range []string{"examples.txt", "examples-additions.txt"} {
		text, err := os.ReadFile("../../../shared/spec/" + file)
		if err != nil {
			continue
		}
		for _, example := range strings.Split(string(text), "\nexample ")[1:] {
			id, rest, _ := strings.Cut(example, "\n")
			examples[id] = rest
		}
	}
	return examples
}
