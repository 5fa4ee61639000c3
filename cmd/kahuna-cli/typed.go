package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// typedInput is what is typed on a terminal, line by line. It stands in for the
// line discipline of the kernel, which cuts a line at 4,095 bytes in silence:
// it echoes what is typed and knows the keys that erase. It writes only at the
// end of the terminal, so that every terminal will do.
type typedInput struct {
	tty  io.Reader
	echo io.Writer // nil when the terminal does not echo

	mu     sync.Mutex
	prompt string
	line   []byte // typed, and can still be erased
	rest   []byte // read, and not looked at yet
	ready  []byte // complete, and not handed on yet
	ended  bool   // by Ctrl-D on an empty line
	escape escape
	shown  strings.Builder // to be echoed
}

// escape says how far an escape sequence, such as that of an arrow key, has come.
type escape uint8

const (
	noEscape escape = iota
	escapeBegun
	escapeBracket
)

// The keys that a terminal's line discipline knows.
const (
	keyEnd      = 'D' - '@'
	keyErase    = 'H' - '@'
	keyReprint  = 'R' - '@'
	keyKill     = 'U' - '@'
	keyWord     = 'W' - '@'
	keyEscape   = '[' - '@'
	keyEraseDel = 0x7f
)

// typed returns what is typed on standard input, when that is a terminal, and a
// function that gives the terminal back as it was. Otherwise it is standard
// input itself.
func (c *cli) typed() (in io.Reader, done func()) {
	file, isFile := c.stdin.(*os.File)
	if !c.terminal || !isFile {
		return c.stdin, func() {}
	}
	echoes, enter, leave, err := byteMode(int(file.Fd()))
	if err != nil {
		return c.stdin, func() {}
	}
	t := &typedInput{tty: file}
	if echoes {
		t.echo = echoTo{file, c.stderr}
	}
	enter()
	continued := onContinue(enter)
	c.lend = func() func() { leave(); return enter }
	return t, func() {
		continued()
		leave()
		c.lend = nil
	}
}

// echoTo echoes to the terminal that is read, or, when that was opened to be read
// only, elsewhere.
type echoTo struct {
	tty       *os.File
	elsewhere io.Writer
}

func (e echoTo) Write(p []byte) (int, error) {
	if n, err := e.tty.Write(p); err == nil {
		return n, nil
	}
	return e.elsewhere.Write(p)
}

// Read returns the rest of a line, or io.EOF at Ctrl-D on an empty line. What is
// typed behind it is for the next Read.
func (t *typedInput) Read(p []byte) (int, error) {
	buf := make([]byte, 4096)
	for {
		if n, err, ok := t.take(p); ok {
			return n, err
		}
		n, err := t.tty.Read(buf)
		t.mu.Lock()
		t.rest = append(t.rest, buf[:n]...)
		if err != nil && n == 0 {
			t.ready, t.line = append(t.ready, t.line...), nil
		}
		empty := len(t.rest) == 0 && len(t.ready) == 0
		t.mu.Unlock()
		if err != nil && empty {
			return 0, err
		}
	}
}

// take hands on what is complete; ok is false when that is nothing.
func (t *typedInput) take(p []byte) (n int, err error, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	for ; i < len(t.rest) && len(t.ready) == 0 && !t.ended; i++ {
		t.key(t.rest[i])
	}
	t.rest = t.rest[i:]
	t.flush()
	switch {
	case len(t.ready) > 0:
		n = copy(p, t.ready)
		t.ready = t.ready[n:]
		return n, nil, true
	case t.ended:
		t.ended = false
		return 0, io.EOF, true
	}
	return 0, nil, false
}

func (t *typedInput) key(b byte) {
	switch {
	case t.escape != noEscape:
		t.inEscape(b)
	case b == '\n':
		t.shown.WriteByte('\n')
		t.hand(b)
	case b == keyEnd && len(t.line) == 0:
		t.ended = true
	case b == keyEnd:
		t.hand()
	case b == keyErase || b == keyEraseDel:
		t.erase()
	case b == keyKill:
		t.line = t.line[:0]
		t.reprint()
	case b == keyWord:
		text := strings.TrimRight(string(t.line), " \t")
		t.line = t.line[:strings.LastIndexAny(text, " \t")+1]
		t.reprint()
	case b == keyReprint:
		t.reprint()
	case b == keyEscape:
		t.escape = escapeBegun
	default:
		if t.line = append(t.line, b); len(t.line) > pieceMax { // it cannot be erased any more
			t.hand()
		}
		if b < ' ' && b != '\t' {
			t.shown.WriteString("^" + string(rune(b+'@')))
		} else {
			t.shown.WriteByte(b)
		}
	}
}

// inEscape drops the keys that move, of which a line has none.
func (t *typedInput) inEscape(b byte) {
	switch {
	case t.escape == escapeBegun && (b == '[' || b == 'O'):
		t.escape = escapeBracket
	case t.escape == escapeBracket && (b < '@' || b > '~'):
	default:
		t.escape = noEscape
	}
}

// hand hands on what was typed.
func (t *typedInput) hand(end ...byte) {
	t.ready = append(append(t.ready, t.line...), end...)
	t.line = t.line[:0]
}

// erase erases the last character, as it is seen.
func (t *typedInput) erase() {
	if len(t.line) == 0 {
		return
	}
	// A character is no longer than this, but for pathological ones.
	from := max(0, len(t.line)-256)
	for from > 0 && !utf8.RuneStart(t.line[from]) {
		from--
	}
	rest, last := t.line[from:], []byte(nil)
	for state := -1; len(rest) > 0; {
		last, rest, _, state = uniseg.Step(rest, state)
	}
	t.line = t.line[:len(t.line)-len(last)]
	width := uniseg.StringWidth(string(last))
	if width == 0 { // a tab, or what stands for a control character
		t.reprint()
		return
	}
	t.shown.WriteString(strings.Repeat("\b \b", width))
}

// reprint shows the line again, below.
func (t *typedInput) reprint() {
	t.shown.WriteString("\n" + t.prompt + string(t.line))
}

// flush echoes.
func (t *typedInput) flush() {
	if t.shown.Len() > 0 && t.echo != nil {
		_, _ = io.WriteString(t.echo, t.shown.String())
	}
	t.shown.Reset()
}

// begin tells that a line begins behind a prompt.
func (t *typedInput) begin(prompt string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prompt = prompt
}

// drop forgets what was typed, at Ctrl-C.
func (t *typedInput) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line, t.rest, t.ready, t.escape = nil, nil, nil, noEscape
	t.shown.WriteString("^C")
	t.flush()
}
