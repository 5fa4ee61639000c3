package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"

	"kahuna/script"
)

// ParseDir parses every *.txtar file of a directory, in the order of their
// names. Scripts that cases take from files are looked up beside them.
func ParseDir(dir fs.FS) ([]Case, error) {
	names, err := fs.Glob(dir, "*.txtar")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("spec: no *.txtar files")
	}
	sort.Strings(names)
	var cases []Case
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		cs, err := Parse(name, string(text), dir)
		if err != nil {
			return nil, err
		}
		cases = append(cases, cs...)
	}
	return cases, nil
}

// Parse parses one file in the format of README.md. dir, where 'file' fields
// find their scripts, may be nil. An error begins with "name:line: ".
func Parse(name, text string, dir fs.FS) ([]Case, error) {
	var cases []Case
	seen := map[string]int{}
	for _, m := range split(text) {
		if line, ok := seen[m.name]; ok {
			return nil, fmt.Errorf("%s:%d: case %q is already on line %d", name, m.line, m.name, line)
		}
		seen[m.name] = m.line
		p := &parser{c: Case{Name: m.name, File: name, Line: m.line}, dir: dir}
		if err := p.member(m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, p.line, err)
		}
		cases = append(cases, p.c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s:1: no cases", name)
	}
	return cases, nil
}

// parser reads the fields of one case.
type parser struct {
	c    Case
	dir  fs.FS
	line int
	// next collects what stands before the script it belongs to.
	next Step
}

// member reads the lines of a case: "field: text", where an empty text is
// followed by lines that begin with '|'.
func (p *parser) member(m member) error {
	for i := 0; i < len(m.lines); i++ {
		p.line = m.line + 1 + i
		line := m.lines[i]
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		field, text, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("expected 'field: text', got %q", line)
		}
		text = strings.TrimPrefix(text, " ")
		if text == "" {
			var block []string
			for i+1 < len(m.lines) && strings.HasPrefix(m.lines[i+1], "|") {
				i++
				block = append(block, strings.TrimPrefix(strings.TrimPrefix(m.lines[i], "|"), " "))
			}
			text = strings.Join(block, "\n")
		}
		if err := p.field(field, text); err != nil {
			return err
		}
	}
	p.line = m.line
	switch {
	case len(p.c.Steps) == 0:
		return fmt.Errorf("case %q runs nothing", p.c.Name)
	case p.next.Params != nil || p.next.Key != "":
		return fmt.Errorf("case %q ends before the script of its last parameters or key", p.c.Name)
	}
	return nil
}

func (p *parser) field(field, text string) (err error) {
	switch field {
	case "given":
		if len(p.c.Steps) > 0 {
			return errors.New("'given' after a script")
		}
		var rows []Row
		rows, err = parseRows(text)
		p.c.Given = append(p.c.Given, rows...)
	case "params":
		var params []Param
		params, err = parseParams(text)
		p.next.Params = append(p.next.Params, params...)
	case "key":
		p.next.Key = text
	case "twice":
		p.next.Key, p.next.Twice = text, true
	case "script":
		p.script(text)
	case "json":
		var source string
		if err = json.Unmarshal([]byte(text), &source); err == nil {
			p.script(source)
		}
	case "bytes":
		c := &cursor{text}
		var source string
		if source, err = c.quoted(); err == nil {
			p.script(source)
		}
	case "file":
		err = p.file(text)
	case "again":
		err = p.again()
	case "eval":
		err = p.eval(text)
	case "wait":
		var d time.Duration
		d, err = time.ParseDuration(text)
		p.c.Steps = append(p.c.Steps, Step{Line: p.line, Wait: d})
	case "mark":
		if !timeText.MatchString("$" + text) {
			return fmt.Errorf("%q is no name for a time", text)
		}
		p.c.Steps = append(p.c.Steps, Step{Line: p.line, Mark: text})
	default:
		return p.want(field, text)
	}
	return err
}

// script ends the step that is being collected.
func (p *parser) script(source string) {
	p.next.Line, p.next.Source = p.line, source
	p.c.Steps = append(p.c.Steps, p.next)
	p.next = Step{}
}

func (p *parser) file(name string) error {
	if p.dir == nil {
		return errors.New("'file' without a directory")
	}
	text, err := fs.ReadFile(p.dir, path.Clean(name))
	if err != nil {
		return err
	}
	p.script(string(text))
	return nil
}

// again repeats the last script, with its parameters unless new ones stand
// before it.
func (p *parser) again() error {
	for i := len(p.c.Steps) - 1; i >= 0; i-- {
		last := p.c.Steps[i]
		if last.Source == "" {
			continue
		}
		if p.next.Params == nil {
			p.next.Params = last.Params
		}
		p.script(last.Source)
		return nil
	}
	return errors.New("'again' before a script")
}

// eval is a whole step in a line: expression => value.
func (p *parser) eval(text string) error {
	i := strings.LastIndex(text, " => ")
	if i < 0 || strings.TrimSpace(text[i+4:]) == "" {
		return errors.New("expected 'expression => value'")
	}
	p.script("return " + text[:i])
	w := &p.c.Steps[len(p.c.Steps)-1].Want
	want := strings.TrimSpace(text[i+4:])
	if failure, ok := strings.CutPrefix(want, "!"); ok {
		return parseFailure(failure, w)
	}
	t := script.TypeGet
	w.Type = &t
	values := []any{want}
	if want == "null" {
		values[0] = nil
	} else if want[0] == '[' || want[0] == '"' {
		if want[0] == '"' {
			want = "[" + want + "]"
		}
		if err := json.Unmarshal([]byte(want), &values); err != nil {
			return fmt.Errorf("%s: %w", want, err)
		}
	}
	for _, v := range values {
		text, ok := v.(string)
		if !ok && v != nil {
			return fmt.Errorf("a value is a text or null, got %v", v)
		}
		w.Entries = append(w.Entries, Entry{Value: text, Null: !ok, Revision: -1})
	}
	return nil
}

// want reads what the last script must answer.
func (p *parser) want(field, text string) (err error) {
	if len(p.c.Steps) == 0 || p.c.Steps[len(p.c.Steps)-1].Source == "" {
		return fmt.Errorf("field %q without a script before it", field)
	}
	w := &p.c.Steps[len(p.c.Steps)-1].Want
	switch field {
	case "result":
		err = parseResult(text, w)
	case "fails":
		err = parseFailure(text, w)
	case "op":
		if text == "none" {
			text = script.OpNone.String()
		}
		op, ok := script.ParseOp(text)
		if !ok {
			err = fmt.Errorf("no command has the name %q", text)
		}
		w.Op = &op
	case "warnings":
		var ws []Warning
		ws, err = parseWarnings(text)
		if w.Warnings != nil {
			ws = append(*w.Warnings, ws...)
		}
		w.Warnings = &ws
	case "console":
		w.Console = &text
	case "state":
		err = parseState(text, w)
	default:
		return fmt.Errorf("unknown field %q", field)
	}
	if err == nil && w.Code != "" && w.Type != nil {
		return errors.New("a script has a result or fails, not both")
	}
	return err
}

// parseState reads rows, 'none', or rows after 'only'.
func parseState(text string, w *Want) error {
	if text == "none" {
		w.Only = true
		return nil
	}
	if rest, ok := strings.CutPrefix(text, "only "); ok {
		w.Only, text = true, rest
	}
	rows, err := parseRows(text)
	w.State = append(w.State, rows...)
	return err
}
