package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"kahuna"
	"kahuna/internal/console"
	"kahuna/script"
	"kahuna/script/syntax"
)

// answer prints what became of a script, as the console does or as JSON: its
// warnings, and its result or error (Invariant CLI-2).
func (c *cli) answer(source string, warnings []script.Warning, res *script.Result, err error, elapsed time.Duration) {
	err = interrupted(err)
	findings := diagnostics(err)
	if c.flags.JSON {
		c.printJSON(answerJSON(warnings, res, err, elapsed))
		c.findings("", source, findings) // the object has but the first
		return
	}
	var b bytes.Buffer
	if err != nil && len(findings) == 0 {
		_ = console.Render(&b, nil, err, elapsed) // its warnings too
	} else {
		for _, w := range warnings {
			b.WriteString(warningLine(w))
		}
	}
	_, _ = c.stderr.Write(b.Bytes())
	c.findings("", source, findings)
	switch {
	case err != nil:
	case c.flags.Raw:
		c.keep(console.RenderRaw(c.stdout, res))
	default:
		bare := *res
		bare.Warnings = nil
		c.keep(console.Render(c.stdout, &bare, nil, elapsed))
	}
}

// diagnostics are the findings of a script that does not compile.
func diagnostics(err error) []syntax.Diagnostic {
	var e *script.Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Diagnostics
}

// warningLine shows a warning as the console does in front of a result.
func warningLine(w script.Warning) string {
	var with, without bytes.Buffer
	res := &script.Result{Type: script.TypeCommitted}
	_ = console.Render(&without, res, nil, 0)
	res.Warnings = []script.Warning{w}
	_ = console.Render(&with, res, nil, 0)
	return strings.TrimSuffix(with.String(), without.String())
}

// interrupted says in the user's words that a script was stopped from outside.
func interrupted(err error) error {
	var e *kahuna.Error
	if !errors.As(err, &e) || e.Code != kahuna.CodeCanceled {
		return err
	}
	told := *e
	told.Message = "interrupted"
	if told.Hint == "" {
		told.Hint = "nothing of it remains"
	}
	if e.Outcome != kahuna.NotApplied {
		told.Hint = "it may have taken effect or not"
	}
	return &told
}

// answerOpen prints why the store cannot be opened.
func (c *cli) answerOpen(err error) {
	if c.flags.JSON {
		c.printJSON(answerJSON(nil, nil, err, 0))
	}
	fmt.Fprintf(c.stderr, "kahuna-cli: %v\n", err)
}

// keep remembers the first failed write to standard output.
func (c *cli) keep(err error) {
	if c.lost == nil {
		c.lost = err
	}
}

// closedPipe reports whether a write failed because nobody reads any more.
func closedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

func (c *cli) printJSON(v any) {
	_, err := io.WriteString(c.stdout, jsonLine(v))
	c.keep(err)
}

// jsonLine is v, which has a form in JSON, as JSON in a line.
func jsonLine(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return b.String()
}

// jsonAnswer is the object printed for a script with --json.
type jsonAnswer struct {
	Type      string        `json:"type"`
	Outcome   string        `json:"outcome"`
	Revision  *int64        `json:"revision,omitempty"`
	Value     any           `json:"value,omitempty"`
	Values    []jsonEntry   `json:"values,omitzero"`
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
	Code     string `json:"code"`
	UserCode any    `json:"userCode,omitempty"` // of a throw: as a value
	Message  string `json:"message"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

type base64Value struct {
	Base64 []byte `json:"base64"`
}

// jsonValue is a value as JSON: a string, or base64 when it is not UTF-8.
func jsonValue(e *script.Entry) any {
	switch {
	case !e.HasValue:
		return nil
	case utf8.ValidString(e.Value):
		return e.Value
	}
	return base64Value{[]byte(e.Value)}
}

func answerJSON(warnings []script.Warning, res *script.Result, err error, elapsed time.Duration) jsonAnswer {
	a := jsonAnswer{ElapsedMs: elapsed.Milliseconds()}
	if err != nil {
		e := &script.Error{Code: script.CodeStorage, Message: err.Error()}
		errors.As(err, &e)
		warnings = e.Warnings
		a.Type, a.Outcome = e.Type().String(), e.Outcome.String()
		a.Error = &jsonError{Code: string(e.Code), Message: e.Message, Line: e.Line, Column: e.Column, Hint: e.Hint}
		if e.UserCode != "" {
			a.Error.UserCode = jsonValue(&script.Entry{Value: e.UserCode, HasValue: true})
		}
	}
	for _, w := range warnings {
		a.Warnings = append(a.Warnings, jsonWarning(w))
	}
	if err != nil {
		return a
	}
	a.Type, a.Outcome = res.Type.String(), res.Outcome.String()
	if res.Type == script.TypeGet {
		a.Values = []jsonEntry{} // an array without elements is not absent
	}
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
	return a
}
