package main

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNextScript(t *testing.T) {
	long := strings.Repeat("x", sourceMax)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"blanks and comments", "\n\n# a\n---\n;\n---\n", nil},
		{"one", "set a 1", []string{"set a 1"}},
		{"blank lines", "set a 1\n\n \t\nset b 2\n", []string{"set a 1\n\n \t\nset b 2"}},
		{"two", "set a 1\n---\nset b 2\n", []string{"set a 1", "set b 2"}},
		{"CR LF", "set a 1\r\n---\r\nset b 2\r\n", []string{"set a 1", "set b 2"}},
		{"CR", "set a 1\r---\rset b 2\r", []string{"set a 1", "set b 2"}},
		{"space behind", "set a 1\n--- \t\nset b 2", []string{"set a 1", "set b 2"}},
		{"no separators", "let a = 1\n ---\n----\n- --\nb ---", []string{"let a = 1\n ---\n----\n- --\nb ---"}},
		{"ends with one", "set a 1\n---", []string{"set a 1"}},
		{"begins with one", "---\n\nset a 1", []string{"set a 1"}},
		{"byte order mark", "\ufeffset a 1\n---\nset b 2", []string{"set a 1", "set b 2"}},
		{"byte order mark alone", "\ufeff", nil},
		{"line ends of a string", "set a 'x\r\n\ny\rz'\n---\n", []string{"set a 'x\r\n\ny\rz'"}},
		{"too long", "set a '" + long + "\n---\nset b 2", []string{("set a '" + long)[:sourceMax+1], "set b 2"}},
		{"a long line that looks like one", "#" + strings.Repeat("x", pieceMax-1) + "---\nset b 2", []string{"#" + strings.Repeat("x", pieceMax-1) + "---\nset b 2"}},
	}
	for _, tt := range tests {
		// Read at once, and a byte at a time as from a slow writer.
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			if got := scripts(in); !slices.Equal(got, tt.want) {
				t.Errorf("%s:\ngot  %.200q\nwant %.200q", tt.name, got, tt.want)
			}
		}
	}
}

// splitReader is a lineReader without goroutines, for the sake of the fuzzer.
type splitReader struct{ lineSplitter }

func (r *splitReader) ReadLine(string) (string, error) { return r.next() }

func scripts(in io.Reader) (list []string) {
	lines := splitReader{lineSplitter{in: bufio.NewReader(in)}}
	for {
		text, err := nextScript(&lines)
		if text != "" {
			list = append(list, text)
		}
		if err != nil {
			return list
		}
	}
}

// A line end is one when it is read: nothing waits for what may follow a CR.
func TestLineSplitterDoesNotWait(t *testing.T) {
	in, w := io.Pipe()
	s := lineSplitter{in: bufio.NewReader(in)}
	for _, tt := range []struct{ write, want string }{{"a\r", "a\r"}, {"\nb\r\n", "\nb\r\n"}, {"c\n", "c\n"}, {"\n", "\n"}, {"d\r", "d\r"}, {"\r", "\r"}} {
		go func() { _, _ = io.WriteString(w, tt.write) }()
		if got, err := s.next(); got != tt.want || err != nil {
			t.Fatalf("%q, %v; want %q", got, err, tt.want)
		}
	}
	_ = w.CloseWithError(io.ErrUnexpectedEOF)
	if _, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// Whatever comes, splitting ends, and how the input arrives does not matter. A
// stream without separators is one script, whole (Invariant CLI-5).
func FuzzNextScript(f *testing.F) {
	f.Add("set a 1\n---\nset b 'x\n\ny'\n")
	f.Add("\"\n---\n\n`\n---\n# '\n\n")
	f.Add("while a\r---\rdo\n\rend\r\n\r\n(]\ufeff")
	f.Add("\n\r\ufeff")
	f.Fuzz(func(t *testing.T, in string) {
		list := scripts(strings.NewReader(in))
		rest := in
		for _, text := range list {
			if isBlank(text) || separates(text) {
				t.Fatalf("%q is no script", text)
			}
			at := strings.Index(rest, text)
			if at < 0 {
				t.Fatalf("%q is not in the rest %q", text, rest)
			}
			rest = rest[at+len(text):]
		}
		if !separates(in) && !strings.Contains(in, "\ufeff") && len(in) < sourceMax && (len(list) > 1 || len(list) == 0 && !isBlank(in)) {
			t.Fatalf("%q is %q", in, list)
		}
		if slow := scripts(iotest.OneByteReader(strings.NewReader(in))); !slices.Equal(list, slow) {
			t.Fatalf("%q\nslowly %q", list, slow)
		}
	})
}
