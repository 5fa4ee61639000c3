package main

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestNextScript(t *testing.T) {
	long := strings.Repeat("x", sourceMax)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"blanks and comments", "\n\n# a\n\n;\n", nil},
		{"one", "set a 1", []string{"set a 1"}},
		{"two", "set a 1\n\n \t\nset b 2\n", []string{"set a 1", "set b 2"}},
		{"CR LF", "set a 1\r\n\r\nset b 2\r\n", []string{"set a 1", "set b 2"}},
		{"CR", "set a 1\r\rset b 2\r", []string{"set a 1", "set b 2"}},
		{"line ends of a string", "set a 'x\r\n\ny\rz'\n\n", []string{"set a 'x\r\n\ny\rz'"}},
		{"byte order mark", "\ufeffset a 1\n\nset b 2", []string{"set a 1", "set b 2"}},
		{"byte order mark alone", "\ufeff", nil},
		{"in a block", "begin\n\nset a 1\n\ncommit\n\nend\n\nget a", []string{"begin\n\nset a 1\n\ncommit\n\nend", "get a"}},
		{"in blocks", "IF x\n\nThen for i in y\n\ndo\n\nend\n\nelse\n\nend\n\nget a", []string{"IF x\n\nThen for i in y\n\ndo\n\nend\n\nelse\n\nend", "get a"}},
		{"in a loop", "while a\n\ndo\n\nend\n\nget a", []string{"while a\n\ndo\n\nend", "get a"}},
		{"after a loop's word as a name", "let while = 3\n\nget a", []string{"let while = 3", "get a"}},
		{"in a loop after a name like one", "let switch = 1 while a\n\ndo for b in c do\n\nend\n\nend\n\nget a", []string{"let switch = 1 while a\n\ndo for b in c do\n\nend\n\nend", "get a"}},
		{"after a block's word that is none", "set `if` @begin # for\n\nget a", []string{"set `if` @begin # for", "get a"}},
		{"in a string", "set a 'x\n\n\"y'\n\nget a\n", []string{"set a 'x\n\n\"y'", "get a"}},
		{"in a string with an escape", "set a \"x\\\n\n\\\"\n\n\"\n\nget a", []string{"set a \"x\\\n\n\\\"\n\n\"", "get a"}},
		{"after a quote in a comment", "set a 1 # don't\n\nset b 2", []string{"set a 1 # don't", "set b 2"}},
		{"after a quote in a name", "set `it's` 1\n\nset b 2", []string{"set `it's` 1", "set b 2"}},
		{"after a name that is not closed", "set `it's 1\n\nset b 2", []string{"set `it's 1", "set b 2"}},
		{"in brackets", "return [1,\n\n(2\n\n)\n\n]\n\nget a", []string{"return [1,\n\n(2\n\n)\n\n]", "get a"}},
		{"after a missing operand", "set a\n\nset b 2", []string{"set a", "set b 2"}},
		{"after too many ends", "end end ) ]\n\nif a then\n\nend\n\nget b", []string{"end end ) ]", "if a then\n\nend", "get b"}},
		// What stands in a block must never run without it.
		{"in a faulty block", "if a then\n\nzz\n\nset b 2\n\nend\n\nget a", []string{"if a then\n\nzz\n\nset b 2\n\nend", "get a"}},
		{"in a block that is too long", "if a then\n\n" + long + "\n\nset b 2\n\nend\n\nget a", []string{("if a then\n\n" + long)[:sourceMax+1], "get a"}},
		{"in a line that is too long", "set a '" + long + "\n\nset b 2' # '\n\nget a", []string{("set a '" + long)[:sourceMax+1], "get a"}},
		{"never closed", "if true then\n\nset a 1\n", []string{"if true then\n\nset a 1"}},
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

// Whatever comes, splitting ends, no text is lost but blanks and comments
// between scripts, and how the input arrives does not matter.
func FuzzNextScript(f *testing.F) {
	f.Add("set a 1\n\nset b 'x\n\ny'\n")
	f.Add("\"\n\n\n`\n\n# '\n\n")
	f.Add("while a\r\rdo\n\rend\r\n\r\n(]\ufeff")
	f.Add("\n\r\ufeff")
	f.Fuzz(func(t *testing.T, in string) {
		list := scripts(strings.NewReader(in))
		rest := in
		for _, text := range list {
			if isBlank(text) {
				t.Fatalf("%q is no script", text)
			}
			for !strings.HasPrefix(rest, text) {
				rest = afterBlank(t, rest)
			}
			rest = rest[len(text):]
		}
		for !isBlank(rest) {
			rest = afterBlank(t, rest)
		}
		if slow := scripts(iotest.OneByteReader(strings.NewReader(in))); !slices.Equal(list, slow) {
			t.Fatalf("%q\nslowly %q", list, slow)
		}
	})
}

// afterBlank returns what follows a blank line or a byte order mark, which may
// come before every script.
func afterBlank(t *testing.T, text string) string {
	t.Helper()
	end := strings.IndexAny(text, "\r\n\uFEFF")
	if end < 0 || !isBlank(text[:end]) {
		t.Fatalf("lost: %q", text)
	}
	_, size := utf8.DecodeRuneInString(text[end:])
	return text[end+size:]
}
