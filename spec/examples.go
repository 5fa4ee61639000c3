package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kahuna/script"
)

// ParseExamples parses the machine-readable conformance examples that
// accompany the language specification. Their format is described at their
// head; it differs from the one of this suite in that an example is one
// script, errors are results, and only what is written is compared.
func ParseExamples(file, text string) ([]Case, error) {
	var cases []Case
	var c *Case
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		var err error
		if id, ok := strings.CutPrefix(line, "example "); ok {
			cases = append(cases, Case{Name: id, File: file, Line: i + 1, Steps: []Step{{Line: i + 1}}})
			c = &cases[len(cases)-1]
		} else if c == nil {
			err = errors.New("a field before the first example")
		} else {
			err = exampleField(c, line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	for _, c := range cases {
		if c.Steps[0].Source == "" {
			return nil, fmt.Errorf("%s:%d: example %s has no script", file, c.Line, c.Name)
		}
	}
	return cases, nil
}

func exampleField(c *Case, line string) (err error) {
	field, text, _ := strings.Cut(line, ":")
	text = strings.TrimPrefix(text, " ")
	step := &c.Steps[0]
	switch field {
	case "given":
		c.Given, err = parseRows(text)
	case "params":
		step.Params, err = parseParams(text)
	case "twice":
		step.Key, step.Twice = text, true
	case "script":
		step.Source = strings.ReplaceAll(text, "\u23ce", "\n")
	case "result":
		err = exampleResult(text, &step.Want)
	case "state":
		err = parseState(text, &step.Want)
	default:
		err = fmt.Errorf("unknown field %q", field)
	}
	return err
}

// exampleResult reads a result of a success, or
// 'Errored code[ line l column c][ reason "..."][ says "..."]'.
func exampleResult(text string, w *Want) error {
	kind, rest, _ := strings.Cut(text, " ")
	if kind != script.TypeErrored.String() && kind != script.TypeAborted.String() {
		return parseResult(text, w)
	}
	if f := strings.Fields(rest); len(f) >= 5 && f[1] == "line" && f[3] == "column" {
		if _, err := strconv.Atoi(f[2]); err != nil {
			return err
		}
		at := fmt.Sprintf(" line %s column %s", f[2], f[4])
		rest = strings.Replace(rest, at, " at "+f[2]+":"+f[4], 1)
	}
	return parseFailure(rest, w)
}
