package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// lineReader reads what the user types.
type lineReader interface {
	// ReadLine shows a prompt and returns the next line, without its end. The
	// error is io.EOF at the end of the input (Ctrl-D), errInterrupted after
	// Ctrl-C, errStopped when the command is to end, or the input's own.
	ReadLine(prompt string) (string, error)
}

var (
	errInterrupted = errors.New("interrupted")
	errStopped     = errors.New("stopped")
)

// plainReader is the lineReader without comforts: it reads lines from any
// input and leaves editing to the terminal. At most one read is under way; one
// that an interrupt left behind is the next ReadLine's. A read of a terminal
// cannot be stopped, so its goroutine ends with the input or with the process.
type plainReader struct {
	in         *bufio.Reader
	prompts    io.Writer
	interrupts <-chan struct{} // nil when there are none
	stopped    <-chan struct{}

	lines   chan readLine
	reading bool
}

type readLine struct {
	text string
	err  error
}

func newPlainReader(in io.Reader, prompts io.Writer, interrupts, stopped <-chan struct{}) *plainReader {
	return &plainReader{in: bufio.NewReaderSize(in, 64<<10), prompts: prompts,
		interrupts: interrupts, stopped: stopped, lines: make(chan readLine, 1)}
}

// ReadLine reads a line. Of one longer than a script may be it returns just
// enough to be refused.
func (r *plainReader) ReadLine(prompt string) (string, error) {
	select {
	case <-r.stopped:
		return "", errStopped
	default:
	}
	if prompt != "" {
		if _, err := io.WriteString(r.prompts, prompt); err != nil {
			return "", err
		}
	}
	if !r.reading {
		r.reading = true
		go func() { r.lines <- nextLine(r.in) }()
	}
	select {
	case l := <-r.lines:
		r.reading = false
		return l.text, l.err
	case <-r.interrupts:
		return "", errInterrupted
	case <-r.stopped:
		return "", errStopped
	}
}

// nextLine reads up to a line end, LF or CR LF, or the end of the input.
func nextLine(in *bufio.Reader) readLine {
	var b strings.Builder
	for {
		part, err := in.ReadSlice('\n')
		b.Write(part[:min(len(part), sourceMax+2-b.Len())])
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && b.Len() > 0:
			err = nil
		}
		text := strings.TrimSuffix(b.String(), "\n")
		return readLine{strings.TrimSuffix(text, "\r"), err}
	}
}
