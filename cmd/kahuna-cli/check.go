package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kahuna/internal/console"
	"kahuna/script"
	"kahuna/script/syntax"
)

// check prints all diagnostics of files. The status is exitUsage when one has
// an error, or cannot be read.
func (c *cli) check(ctx context.Context, files []string) int {
	status := exitOK
	for _, name := range files {
		source, err := c.read(ctx, name)
		if err != nil {
			status = c.usage("%v", err)
			continue
		}
		diags := script.CheckSource(source, nil)
		for i := range diags {
			if diags[i].Severity == syntax.Error {
				status = exitUsage
			}
		}
		if c.flags.JSON {
			c.printJSON(checkJSON(name, diags))
		} else {
			c.findings(shown(name), source, diags)
		}
	}
	return status
}

func shown(name string) string {
	if name == "-" {
		return "<stdin>"
	}
	return name
}

// shownMax is how many findings about one script are printed; as JSON all are.
const shownMax = 100

// findings prints findings with their source lines and carets, in one write.
// name is the file's, "" for a script that has none: then they look like any
// error of the console.
func (c *cli) findings(name, source string, diags []syntax.Diagnostic) {
	var b bytes.Buffer
	more := len(diags) - shownMax
	for i := range diags[:min(len(diags), shownMax)] {
		d := &diags[i]
		warning := d.Severity == syntax.Warning
		line, column := int(d.Pos.Line), int(d.Pos.Column)
		if name == "" && warning {
			b.WriteString(warningLine(script.Warning{Line: line, Column: column, Text: d.Text()}))
			continue
		}
		e := &script.Error{Code: d.Code, Message: d.Message, Hint: d.Hint, Line: line, Column: column,
			Source: lineOf(source, line)}
		if name == "" {
			_ = console.Render(&b, nil, e, 0)
			continue
		}
		// The console keeps a source line from doing harm to the terminal.
		// With this code it writes the form with the caret.
		e.Code = script.CodeSyntax
		var frame bytes.Buffer
		_ = console.Render(&frame, nil, e, 0)
		kind := "error: "
		if warning {
			kind = "warning: "
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s%s", name, line, column, kind, strings.TrimPrefix(frame.String(), "error: "))
	}
	if more > 0 {
		if name != "" {
			b.WriteString(name + ": ")
		}
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, _ = c.stderr.Write(b.Bytes())
}

type jsonCheck struct {
	File        string           `json:"file"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
}

type jsonDiagnostic struct {
	Severity string `json:"severity"`
	Code     string `json:"code,omitempty"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func checkJSON(name string, diags []syntax.Diagnostic) jsonCheck {
	j := jsonCheck{File: name, Diagnostics: []jsonDiagnostic{}}
	for _, d := range diags {
		severity := "error"
		if d.Severity == syntax.Warning {
			severity = "warning"
		}
		j.Diagnostics = append(j.Diagnostics, jsonDiagnostic{severity, string(d.Code), int(d.Pos.Line), int(d.Pos.Column), d.Message, d.Hint})
	}
	return j
}

// format prints the canonical form of files, writes it back, or tells which ones
// do not have it.
func (c *cli) format(ctx context.Context) int {
	f := &c.flags.Fmt
	files, write := f.Files, f.Write
	status := exitOK
	for _, name := range files {
		source, err := c.read(ctx, name)
		if err != nil {
			status = c.usage("%v", err)
			continue
		}
		text, diags := syntax.Format(source)
		if len(source) > sourceMax {
			diags = script.CheckSource(source, nil) // what was read is not all
		}
		switch {
		case len(diags) > 0:
			c.findings(shown(name), source, diags)
			status = exitUsage
		case write && name == "-":
			status = c.usage("fmt -w needs a file: standard input cannot be written to")
		case write, f.List, f.Check:
			if text == source {
				continue
			}
			if !write {
				c.uncanonical(name)
				if f.Check {
					status = max(status, exitFailed)
				}
				continue
			}
			if err := replaceFile(name, text); err != nil {
				c.usage("%v", err)
				status = max(status, exitFailed)
			}
		default:
			_, err := fmt.Fprint(c.stdout, text)
			c.keep(err)
		}
	}
	return status
}

// uncanonical names a file that is not in the canonical form: -l asks for the
// names, --check complains.
func (c *cli) uncanonical(name string) {
	if c.flags.Fmt.Check {
		c.usage("%s is not in the canonical form; kahuna-cli fmt -w writes it", shown(name))
		return
	}
	_, err := fmt.Fprintln(c.stdout, shown(name))
	c.keep(err)
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(name, text string) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".kahuna-fmt-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
