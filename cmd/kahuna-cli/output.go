package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"kahuna"
	"kahuna/internal/console"
	"kahuna/script"
	"kahuna/script/syntax"
)

// answer prints what became of a script: as the console does, or as JSON.
func (c *cli) answer(source string, res *kahuna.Result, err error, elapsed time.Duration) {
	if c.flags.JSON {
		c.printJSON(answerJSON(res, err, elapsed))
		return
	}
	var e *kahuna.Error
	if errors.As(err, &e) && len(e.Diagnostics) > 1 {
		c.diagnostics(source, e)
		return
	}
	if err != nil {
		_ = console.Render(c.stderr, nil, err, elapsed)
		return
	}
	warnings := *res
	if len(warnings.Warnings) > 0 {
		for _, w := range warnings.Warnings {
			fmt.Fprintf(c.stderr, "warning: %s at line %d, column %d\n", w.Text, w.Line, w.Column)
		}
		warnings.Warnings = nil
	}
	c.keep(console.Render(c.stdout, &warnings, nil, elapsed))
}

// answerOpen prints why the store cannot be opened.
func (c *cli) answerOpen(err error) {
	if c.flags.JSON {
		c.printJSON(answerJSON(nil, err, 0))
	}
	fmt.Fprintf(c.stderr, "kahuna-cli: %v\n", err)
}

// diagnostics prints everything that keeps a script from compiling.
func (c *cli) diagnostics(source string, e *kahuna.Error) {
	for i := range e.Diagnostics {
		if i == shownMax {
			fmt.Fprintf(c.stderr, "and %d more\n", len(e.Diagnostics)-shownMax)
			return
		}
		c.printDiagnostic("", source, &e.Diagnostics[i])
	}
}

// keep remembers the first failed write to standard output.
func (c *cli) keep(err error) {
	if c.lost == nil {
		c.lost = err
	}
}

func (c *cli) printJSON(v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		c.keep(err)
		return
	}
	_, err := c.stdout.Write(b.Bytes())
	c.keep(err)
}

// jsonAnswer is the object printed for a script with --json.
type jsonAnswer struct {
	Type      string        `json:"type"`
	Outcome   string        `json:"outcome"`
	Revision  *int64        `json:"revision,omitempty"`
	Value     any           `json:"value,omitempty"`
	Values    []jsonEntry   `json:"values,omitempty"`
	Warnings  []jsonWarning `json:"warnings,omitempty"`
	ElapsedMs int64         `json:"elapsedMs"`
	Error     *jsonError    `json:"error,omitempty"`
}

type jsonEntry struct {
	Key      string `json:"key,omitempty"`
	Value    any    `json:"value,omitempty"`
	Revision *int64 `json:"revision,omitempty"`
	Expires  int64  `json:"expires,omitempty"`
	Modified int64  `json:"modified,omitempty"`
}

type jsonWarning struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

type jsonError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

type base64Value struct {
	Base64 []byte `json:"base64"`
}

// jsonValue is a value as JSON: a string, or base64 when it is not UTF-8.
func jsonValue(e *kahuna.Entry) any {
	switch {
	case !e.HasValue:
		return nil
	case utf8.ValidString(e.Value):
		return e.Value
	}
	return base64Value{[]byte(e.Value)}
}

func answerJSON(res *kahuna.Result, err error, elapsed time.Duration) jsonAnswer {
	a := jsonAnswer{ElapsedMs: elapsed.Milliseconds()}
	if err != nil {
		e := &kahuna.Error{Code: script.CodeStorage, Message: err.Error()}
		errors.As(err, &e)
		a.Type, a.Outcome = e.Type().String(), e.Outcome.String()
		a.Error = &jsonError{string(e.Code), e.Message, e.Line, e.Column, e.Hint}
		for _, d := range e.Diagnostics {
			if d.Severity == syntax.Warning {
				a.Warnings = append(a.Warnings, jsonWarning{int(d.Pos.Line), int(d.Pos.Column), d.Text()})
			}
		}
		return a
	}
	a.Type, a.Outcome = res.Type.String(), res.Outcome.String()
	for i := range res.Entries {
		e := &res.Entries[i]
		j := jsonEntry{Key: e.Key, Value: jsonValue(e), Expires: e.Expires, Modified: e.Modified.Millis()}
		if e.Revision >= 0 {
			j.Revision = &e.Revision
		}
		if i == 0 {
			a.Revision, a.Value = j.Revision, j.Value
		}
		a.Values = append(a.Values, j)
	}
	for _, w := range res.Warnings {
		a.Warnings = append(a.Warnings, jsonWarning(w))
	}
	return a
}
