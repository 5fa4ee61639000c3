package main

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// What keys make of a line, and what a terminal shows of it.
func TestTypedInput(t *testing.T) {
	long := strings.Repeat("x", 6000)
	for _, tt := range []struct{ name, typed, read, shown string }{
		{"lines", "a\nb\n", "a\nb\n", "a\nb\n"},
		{"erased", "ab\x7fc\x08d\n", "ad\n", "ab\b \bc\b \bd\n"},
		{"nothing to erase", "\x7fa\n", "a\n", "a\n"},
		{"a wide character", "é日\x7f\x7fa\n", "a\n", "é日\b \b\b \b\b \ba\n"},
		{"a family", "👨‍👩‍👧\x7fa\n", "a\n", "👨‍👩‍👧\b \b\b \ba\n"},
		{"a tab", "a\t\x7fb\n", "ab\n", "a\t\n> ab\n"},
		{"killed", "abc\x15d\n", "d\n", "abc\n> d\n"},
		{"a word", "get all  \x17x\n", "get x\n", "get all  \n> get x\n"},
		{"reprinted", "a\x12b\n", "ab\n", "a\n> ab\n"},
		{"arrows", "a\x1b[Ab\x1b[1;5Cc\x1bOD\x1bxd\n", "abcd\n", "abcd\n"},
		{"a control character", "a\x01\n", "a\x01\n", "a^A\n"},
		{"the end of a line that is not empty", "ab\x04\x7fc\n", "abc\n", "abc\n"},
		{"not valid", "\xff\xfe\x7f\n", "\xff\n", "\xff\xfe\b \b\n"},
		{"cut off", "a\nbc", "a\nbc", "a\nbc"},
		{"a long line", long + "\n" + long + "\n", long + "\n" + long + "\n", long + "\n" + long + "\n"},
		{"a very long line", strings.Repeat("x", 3*pieceMax) + "\x7f\n", strings.Repeat("x", 3*pieceMax-1) + "\n", strings.Repeat("x", 3*pieceMax) + "\b \b\n"},
	} {
		for _, in := range []io.Reader{strings.NewReader(tt.typed), iotest.OneByteReader(strings.NewReader(tt.typed))} {
			var shown strings.Builder
			typed := &typedInput{tty: in, echo: &shown}
			typed.begin("> ")
			read, err := io.ReadAll(typed)
			if string(read) != tt.read || err != nil {
				t.Errorf("%s: read %.200q, %v; want %.200q", tt.name, read, err, tt.read)
			}
			if shown.String() != tt.shown {
				t.Errorf("%s: shown %.200q, want %.200q", tt.name, shown.String(), tt.shown)
			}
		}
	}
}

// Ctrl-D on an empty line is the end; what is typed behind it is for later. Each
// Read hands on one line at most, so that a line is shown when it is asked for.
func TestTypedInputEnds(t *testing.T) {
	typed := &typedInput{tty: strings.NewReader("a\n\x04b\n")}
	buf := make([]byte, 100)
	for _, want := range []string{"a\n", "", "b\n", ""} {
		n, err := typed.Read(buf)
		if got := string(buf[:n]); got != want || (err == io.EOF) != (want == "") {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
}

// Ctrl-C drops the line, and what was typed behind it.
func TestTypedInputDrop(t *testing.T) {
	in, w := io.Pipe()
	var prompts buffer
	interrupts := make(chan struct{}, 1)
	typed := &typedInput{tty: in, echo: &prompts}
	r := newPlainReader(typed, &prompts, interrupts, nil)
	read := make(chan error)
	go func() {
		_, err := r.ReadLine("> ")
		read <- err
	}()
	if _, err := io.WriteString(w, "set a"); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(prompts.String(), "set a") { // it is looked at
		runtime.Gosched()
	}
	interrupts <- struct{}{}
	if err := <-read; !errors.Is(err, errInterrupted) {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(w, "get b\n") }()
	if line, err := r.ReadLine("> "); line != "get b\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if got := prompts.String(); !strings.HasPrefix(got, "> ") || !strings.Contains(got, "^C> get b\n") {
		t.Errorf("%q", got)
	}
}
