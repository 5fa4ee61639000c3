package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// lineReader reads what the user types.
type lineReader interface {
	// ReadLine shows a prompt and returns the next line with its end: LF,
	// CR LF or CR. Without one it is the first piece of a long line, or the
	// last line of the input. The error is io.EOF at the end of the input
	// (Ctrl-D), errInterrupted after Ctrl-C, errStopped when the command is to
	// end, or the input's own.
	ReadLine(prompt string) (string, error)
}

var (
	errInterrupted = errors.New("interrupted")
	errStopped     = errors.New("stopped")
)

// plainReader is the lineReader without comforts: it reads lines from any
// input and leaves editing to that. At most one read is under way; one
// that an interrupt left behind is the next ReadLine's. A read of a terminal
// cannot be stopped, so its goroutine ends with the input or with the process.
type plainReader struct {
	lines      lineSplitter
	typed      *typedInput // the input, when it is one
	prompts    io.Writer
	interrupts <-chan struct{} // nil when there are none
	stopped    <-chan struct{}

	read    chan readLine
	reading bool
}

type readLine struct {
	text string
	err  error
}

func newPlainReader(in io.Reader, prompts io.Writer, interrupts, stopped <-chan struct{}) *plainReader {
	typed, _ := in.(*typedInput)
	return &plainReader{lines: lineSplitter{in: bufio.NewReaderSize(in, 64<<10)}, typed: typed, prompts: prompts,
		interrupts: interrupts, stopped: stopped, read: make(chan readLine, 1)}
}

func (r *plainReader) ReadLine(prompt string) (string, error) {
	select {
	case <-r.stopped:
		return "", errStopped
	default:
	}
	if prompt != "" && r.typed != nil {
		r.typed.begin(prompt)
	}
	if prompt != "" {
		if _, err := io.WriteString(r.prompts, prompt); err != nil {
			return "", err
		}
	}
	if !r.reading {
		r.reading = true
		go func() {
			text, err := r.lines.next()
			r.read <- readLine{text, err}
		}()
	}
	select {
	case l := <-r.read:
		r.reading = false
		return l.text, l.err
	case <-r.interrupts:
		if r.typed != nil {
			r.typed.drop()
		}
		return "", errInterrupted
	case <-r.stopped:
		return "", errStopped
	}
}

// pieceMax is the longest piece of a line that is returned at once.
const pieceMax = 64 << 10

// lineSplitter cuts its input behind line ends and loses no byte but a byte
// order mark in front. It never waits for what comes after a line end: a CR is
// one, and an LF that follows later goes in front of the next line.
type lineSplitter struct {
	in      *bufio.Reader
	begun   bool
	afterCR bool
}

func (s *lineSplitter) next() (string, error) {
	var b strings.Builder
	half := s.afterCR // an LF in front is the second half of a line end
	s.afterCR = false
	for b.Len() < pieceMax {
		c, err := s.in.ReadByte()
		if err == io.EOF && b.Len() > 0 {
			break
		}
		if err != nil {
			return "", err
		}
		b.WriteByte(c)
		if c == '\n' && !(half && b.Len() == 1) {
			break
		}
		if c == '\r' {
			s.endCR(&b)
			break
		}
	}
	text := b.String()
	if !s.begun {
		s.begun = true
		text = strings.TrimPrefix(text, "\ufeff")
		if text == "" {
			return s.next()
		}
	}
	return text, nil
}

// endCR takes the LF after a CR when it is there already.
func (s *lineSplitter) endCR(b *strings.Builder) {
	if s.in.Buffered() == 0 {
		s.afterCR = true
		return
	}
	if next, err := s.in.Peek(1); err == nil && next[0] == '\n' {
		_, _ = s.in.Discard(1)
		b.WriteByte('\n')
	}
}
