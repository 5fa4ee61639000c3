package script_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kahuna/script"
	"kahuna/script/syntax"
)

func TestProgram(t *testing.T) {
	p := mustCompile(t, "\ufeffget @b set @a @b let x = get y set x 1 return not set")
	if got := p.Source(); got != "get @b set @a @b let x = get y set x 1 return not set" {
		t.Errorf("source %q", got)
	}
	if got := p.Parameters(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("placeholders %q", got)
	}
	if w := p.Warnings(); len(w) != 1 || w[0].Line != 1 || w[0].Column != 36 || !strings.Contains(w[0].Text, "(x)") {
		t.Errorf("warnings %+v", w)
	}
	other := mustCompile(t, "get @b set @a @b let x = get y set x 1 return not set")
	if p.Hash() != other.Hash() {
		t.Error("a byte order mark changes the hash")
	}
	const sum = "486d9affb60dbb0063b03d8e23a6ccf6364ce203dc3a9f56f20e750eb41ecade" // sha256sum of the text
	if got := fmt.Sprintf("%x", mustCompile(t, "return 1").Hash()); got != sum {
		t.Errorf("hash %s, want %s", got, sum)
	}
	if p.Hash() == mustCompile(t, "return 1").Hash() {
		t.Error("two scripts, one hash")
	}
}

// TestCompileError: the first error is the Error, all findings are with it.
func TestCompileError(t *testing.T) {
	_, err := script.Compile("\ufefflet v = get k\r\nif v then end\rreturn upr(w)", nil)
	var e *script.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Code != script.CodeUnknownFunction || e.Line != 3 || e.Column != 8 || e.Source != "return upr(w)" || e.Outcome != script.NotApplied {
		t.Errorf("%+v", e)
	}
	var codes []string
	for _, d := range e.Diagnostics {
		codes = append(codes, fmt.Sprintf("%d:%d %s", d.Pos.Line, d.Pos.Column, d.Code))
	}
	if want := []string{"2:4 ", "3:8 unknown_function", "3:12 undefined_variable"}; !slices.Equal(codes, want) {
		t.Errorf("%q, want %q", codes, want)
	}
	if d := script.CheckSource("\ufeffreturn 1", nil); len(d) != 0 {
		t.Errorf("a remark on nothing: %v", d)
	}
}

// TestSourceLines: the line an error shows is its own, whatever ends it.
func TestSourceLines(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		c := mustBind(t, mustCompile(t, "let a = 1"+end+"return a + 'x'"+end+"# end"), nil)
		_, err := c.Run(startStore().Begin(clock(nowMs)), nil, 0)
		var e *script.Error
		if !errors.As(err, &e) || e.Line != 2 || e.Column != 10 || e.Source != "return a + 'x'" {
			t.Errorf("line end %q: %+v", end, err)
		}
		c.Release()
	}
}

func TestBindReportsAll(t *testing.T) {
	p := mustCompile(t, "begin (timeout=@t)\nset @a 1 set @b 2 let x = @c delete @d commit end")
	_, err := p.Bind(map[string]any{"b": "", "c": struct{}{}, "d": 2.5, "t": 1, "unused": make(chan int)})
	var e *script.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var found []string
	for _, d := range e.Diagnostics {
		found = append(found, fmt.Sprintf("%d:%d %s", d.Pos.Line, d.Pos.Column, d.Code))
	}
	want := []string{"2:5 missing_parameter", "2:14 bad_parameter", "2:27 bad_parameter", "2:37 bad_parameter"}
	if !slices.Equal(found, want) || e.Code != script.CodeMissingParameter {
		t.Errorf("%q, want %q", found, want)
	}
	// Options are looked at when everything has a value.
	_, err = p.Bind(map[string]any{"a": "a", "@b": "b", "c": nil, "d": int64(-2), "t": 0})
	if !errors.Is(err, &script.Error{Code: script.CodeBadOption}) {
		t.Error(err)
	}
	c, err := p.Bind(map[string]any{"a": "a", "@b": "b", "c": nil, "d": int64(-2), "t": 7})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if got := c.Options().TimeoutMs; got != 7 {
		t.Errorf("timeout %d", got)
	}
	if fp := c.Footprint(); len(fp.Points) != 3 || fp.Points[0].Key != "-2" {
		t.Errorf("footprint %+v", fp)
	}
	if first := c.Footprint(); first != c.Footprint() {
		t.Error("the footprint is made twice")
	}
}

// TestBindKeys: what a parameter that stands as a key must look like.
func TestBindKeys(t *testing.T) {
	p := mustCompile(t, "get @k")
	for _, bad := range []any{"", "a\x00b", "\xff", strings.Repeat("k", 4097), nil, true, 1.5, []any{"a"}} {
		_, err := p.Bind(map[string]any{"k": bad})
		var e *script.Error
		if !errors.As(err, &e) || e.Code != script.CodeBadParameter || e.Column != 5 ||
			!strings.HasPrefix(e.Message, "parameter '@k' is used as a key and must ") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	for _, good := range []any{"a", "é/ü", []byte("bytes"), 12, strings.Repeat("k", 4096)} {
		c, err := p.Bind(map[string]any{"k": good})
		if err != nil {
			t.Errorf("%.20q: %v", good, err)
			continue
		}
		c.Release()
	}
}

// FuzzCompile: no text makes the compiler panic, and what it says of a text is
// in order and within it.
func FuzzCompile(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		diags := script.CheckSource(source, nil)
		errs := 0
		for i, d := range diags {
			if d.Severity == syntax.Error {
				errs++
			}
			if i > 0 && d.Pos.Offset < diags[i-1].Pos.Offset || !d.Pos.IsValid() || int(d.Pos.Offset) > len(source) || d.Message == "" {
				t.Fatalf("diagnostic %d of %+v", i, diags)
			}
		}
		p, err := script.Compile(source, nil)
		if (err != nil) != (errs > 0) {
			t.Fatalf("%d errors, but Compile says %v", errs, err)
		}
		if err == nil && len(p.Warnings()) != len(diags) {
			t.Fatalf("%d warnings of %d", len(p.Warnings()), len(diags))
		}
	})
}
