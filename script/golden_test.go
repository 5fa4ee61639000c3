package script_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"kahuna/script"
	"kahuna/script/syntax"
)

// TestGolden runs the files of testdata/run. The input of every case is a
// script, after the directives that the function of that name explains. The
// commands:
//
//	run        compile, bind and run; the result, or the error as it is shown
//	           to a person, the warnings, and what changed in the store
//	check      everything that is to be said about the text
//	footprint  what the call will touch
//	options    what the begin block asks for
//
// "go test ./script -run TestGolden -rewrite" writes the answers anew.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/run", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			e, source := directives(t, d.Input)
			switch d.Cmd {
			case "check":
				return diagnostics(source, script.CheckSource(source, &e.limits))
			case "run":
				return golden(t, e, source)
			case "footprint", "options":
				c, err := bind(e, source)
				if err != nil {
					return showError(err) + "\n"
				}
				defer c.Release()
				if d.Cmd == "options" {
					return fmt.Sprintf("%+v\n", *c.Options())
				}
				return footprint(c.Footprint())
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

func bind(e *env, source string) (*script.Call, error) {
	p, err := script.Compile(source, &e.limits)
	if err != nil {
		return nil, err
	}
	return p.Bind(e.params)
}

func golden(t *testing.T, e *env, source string) string {
	c, err := bind(e, source)
	if err != nil {
		return showError(err) + "\n"
	}
	defer c.Release()
	got := e.run(c, compiled)
	if diff := same(got, e.run(c, script.Oracle)); diff != "" {
		t.Errorf("the oracle differs: %s", diff)
	}
	if again := same(got, e.run(c, compiled)); again != "" {
		t.Errorf("a second run differs: %s", again)
	}
	var b strings.Builder
	for _, w := range c.Program().Warnings() {
		fmt.Fprintf(&b, "warning: %s at line %d, column %d\n", w.Text, w.Line, w.Column)
	}
	if got.err != nil {
		b.WriteString(showError(got.err))
	} else {
		b.WriteString(show(got.result))
	}
	b.WriteString(showState(e.store.Dump(), got.state))
	return b.String() + "\n"
}

func diagnostics(source string, diags []syntax.Diagnostic) string {
	lines := strings.Split(source, "\n")
	var b strings.Builder
	for _, d := range diags {
		head := fmt.Sprintf("error (%s): ", d.Code)
		if d.Severity == syntax.Warning {
			head = "warning: "
		}
		b.WriteString(script.Frame(head+d.Text(), lines[d.Pos.Line-1], int(d.Pos.Line), int(d.Pos.Column)))
		b.WriteByte('\n')
	}
	if b.Len() == 0 {
		return "nothing to remark\n"
	}
	return b.String()
}

func footprint(fp *script.Footprint) string {
	var b strings.Builder
	prefix := func(s script.Space) string {
		if s == script.Ephemeral {
			return "e:"
		}
		return ""
	}
	for _, p := range fp.Points {
		verb := "read"
		if p.Write {
			verb = "write"
		}
		fmt.Fprintf(&b, "%s %s%s\n", verb, prefix(p.Space), p.Key)
	}
	for _, r := range fp.Ranges {
		kind := "bucket"
		if r.Prefix {
			kind = "prefix"
		}
		fmt.Fprintf(&b, "%s %s%s\n", kind, prefix(r.Space), r.Text)
	}
	fmt.Fprintf(&b, "complete=%v write=%v sleep=%v\n", fp.Complete, fp.CanWrite, fp.CanSleep)
	return b.String()
}
