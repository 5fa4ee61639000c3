package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"kahuna/script/syntax"
)

// lineReader reads the lines a user types, or a pipe brings. It returns io.EOF
// after the last one, and errInterrupted when the user wants to begin anew.
type lineReader interface {
	ReadLine(prompt string) (string, error)
}

var errInterrupted = errors.New("interrupted")

const (
	prompt     = "kahuna-cli> "
	promptMore = "         -> "
)

// shell runs scripts from standard input until it ends. The status is that of
// the first script that failed; a terminal's session that was left in order is
// a success.
func (c *cli) shell(ctx context.Context) int {
	if c.terminal {
		fmt.Fprintln(c.stdout, "Type a script, or help. An empty line sends what is there; Ctrl-D leaves.")
		c.session(ctx, newTerminal(c.stdin, c.stdout, c.signals))
		return exitOK
	}
	return c.batch(ctx)
}

// session is the interactive shell.
func (c *cli) session(ctx context.Context, lines lineReader) {
	for c.killed.Load() == 0 && c.lost == nil {
		entry, err := readEntry(lines)
		if strings.TrimSpace(entry) != "" && (err == nil || err == io.EOF) {
			if leave := c.enter(ctx, entry); leave {
				return
			}
		}
		switch {
		case errors.Is(err, errInterrupted):
		case err == io.EOF:
			fmt.Fprintln(c.stdout)
			return
		case err != nil:
			fmt.Fprintf(c.stderr, "kahuna-cli: reading input: %v\n", err)
			return
		}
	}
}

// readEntry reads lines until they make a complete script, or an empty one
// sends them.
func readEntry(lines lineReader) (string, error) {
	var entry strings.Builder
	p := prompt
	for {
		line, err := lines.ReadLine(p)
		if err != nil {
			return entry.String(), err
		}
		if entry.Len() > 0 && strings.TrimSpace(line) == "" {
			return entry.String(), nil
		}
		if entry.Len() > 0 {
			entry.WriteByte('\n')
		}
		entry.WriteString(line)
		text := entry.String()
		if strings.TrimSpace(text) == "" || isLocal(text) || int64(len(text)) >= sourceMax || syntax.Complete(text) {
			return text, nil
		}
		p = promptMore
	}
}

// isLocal reports whether the entry is a command of the shell itself.
func isLocal(entry string) bool {
	words := strings.Fields(entry)
	if len(words) == 0 {
		return false
	}
	switch words[0] {
	case "exit", "quit", "clear", "help":
		return len(words) == 1
	case "run":
		return true
	}
	return false
}

const help = `A script is one or more statements; it runs when it is complete, or at an empty
line. Ctrl-C stops a running script, or discards what was typed.

  set greeting "hello"            get greeting
  let n = to_int(get n) + 1; set n n

Commands of the shell:
  run FILE   run a file as one script      clear   clear the screen
  help       this text                     exit, quit, Ctrl-D   leave
`

// enter runs what was entered. It reports whether the user wants to leave.
func (c *cli) enter(ctx context.Context, entry string) (leave bool) {
	if !isLocal(entry) {
		c.interruptible(ctx, entry)
		return false
	}
	words := strings.Fields(entry)
	switch words[0] {
	case "exit", "quit":
		return true
	case "clear":
		fmt.Fprint(c.stdout, "\x1b[H\x1b[2J")
	case "help":
		fmt.Fprint(c.stdout, help)
	case "run":
		name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(entry), "run"))
		if name == "" || name == "-" {
			fmt.Fprintln(c.stderr, "run: name a file: run FILE")
			return false
		}
		source, err := c.read(name)
		if err != nil {
			fmt.Fprintf(c.stderr, "run: %v\n", err)
			return false
		}
		c.interruptible(ctx, source)
	}
	return false
}

// interruptible runs a script that Ctrl-C stops without ending the shell.
func (c *cli) interruptible(ctx context.Context, source string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case sig := <-c.signals:
			if sig != os.Interrupt || !c.terminal {
				c.kill(sig)
			}
			cancel()
		case <-done:
		}
	}()
	status := c.execute(ctx, source)
	close(done)
	<-watched
	return status
}

// batch runs the scripts of a pipe: separated by blank lines, but not by those
// inside an open string or block.
func (c *cli) batch(ctx context.Context) int {
	in := bufio.NewReaderSize(c.stdin, 64<<10)
	first := exitOK
	var text strings.Builder
	flush := func() {
		source := text.String()
		text.Reset()
		if strings.TrimSpace(source) == "" || c.killed.Load() != 0 || c.lost != nil {
			return
		}
		if status := c.interruptible(ctx, source); first == exitOK {
			first = status
		}
	}
	for c.killed.Load() == 0 && c.lost == nil {
		line, err := readLine(in)
		blank := strings.TrimSpace(line) == ""
		if blank && (syntax.Complete(text.String()) || int64(text.Len()) >= sourceMax) {
			flush()
		} else if int64(text.Len()) < sourceMax {
			text.WriteString(line)
		}
		if err != nil {
			flush()
			if err != io.EOF {
				fmt.Fprintf(c.stderr, "kahuna-cli: reading input: %v\n", err)
				return max(first, exitFailed)
			}
			break
		}
	}
	return first
}

// readLine reads a line with its end; of a longer one than a script may be, it
// returns the beginning.
func readLine(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := in.ReadSlice('\n')
		if int64(b.Len()) < sourceMax {
			b.Write(part)
		}
		if err != bufio.ErrBufferFull {
			return b.String(), err
		}
	}
}

// terminal reads lines in a goroutine, so that Ctrl-C at the prompt is heard
// while it waits.
type terminal struct {
	out     io.Writer
	signals chan os.Signal
	lines   chan string
	end     chan error
	ask     chan struct{}
	asked   bool
}

func newTerminal(in io.Reader, out io.Writer, signals chan os.Signal) *terminal {
	t := &terminal{out: out, signals: signals, lines: make(chan string), end: make(chan error, 1), ask: make(chan struct{})}
	go func() {
		r := bufio.NewReader(in)
		for range t.ask {
			line, err := readLine(r)
			if err != nil && line == "" {
				t.end <- err
				return
			}
			t.lines <- strings.TrimRight(line, "\r\n")
		}
	}()
	return t
}

// ReadLine prints the prompt and waits for a line, or a signal.
func (t *terminal) ReadLine(prompt string) (string, error) {
	fmt.Fprint(t.out, prompt)
	if !t.asked {
		t.ask <- struct{}{}
		t.asked = true
	}
	select {
	case line := <-t.lines:
		t.asked = false
		return line, nil
	case err := <-t.end:
		return "", err
	case sig := <-t.signals:
		fmt.Fprintln(t.out)
		if sig == syscall.SIGTERM {
			return "", io.EOF
		}
		return "", errInterrupted
	}
}
