package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"kahuna"
)

// typist is a lineReader that types what a test wants and records the prompts.
type typist struct {
	lines   []any // a string, or an error in place of a line
	prompts []string
}

func (t *typist) ReadLine(prompt string) (string, error) {
	t.prompts = append(t.prompts, prompt)
	if len(t.lines) == 0 {
		return "", io.EOF
	}
	next := t.lines[0]
	t.lines = t.lines[1:]
	if err, ok := next.(error); ok {
		return "", err
	}
	return next.(string) + "\n", nil
}

// buffer is a stream that goroutines may share.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newShell returns a command with an open store in memory.
func newShell(t *testing.T) (c *cli, stdout, stderr *buffer) {
	t.Helper()
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	stdout, stderr = new(buffer), new(buffer)
	return &cli{stdout: stdout, stderr: stderr, db: db, signals: make(chan os.Signal, 1),
		interrupts: make(chan struct{}, 1)}, stdout, stderr
}

// count returns how often the key count was written.
func count(t *testing.T, c *cli) string {
	t.Helper()
	res, err := c.db.Run(context.Background(), "return get count ?? 0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.Text()
}

const add = "set count to_int(get count) + 1"

func TestSession(t *testing.T) {
	file := filepath.Join(t.TempDir(), "add.kh")
	if err := os.WriteFile(file, []byte(add), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		lines   []any
		prompts string // p a new entry, m a line more, or what is open: ' " (
		count   string
	}{
		{"one line", []any{add}, "pp", "1"},
		{"a block", []any{"for i in 1..3 do", add, "end"}, "pmmp", "3"},
		{"a string over lines", []any{"let s = 'a", "b'", add}, "p'pp", "1"},
		{"an empty line sends", []any{"set count", "", add}, "pmpp", "1"},
		{"but not out of a string", []any{`set count "`, "", `1"`, "set count to_int(trim(get count)) + 1"}, `p""pp`, "2"},
		{"nor out of a block", []any{"for i in 1..3 do", "", add, "  ", "end"}, "pmmmmp", "3"},
		{"nor out of a bracket", []any{"set count (1", "", "+ 1)"}, "p((p", "2"},
		{"nor out of a faulty block", []any{"if false then", "zz", "", add, "", "end", add}, "pmmmmmpp", "1"},
		{"a loop's word as a name", []any{"let while =", "3 set count while", add}, "pmpp", "4"},
		{"a loop", []any{"while to_int(get count) < 3 do", "", add, "end"}, "pmmmp", "3"},
		{"a switch", []any{"switch 1", "", "case 1 then", add, "end"}, "pmmmmp", "1"},
		{"empty lines and comments are nothing", []any{"", "  ", "# a comment", " ;", add}, "pppppp", "1"},
		{"a comment in front", []any{"# note", add}, "ppp", "1"},
		{"an error is no end", []any{"return uper(1)", "throw 'no'", "zz", add}, "ppppp", "1"},
		{"interrupt drops the input", []any{"if true then", errInterrupted, add}, "pmpp", "1"},
		{"Ctrl-D does not run what is half typed", []any{"begin " + add + " commit", io.EOF, add}, "pm", "0"},
		{"run", []any{"run " + file, "  run  '" + file + "' ", `run "` + file + `"`}, "pppp", "3"},
		{"run fails", []any{"run", "run nope.kh", "run -", add}, "ppppp", "1"},
		{"interrupt drops a string", []any{"set count 'x", "", errInterrupted, add}, "p''pp", "1"},
		{"exit", []any{add, "exit", add}, "pp", "1"},
		{"exit with a semicolon", []any{add, "exit ;", add}, "pp", "1"},
		{"exit in a block", []any{"if true then", "exit", "end", add}, "pmmpp", "1"},
		{"quit", []any{" quit ", add}, "p", "0"},
		{"exit()", []any{add, "exit()", add}, "pp", "1"},
		{"exit is no script", []any{"exit now", add}, "ppp", "1"},
		{"help and clear", []any{"help", "clear", add}, "pppp", "1"},
		{"too long", []any{"set count '" + strings.Repeat("x", sourceMax) + "'", add}, "ppp", "1"},
		{"too long and open", []any{"if false then #" + strings.Repeat("x", sourceMax), add, "end", add}, "pmmpp", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, stdout, stderr := newShell(t)
			lines := &typist{lines: tt.lines}
			if status := c.session(context.Background(), &plainEditor{c, lines, io.Discard}, io.Discard); status != exitOK {
				t.Errorf("status %d", status)
			}
			var prompts strings.Builder
			for _, p := range lines.prompts {
				before, after, _ := strings.Cut(promptMore, "-")
				if p = strings.TrimPrefix(strings.TrimSuffix(p, after), before); p == "-" {
					p = "m"
				} else if len(p) > 1 {
					p = "p"
				}
				prompts.WriteString(p)
			}
			if prompts.String() != tt.prompts {
				t.Errorf("prompts %s, want %s", prompts.String(), tt.prompts)
			}
			if got := count(t, c); got != tt.count {
				t.Errorf("count = %s, want %s\n%s%s", got, tt.count, stdout, stderr)
			}
		})
	}
}

