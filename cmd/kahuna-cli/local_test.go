package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// told runs lines in the shell and returns what it prints, without times.
func told(t *testing.T, lines ...any) string {
	t.Helper()
	c, _, _ := newShell(t)
	var all buffer
	c.stdout, c.stderr = &all, &all
	c.session(context.Background(), &plainEditor{c: c, lines: &typist{lines: lines}, prompts: io.Discard}, io.Discard)
	return regexp.MustCompile(`[\d.]+(ms|µs|s)\b`).ReplaceAllString(all.String(), "0ms")
}

func TestParams(t *testing.T) {
	if got, want := told(t, "params", "param name=Ada", "param n:=3", ":param tags:=[\"a\",null]", "params", "return concat(@name, @n)", "param name:=null", "params", "param", "param n:={"),
		`@n = 3
@name = "Ada"
@tags = ["a",null]
r- Ada3 0ms
@n = 3
@name = null
@tags = ["a",null]
`; !strings.HasPrefix(got, want) || !strings.Contains(got, "param : write name=value, name:=JSON or name=@file") || !strings.Contains(got, "is not JSON") {
		t.Errorf("%s\nwant first\n%s", got, want)
	}
}

func TestTiming(t *testing.T) {
	want := "r- 1 0ms\ntiming is on\nr- 2 0ms\ntook 0ms\nerror: no\n  1 | throw \"no\"\n    | ^\ntook 0ms\ntiming is off\nr- 3 0ms\n"
	if got := told(t, "return 1", "timing", "return 2", `throw "no"`, `\timing`, "return 3"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestEdit(t *testing.T) {
	program := filepath.Join(t.TempDir(), "my editor")
	edit := func(script string) {
		t.Helper()
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("EDITOR", "'"+program+"'")
	t.Setenv("VISUAL", "")
	// It begins with the last script, and what was saved is shown and run.
	edit(`sed -i 's/1/2/' "$1"; echo 'return concat("n is ", get n)' >>"$1"`)
	if got, want := told(t, "set n 1;", "edit"), "r0 set 0ms\nset n 2;return concat(\"n is \", get n)\nr- n is 2 0ms\n"; strings.ReplaceAll(got, ";\n", ";") != want {
		t.Errorf("%q, want %q", got, want)
	}
	edit(`: >"$1"`)
	if got, want := told(t, "edit", "return 1"), "r- 1 0ms\n"; got != want {
		t.Errorf("an empty file: %q, want %q", got, want)
	}
	edit("exit 3")
	if got := told(t, "set n 1", "edit", "get n"); !strings.Contains(got, "my editor': exit status 3; nothing was run\nr0 1 0ms\n") {
		t.Errorf("an editor that fails: %q", got)
	}
	// $VISUAL comes before $EDITOR, and may have arguments.
	t.Setenv("VISUAL", "sh -c 'echo return 7 >\"$0\"'")
	if got, want := told(t, "edit"), "return 7\nr- 7 0ms\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every keyword, function and command of the shell has a help of its own.
func TestHelpOn(t *testing.T) {
	for _, name := range helpNames() {
		if helpOn(name) == "" {
			t.Errorf("there is no help on %s", name)
		}
	}
	for name, want := range map[string]string{
		"help":          "  run FILE [-p NAME=VALUE]  run a file",
		"help help":     "help [NAME]\n  this text, or what a keyword, function or command does\n",
		"help to_long":  "to_int(x), to_integer(x), to_long(x), to_number(x)\n  x as an int64\n",
		"help to_json":  "to_json(x)\n  the JSON text of a value; an error for a text that is not UTF-8\n",
		"help PUSH()":   "append(a, x, ...), push(a, x, ...)\n  a with elements added at its end; an array is added as one element\n",
		"help run":      "run FILE [-p NAME=VALUE]\n",
		"help keepttl":  "set key value writes a key.",
		"help limit":    "You group keys by slashes in their names.",
		"help snapshot": "kahuna-cli: there is no help on snapshot; help names what there is\n",
		"help serach":   "kahuna-cli: there is no help on serach; ",
		"help sord":     "did you mean sort?",
		"timming":       "did you mean timing?",
	} {
		if got := told(t, name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, word := range []string{"**", "](", "```"} { // of Markdown
		for _, name := range helpNames() {
			if text := helpOn(name); strings.Contains(text, word) {
				t.Errorf("help %s shows %q:\n%s", name, word, text)
			}
		}
	}
}

// TestHistoryHasNoValues enters values of parameters in all the ways there are,
// and some that there are not.
func TestHistoryHasNoValues(t *testing.T) {
	for entry, want := range map[string]string{
		"param pw=S":                         "",
		"parm pw=S":                          "",
		"set-param pw:=S":                    "",
		"run a.kh -p pw=S":                   "run a.kh",
		"run a.kh --param pw=S":              "run a.kh",
		"run a.kh --param=pw=S -p x=1":       "run a.kh",
		"run a.kh -ppw=S":                    "run a.kh",
		"rum a.kh -p pw=S":                   "",
		"kahuna-cli --param=pw=S -e 'get k'": "",
		"run a-param.kh":                     "run a-param.kh",
		"set k 'a=b'":                        "set k 'a=b'",
		"let x=5 return x":                   "let x=5 return x",
		"# x=5\nreturn 5":                    "# x=5\nreturn 5",
		"hlep":                               "hlep",
	} {
		if got := withoutValues(entry); got != want {
			t.Errorf("%q is kept as %q, want %q", entry, got, want)
		}
	}
}

// TestParamsOfRun takes parameters in every form of the command line.
func TestParamsOfRun(t *testing.T) {
	for rest, want := range map[string][]string{
		"a b.kh -p x=1 2 -p 'y=3'":       {"a b.kh", "x=1 2", "y=3"},
		"a.kh --param x=1 --param=y=-p2": {"a.kh", "x=1", "y=-p2"},
		"a.kh -px=1 -p y:=[1]":           {"a.kh", "x=1", "y:=[1]"},
		"a.kh":                           {"a.kh"},
	} {
		file, params := cutParams(rest)
		if got := append([]string{file}, params...); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", rest, got, want)
		}
	}
}

// TestHelpShowsExamplesAsTheyAre compares an example with the language reference.
func TestHelpShowsExamplesAsTheyAre(t *testing.T) {
	if text := helpOn("limit"); !strings.Contains(text, "set `jobs/001` \"mail\"") {
		t.Errorf("the example has lost its quotes:\n%s", text)
	}
	if text := helpOn("limit"); strings.Contains(text, "```") || strings.Contains(text, "`limit") {
		t.Errorf("text has marks of Markdown:\n%s", text)
	}
}
