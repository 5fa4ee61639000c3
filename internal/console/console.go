// Package console writes the answer of a script the way the interactive
// console shows it (docs/language.md, "What the console prints"): one line for most
// results, a message with the source line and a caret for an error.
//
// What it writes is safe on a terminal: whatever a value, key or message holds,
// it stands in one line, and nothing but text and, in a quoted source line, tabs
// reaches the writer.
//
// Invariant CON-1: a value or key never makes a line of its own, and two different
// values never look alike. One that holds control characters, line ends, marks
// of direction or bytes that are not UTF-8 is printed as a text of the language,
// in double quotes and with escapes; so is a text that looks like one of those,
// like null or like the empty text. A backslash is doubled in those, and in no
// others.
package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"kahuna/script"
)

// Render writes a result, or when err is not nil the error, with a line end
// after each line. The warnings of either come first. elapsed is shown in
// whole milliseconds. An err that is no *script.Error is shown as its text.
// The error returned is the writer's.
func Render(w io.Writer, res *script.Result, err error, elapsed time.Duration) error {
	var b bytes.Buffer
	switch {
	case err != nil:
		renderError(&b, err, elapsed)
	case res != nil:
		renderWarnings(&b, res.Warnings)
		renderResult(&b, res, elapsed)
	}
	_, werr := w.Write(b.Bytes())
	return werr
}

func renderWarnings(b *bytes.Buffer, warnings []script.Warning) {
	for _, w := range warnings {
		fmt.Fprintf(b, "warning: %s at line %d, column %d\n", inline(w.Text), w.Line, w.Column)
	}
}

func renderError(b *bytes.Buffer, err error, elapsed time.Duration) {
	var e *script.Error
	if !errors.As(err, &e) {
		fmt.Fprintf(b, "error: %s\n", inline(err.Error()))
		return
	}
	renderWarnings(b, e.Warnings)
	switch e.Type() {
	case script.TypeAborted:
		fmt.Fprintf(b, "aborted: %s %s\n", inline(e.Reason()), ms(elapsed))
	case script.TypeMustRetry, script.TypeAdmissionRefused:
		fmt.Fprintf(b, "not done: %s\n", inline(e.Reason()))
	default:
		fmt.Fprintf(b, "%s\n", script.Frame("error: "+inline(e.Text()), framed(e.Source), e.Line, e.Column))
		if e.UserCode != "" {
			fmt.Fprintf(b, "code: %s\n", quoted(e.UserCode))
		}
	}
}

func renderResult(b *bytes.Buffer, res *script.Result, elapsed time.Duration) {
	rev, t := revision(res.Revision()), ms(elapsed)
	switch res.Type {
	case script.TypeSet:
		fmt.Fprintf(b, "%s set %s\n", rev, t)
	case script.TypeNotSet:
		fmt.Fprintf(b, "%s not set %s\n", rev, t)
	case script.TypeExtended:
		fmt.Fprintf(b, "%s extended %s\n", rev, t)
	case script.TypeDeleted:
		if e := res.First(); e.Key == "" { // delete by: how many
			fmt.Fprintf(b, "%s deleted %s\n", e.Value, t)
			return
		}
		fmt.Fprintf(b, "%s deleted %s\n", rev, t)
	case script.TypeExists:
		fmt.Fprintf(b, "%s exists %s\n", rev, t)
	case script.TypeCommitted:
		fmt.Fprintf(b, "committed %s\n", t)
	case script.TypeGet:
		renderEntries(b, res, t)
	case script.TypeDoesNotExist:
		switch res.Op {
		case script.OpExists:
			fmt.Fprintf(b, "r- not exists %s\n", t)
		case script.OpBucket, script.OpScan:
			fmt.Fprintf(b, "no keys found %s\n", t)
		default:
			if res.Op == script.OpDelete && res.First().Key == "" {
				fmt.Fprintf(b, "no keys found %s\n", t)
				return
			}
			fmt.Fprintf(b, "%s not found %s\n", rev, t)
		}
	default:
		fmt.Fprintf(b, "%s %s\n", res.Type, t)
	}
}

func renderEntries(b *bytes.Buffer, res *script.Result, t string) {
	switch {
	case len(res.Entries) == 0:
		fmt.Fprintf(b, "(empty array) %s\n", t)
	case len(res.Entries) == 1 && !res.List:
		e := res.Entries[0]
		fmt.Fprintf(b, "%s %s %s\n", revision(e.Revision), value(e), t)
	default:
		for _, e := range res.Entries {
			b.WriteString(revision(e.Revision) + " ")
			if e.Key != "" {
				b.WriteString(quoted(e.Key) + " ")
			}
			b.WriteString(value(e) + "\n")
		}
		b.WriteString(t + "\n")
	}
}

func revision(rev int64) string {
	if rev < 0 {
		return "r-"
	}
	return fmt.Sprintf("r%d", rev)
}

// Text returns a key as Render prints it: in one line (Invariant CON-1).
func Text(key string) string { return quoted(key) }

// How null and the text of zero bytes are shown.
const (
	nullText  = "(null)"
	emptyText = "(empty str)"
)

func value(e script.Entry) string {
	switch {
	case !e.HasValue:
		return nullText
	case e.Value == "":
		return emptyText
	}
	return quoted(e.Value)
}

func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// RenderRaw writes the bytes of a result's value and nothing else: none of null,
// and of a result without value. Of a list it writes each value with a line feed
// behind it.
func RenderRaw(w io.Writer, res *script.Result) error {
	var b bytes.Buffer
	for i := range res.Entries {
		b.WriteString(res.Entries[i].Value)
		if res.List {
			b.WriteByte('\n')
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
