// Package docs tests the documentation: every example in it runs.
package docs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kahuna"
	"kahuna/internal/console"
	"kahuna/script"
)

var update = flag.Bool("update", false, "write what the examples print into the pages")

// An example is a fenced block marked kahuna. Lines "# with name = value" at
// its beginning are parameters; lines "# prints ..." at its end are what the
// console prints, without the time. The blocks below one heading share a store.
var (
	elapsed = regexp.MustCompile(`(^| )\d+ms$`)
	clock   = regexp.MustCompile(`1[6-9]\d{11}`)
)

func TestExamples(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join("..", "README.md"))
	total := 0
	for _, page := range pages {
		t.Run(page, func(t *testing.T) { total += examples(t, page) })
	}
	if total < 45 {
		t.Errorf("only %d examples were run", total)
	}
}

func examples(t *testing.T, page string) (ran int) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var db *kahuna.DB
	fresh := func() {
		if db != nil {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if db, err = kahuna.OpenMemory(nil); err != nil {
			t.Fatal(err)
		}
	}
	fresh()
	defer func() { _ = db.Close() }()
	var out, block []string
	inside, marked := false, false
	for no, line := range strings.Split(string(data), "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !inside:
			inside, marked = true, line == "```kahuna"
			block = nil
		case strings.HasPrefix(line, "```"):
			inside = false
			if marked {
				ran++
				block = runExample(t, db, page, no+1, block)
				out = append(out, block...)
			}
		case inside && marked:
			block = append(block, line)
			continue
		case !inside && strings.HasPrefix(line, "#"):
			fresh()
		}
		out = append(out, line)
	}
	if *update {
		if err := os.WriteFile(page, []byte(strings.Join(out, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return ran
}

// runExample runs one block and returns it as it should be.
func runExample(t *testing.T, db *kahuna.DB, page string, line int, block []string) []string {
	t.Helper()
	params := kahuna.Params{}
	n := len(block)
	for n > 0 && strings.HasPrefix(block[n-1], "# prints") {
		n--
	}
	for _, l := range block[:n] {
		if rest, ok := strings.CutPrefix(l, "# with "); ok {
			name, value, _ := strings.Cut(rest, " = ")
			params[name] = value
		}
	}
	source := strings.Join(block[:n], "\n")
	res, err := db.Run(context.Background(), source, params)
	var b bytes.Buffer
	var e *kahuna.Error
	if errors.As(err, &e) && len(e.Diagnostics) > 1 {
		for _, d := range e.Diagnostics { // as kahuna-cli does
			line, column := int(d.Pos.Line), int(d.Pos.Column)
			fmt.Fprintln(&b, script.Frame("error: "+d.Text(), block[line-1], line, column))
		}
	} else if err := console.Render(&b, res, err, 0); err != nil {
		t.Fatal(err)
	}
	want := append([]string(nil), block[:n]...)
	for _, l := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		l = clock.ReplaceAllString(elapsed.ReplaceAllString(l, ""), "1764000000000")
		if l != "" {
			want = append(want, strings.TrimRight("# prints "+l, " "))
		}
	}
	if got := strings.Join(block, "\n"); !*update && got != strings.Join(want, "\n") {
		t.Errorf("%s:%d: the example should read\n%s\nnot\n%s", page, line, strings.Join(want, "\n"), got)
	}
	return want
}