func TestSessionScreen(t *testing.T) {
	c, stdout, _ := newShell(t)
	c.screen = true
	c.session(context.Background(), &plainEditor{c, &typist{lines: []any{"clear", "set k 1"}}, stdout}, stdout)
	if got := stdout.String(); !strings.HasPrefix(got, "\x1b[H\x1b[2J\x1b[3Jr0 set ") || !strings.HasSuffix(got, "ms\n\n") {
		t.Errorf("%q", got)
	}
}

// What is open, and how to get out, is told once, at the first empty line or
// at a word that looks like a way out.
func TestSessionTellsWhatIsOpen(t *testing.T) {
	for _, tt := range []struct {
		lines []any
		want  string
	}{
		{[]any{"set k 'a", "", "", "'"}, "(a string is open; its quote closes it. Ctrl-C drops what was typed.)\n"},
		{[]any{"set k (1", ""}, "(a bracket is open; ), ] or } closes it. Ctrl-C drops what was typed.)\n"},
		{[]any{"if true then", "set k 1", "quit;", ""}, "(a block is open; end closes it. Ctrl-C drops what was typed.)\n"},
		{[]any{"set k", "quit", "", "get k"}, ""}, // quit is a value here
		{[]any{"let x =", "1 +", "exit +", "1"}, ""},
		{[]any{"set", "help", "1"}, "(the last statement is not complete; an empty line sends it as it is. Ctrl-C drops what was typed.)\n"},
	} {
		c, _, _ := newShell(t)
		var told buffer
		c.session(context.Background(), &plainEditor{c, &typist{lines: tt.lines}, &told}, &told)
		if got := strings.TrimRight(told.String(), "\n") + "\n"; strings.TrimSpace(got) != strings.TrimSpace(tt.want) {
			t.Errorf("%q: %q, want %q", tt.lines, got, tt.want)
		}
	}
	c, _, stderr := newShell(t)
	c.session(context.Background(), &plainEditor{c, &typist{lines: []any{"if true then", "zz", ""}}, io.Discard}, io.Discard)
	if got := stderr.String(); !strings.Contains(got, "unexpected 'zz'") {
		t.Errorf("the error that no line can mend is not shown: %q", got)
	}
}

func TestSessionInputFails(t *testing.T) {
	c, _, stderr := newShell(t)
	if status := c.session(context.Background(), &plainEditor{c, &typist{lines: []any{io.ErrUnexpectedEOF}}, io.Discard}, io.Discard); status != exitFailed {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(stderr.String(), "reading input: unexpected EOF") {
		t.Errorf("%q", stderr)
	}
}

// Ctrl-C stops the script that runs, of which nothing remains, and not the
// shell.
func TestSessionInterruptsScript(t *testing.T) {
	c, _, stderr := newShell(t)
	c.interactive.Store(true)
	ctx, stop := c.watch(context.Background())
	defer stop()
	lines := &typist{lines: []any{"set count 7 sleep 60s", add}}
	ended := make(chan int)
	go func() { ended <- c.session(ctx, &plainEditor{c, lines, io.Discard}, io.Discard) }()
	c.signals <- os.Interrupt
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
	if got := count(t, c); got != "1" || !strings.Contains(stderr.String(), "aborted: interrupted; nothing of it remains ") {
		t.Errorf("count = %s, %q", got, stderr)
	}
	if c.status(exitOK) != exitOK {
		t.Errorf("killed: %d", c.killed.Load())
	}
}

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		signal      syscall.Signal
		interactive bool
		status      int
	}{{syscall.SIGINT, false, 130}, {syscall.SIGTERM, false, 143}, {syscall.SIGTERM, true, 143}, {syscall.SIGHUP, true, 129}} {
		c, _, _ := newShell(t)
		c.interactive.Store(tt.interactive)
		ctx, stop := c.watch(context.Background())
		in, w := io.Pipe() // nobody ever types
		lines := newPlainReader(in, io.Discard, c.interrupts, ctx.Done())
		c.signals <- tt.signal
		if _, err := lines.ReadLine(prompt); !errors.Is(err, errStopped) {
			t.Errorf("%v: %v", tt.signal, err)
		}
		if got := c.status(exitOK); got != tt.status {
			t.Errorf("%v: status %d, want %d", tt.signal, got, tt.status)
		}
		stop()
		_ = w.Close()
	}
}

// A read that an interrupt left behind is the next one's: no line is lost.
func TestPlainReaderInterrupt(t *testing.T) {
	in, w := io.Pipe()
	interrupts := make(chan struct{}, 1)
	var prompts buffer
	r := newPlainReader(in, &prompts, interrupts, nil)
	interrupts <- struct{}{}
	if _, err := r.ReadLine("a> "); !errors.Is(err, errInterrupted) {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(w, "one\r\ntwo")
		_ = w.Close()
	}()
	for _, want := range []string{"one\r\n", "two"} {
		if got, err := r.ReadLine("b> "); got != want || err != nil {
			t.Fatalf("%q %v, want %q", got, err, want)
		}
	}
	if _, err := r.ReadLine("c> "); err != io.EOF {
		t.Fatal(err)
	}
	if got := prompts.String(); got != "a> b> b> c> " {
		t.Errorf("%q", got)
	}
}
