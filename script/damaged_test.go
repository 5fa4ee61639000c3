package script_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/script"
)

// sourceToken cuts a generated script into about its tokens.
var sourceToken = regexp.MustCompile("'[^']*'|`[^`]*`|@?\\w+|\\S")

// junk is what a token is replaced with.
var junk = []string{"", ")", "(", "then", "end", "do", "$", "'", "=", "let", "1", "nx", "%", "begin", "zzz", "]", ",", "if", "else", "{"}

// TestDamagedScripts breaks correct scripts in one place: whatever is said about
// them, a variable that is plainly assigned is not called undefined, and no
// function unknown (Invariant CHECK-1).
func TestDamagedScripts(t *testing.T) {
	damaged := 0
	rapid.Check(t, func(t *rapid.T) {
		g := generator{pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }}
		source := g.script()
		if _, err := script.Compile(source, nil); err != nil {
			return
		}
		for range 20 {
			place := rapid.SampledFrom(sourceToken.FindAllStringIndex(source, -1)).Draw(t, "place")
			with := rapid.SampledFrom(junk).Draw(t, "junk")
			broken := source[:place[0]] + " " + with + " " + source[place[1]:]
			read := broken
			if source[place[0]:place[1]] == "let" && (with == "" || with == "zzz") {
				read = source // an assignment that only lacks its word
			}
			diags := script.CheckSource(broken, nil)
			for _, d := range diags {
				if name, ok := strings.CutPrefix(d.Message, "undefined variable '"); ok && assigns(read, strings.TrimSuffix(name, "'")) {
					t.Fatalf("%q in\n%s\nwas\n%s", d.Text(), broken, source)
				}
				if d.Code == script.CodeUnknownFunction && !strings.Contains(d.Message, "'zzz'") {
					t.Fatalf("%q in\n%s\nwas\n%s", d.Text(), broken, source)
				}
			}
			if len(diags) > 0 {
				damaged++
			}
		}
	})
	if damaged < 200 {
		t.Fatalf("did too little: %d scripts are damaged", damaged)
	}
}

// assigns reports whether anybody who reads source would say that it assigns
// the variable.
func assigns(source, name string) bool {
	return regexp.MustCompile(`\b(let|for)\s+` + name + `\b`).MatchString(source)
}
