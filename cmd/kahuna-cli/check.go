package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kahuna/script"
	"kahuna/script/syntax"
)

// check prints all diagnostics of files. The status is exitUsage when one has
// an error, or cannot be read.
func (c *cli) check(files []string) int {
	status := exitOK
	for _, name := range files {
		source, err := c.read(name)
		if err != nil {
			status = c.usage("%v", err)
			continue
		}
		diags := script.CheckSource(source, nil)
		for i := range diags {
			if diags[i].Severity == syntax.Error {
				status = exitUsage
			}
			if !c.flags.JSON && i < shownMax {
				c.printDiagnostic(shown(name)+":", source, &diags[i])
			}
		}
		if n := len(diags) - shownMax; n > 0 && !c.flags.JSON {
			fmt.Fprintf(c.stderr, "%s: and %d more\n", shown(name), n)
		}
		if c.flags.JSON {
			c.printJSON(checkJSON(name, diags))
		}
	}
	return c.status(status)
}

// shownMax is how many diagnostics of one script are printed.
const shownMax = 100

func shown(name string) string {
	if name == "-" {
		return "<stdin>"
	}
	return name
}

// printDiagnostic prints a finding with its source line and a caret. prefix
// is the file's name with a colon, or empty.
func (c *cli) printDiagnostic(prefix, source string, d *syntax.Diagnostic) {
	kind := "error"
	if d.Severity == syntax.Warning {
		kind = "warning"
	}
	line, column := int(d.Pos.Line), int(d.Pos.Column)
	head := kind + ": " + d.Text()
	if prefix != "" {
		head = fmt.Sprintf("%s%d:%d: %s", prefix, line, column, head)
	}
	fmt.Fprintln(c.stderr, script.Frame(head, lineOf(source, line), line, column))
}

// lineOf returns line n of source.
func lineOf(source string, n int) string {
	source = strings.TrimPrefix(source, "\ufeff")
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n"), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
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

// format prints the canonical form of files, or writes it back.
func (c *cli) format(files []string, write bool) int {
	status := exitOK
	for _, name := range files {
		source, err := c.read(name)
		if err != nil {
			status = c.usage("%v", err)
			continue
		}
		text, diags := syntax.Format(source)
		failed := false
		for i := range diags {
			if diags[i].Severity == syntax.Error {
				failed = true
				c.printDiagnostic(shown(name)+":", source, &diags[i])
			}
		}
		switch {
		case failed:
			status = exitUsage
		case write && name != "-":
			if text == source {
				continue
			}
			if err := replaceFile(name, text); err != nil {
				status = c.usage("%v", err)
			}
		default:
			_, err := fmt.Fprint(c.stdout, text)
			c.keep(err)
		}
	}
	return c.status(status)
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(name, text string) error {
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
