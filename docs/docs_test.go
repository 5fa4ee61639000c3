// Package docs tests the documentation: what it shows is run, and what it
// lists is complete.
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
	"time"

	"kahuna"
	"kahuna/internal/answer"
	"kahuna/internal/console"
	"kahuna/script"
)

var update = flag.Bool("update", false, "write what the examples print into the pages")

// The pages, from here.
func pages(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(names, filepath.Join("..", "README.md"), filepath.Join("..", "CHANGELOG.md"))
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// An example is a fenced block of one of two kinds; all others are only text.
//
//   - kahuna: one script. Lines "# with name = value" are its parameters;
//     lines "# prints ..." at its end are what the console prints.
//   - console: a session of the shell. What follows the prompt is a script,
//     what follows that is what the shell prints.
//
// Elapsed times are left out, or not compared; a time of day is written as
// 1764000000000. The examples below one heading share a store.
const (
	prompt  = "kahuna-cli> "
	moment  = "1764000000000"
	started = "$ "
)

var (
	elapsed = regexp.MustCompile(`(^| )\d+ms$`)
	clock   = regexp.MustCompile(`1[6-9]\d{11}`)
)

func TestExamples(t *testing.T) {
	total := 0
	for _, name := range pages(t) {
		t.Run(name, func(t *testing.T) {
			p := page{t: t, name: name}
			p.run(read(t, name))
			total += p.ran
			if *update && p.changed {
				if err := os.WriteFile(name, []byte(strings.Join(p.out, "\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if total < 100 {
		t.Errorf("only %d examples were run", total)
	}
}

// page is the run of one page's examples.
type page struct {
	t       *testing.T
	name    string
	db      *kahuna.DB
	out     []string // the page as it should be
	changed bool
	ran     int
}

func (p *page) run(text string) {
	p.fresh()
	defer func() { p.close() }()
	var block []string
	var kind string
	inside, first := false, 0
	for no, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !inside:
			inside, kind, block, first = true, line[3:], nil, no+2
			p.out = append(p.out, line)
		case strings.HasPrefix(line, "```"):
			inside = false
			p.example(kind, first, block)
			p.out = append(p.out, line)
		case inside:
			block = append(block, line)
		default:
			if strings.HasPrefix(line, "#") {
				p.fresh()
			}
			p.out = append(p.out, line)
		}
	}
	if inside {
		p.t.Errorf("%s:%d: the block is not closed", p.name, first)
	}
}

func (p *page) fresh() {
	p.close()
	var err error
	if p.db, err = kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) close() {
	if p.db == nil {
		return
	}
	if err := p.db.Close(); err != nil {
		p.t.Error(err)
	}
}

// example runs a block, and compares it with what it should be.
func (p *page) example(kind string, line int, block []string) {
	want := block
	switch kind {
	case "kahuna":
		want = p.script(block)
		p.ran++
	case "console":
		want = p.session(block)
		p.ran++
	case "", "sh", "go", "ebnf", "json", "lua":
	default:
		p.t.Errorf("%s:%d: a block of kind %q", p.name, line, kind)
	}
	p.out = append(p.out, want...)
	if got, want := strings.Join(block, "\n"), strings.Join(want, "\n"); got != want {
		p.changed = true
		if !*update {
			p.t.Errorf("%s:%d: the example should read\n%s\nnot\n%s", p.name, line, want, got)
		}
	}
}

// script runs a kahuna block.
func (p *page) script(block []string) []string {
	params := kahuna.Params{}
	n := len(block)
	for n > 0 && strings.HasPrefix(block[n-1], "# prints") {
		n--
	}
	for _, l := range block[:n] {
		if rest, ok := strings.CutPrefix(l, "# with "); ok {
			name, value, ok := strings.Cut(rest, " =")
			if !ok {
				p.t.Errorf("%s: %q is no parameter", p.name, l)
			}
			params[name] = strings.TrimPrefix(value, " ")
		}
	}
	want := append([]string(nil), block[:n]...)
	for _, l := range p.prints(strings.Join(block[:n], "\n"), params) {
		l = elapsed.ReplaceAllString(l, "")
		if l != "" {
			want = append(want, strings.TrimRight("# prints "+l, " "))
		}
	}
	return want
}

// session runs a console block. A line of the page that differs from the
// shell's only in its time stays.
func (p *page) session(block []string) []string {
	var want []string
	for i := 0; i < len(block); {
		source, ok := strings.CutPrefix(block[i], prompt)
		if !ok {
			if !strings.HasPrefix(block[i], started) {
				p.t.Errorf("%s: %q is neither a command nor a script of the session", p.name, block[i])
			}
			want = append(want, block[i])
			i++
			continue
		}
		want = append(want, block[i])
		var shown []string
		for i++; i < len(block) && !strings.HasPrefix(block[i], prompt); i++ {
			shown = append(shown, block[i])
		}
		for j, l := range p.prints(source, nil) {
			if j < len(shown) && elapsed.ReplaceAllString(shown[j], "$1") == elapsed.ReplaceAllString(l, "$1") {
				l = shown[j]
			}
			want = append(want, l)
		}
	}
	return want
}

// prints runs a script and returns what kahuna-cli shows.
func (p *page) prints(source string, params kahuna.Params) []string {
	res, err := p.db.Run(context.Background(), source, params, nil)
	var b bytes.Buffer
	var e *kahuna.Error
	if errors.As(err, &e) && len(e.Diagnostics) > 1 {
		lines := strings.Split(source, "\n")
		for _, d := range e.Diagnostics {
			line, column := d.Line, d.Column
			fmt.Fprintln(&b, script.Frame("error: "+d.Text(), lines[line-1], line, column))
		}
	} else if err := console.Render(&b, answer.Result(res), err, 0); err != nil {
		p.t.Fatal(err)
	}
	return strings.Split(clock.ReplaceAllString(strings.TrimRight(b.String(), "\n"), moment), "\n")
}
