package script_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/examples"
	"kahuna/script"
	"kahuna/script/syntax"
)

// sourceToken cuts a generated script into about its tokens.
var sourceToken = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`|@?\\w+|\\S")

// command matches what stands before a key, or a name that is no variable.
var command = regexp.MustCompile(`^(e?(get|exists|scan|set|delete|extend)|\.)$`)

// junk is what a token is replaced with.
var junk = []string{"", ")", "(", "then", "end", "do", "$", "'", "=", "let", "1", "nx", "%", "begin", "zzz", "]", ",", "if", "else", "{"}

// TestDamagedScripts breaks correct scripts in one place: whatever is said about
// them, a variable that is plainly assigned is not called undefined, and where
// the form is broken nothing is held against names that were right (Invariant
// CHECK-1). Where it is not, they are judged as they stand: "case x, (0)"
// without its comma is a call of x, and nothing is left to be in doubt about.
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
			// "if a (1)" on a line lacks a then, and calls a; ".a" as "if a" reads it.
			head := with == "if" && command.MatchString(source[place[0]:place[1]])
			diags := script.CheckSource(broken, nil)
			tree, _ := syntax.ParsePartial(broken, syntax.Limits{})
			for _, d := range diags {
				if name, ok := strings.CutPrefix(d.Message, "undefined variable '"); ok && assigns(read, strings.TrimSuffix(name, "'")) {
					t.Fatalf("%q in\n%s\nwas\n%s", d.Text(), broken, source)
				}
				if tree.Partial && !head && blamesName(d) {
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

// blamesName reports whether d is about the use of a name that the generator
// never uses so: a key or keyword read as a variable, an unknown function, or
// one with too few arguments.
func blamesName(d syntax.Diagnostic) bool {
	switch d.Code {
	case script.CodeUndefinedVariable:
		name := strings.Split(d.Message, "'")[1]
		return slices.Contains(genKeys, name) || syntax.SoftKeyword(name)
	case script.CodeUnknownFunction:
		return !strings.Contains(d.Message, "'zzz'")
	}
	return d.Code == script.CodeArity
}

// assigns reports whether anybody who reads source would say that it assigns
// the variable.
func assigns(source, name string) bool {
	return regexp.MustCompile(`\b(let|for)\s+` + name + `\b`).MatchString(source)
}

var comment = regexp.MustCompile(`(?m)^\s*#.*$`)

// TestOneMistake breaks the examples in one place: one mistake is told once.
// Where it is not, the second message is what a reader could say too; that is
// so for one place in fifty, half of an operator say.
func TestOneMistake(t *testing.T) {
	files, err := fs.Glob(examples.FS(), "*.kh")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	broken, more := 0, []string(nil)
	for _, name := range files {
		text, err := fs.ReadFile(examples.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		source := comment.ReplaceAllString(string(text), "")
		for _, place := range sourceToken.FindAllStringIndex(source, -1) {
			for _, with := range []string{"", "x", "foo", ")", "$", ":", "nil"} {
				var errs []string
				for _, d := range script.CheckSource(source[:place[0]]+with+source[place[1]:], nil) {
					if d.Severity == syntax.Error {
						errs = append(errs, d.Text())
					}
				}
				switch len(errs) {
				case 0:
					continue
				case 1:
				case 2:
					more = append(more, strings.Join(errs, "\n"))
				default:
					t.Errorf("%s: %q for %q: %q", name, with, source[place[0]:place[1]], errs)
				}
				broken++
			}
		}
	}
	if broken < 2000 || len(more) > broken/50 {
		t.Errorf("%d of %d broken scripts have two errors:\n%s", len(more), broken, strings.Join(more, "\n\n"))
	}
}

// TestDoubtfulCall checks that a call whose arguments are broken is not also
// blamed for their number.
func TestDoubtfulCall(t *testing.T) {
	for _, source := range []string{
		"let x = append([1] = eset c 1 nx)",
		"let x = append([1] := 2)",
	} {
		diags := script.CheckSource(source, nil)
		if len(diags) != 1 || diags[0].Code != script.CodeSyntax {
			t.Errorf("%s: %v; want one syntax error", source, diags)
		}
	}
}
