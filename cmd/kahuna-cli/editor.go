package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/reeflective/readline"
	"golang.org/x/term"
)

// editor reads what the user enters.
type editor interface {
	// ReadEntry returns the next script or command of the shell, whole. The error
	// is io.EOF when the user leaves (Ctrl-D), errInterrupted after Ctrl-C,
	// errStopped when the command is to end, or the input's own.
	ReadEntry() (string, error)
}

// newEditor returns the editor that the terminal allows, and a function that
// gives the terminal back.
func (c *cli) newEditor(ctx context.Context, prompts io.Writer) (e editor, done func()) {
	if c.screen && c.terminal && canMoveCursor(os.Getenv("TERM")) {
		return newScreenEditor(ctx, c), func() {}
	}
	in, done := c.typed()
	return &plainEditor{c: c, lines: newPlainReader(in, prompts, c.interrupts, ctx.Done()), prompts: prompts}, done
}

// canMoveCursor reports whether a terminal of that type can be written to
// elsewhere than at its end.
func canMoveCursor(name string) bool { return name != "" && name != "dumb" && name != "unknown" }

// screenEditor edits entries of several lines on the screen, with history,
// completion and colors. What is pasted is one entry, however many lines it has.
type screenEditor struct {
	shell   *readline.Shell
	stopped <-chan struct{}
	state   *term.State // of the terminal before
}

func newScreenEditor(ctx context.Context, c *cli) *screenEditor {
	s := readline.NewShell()
	for name, value := range map[string]any{
		"enable-bracketed-paste": true,  // a paste is one entry
		"cursor-position-probe":  false, // it loses what is typed ahead
		"multiline-column":       false, // the screen can be copied
		"completion-ignore-case": true,
		// Letters from U+0080 to U+00FF are letters, no Meta keys.
		"convert-meta": false, "input-meta": true, "output-meta": true,
	} {
		_ = s.Config.Set(name, value)
	}
	new(inserter).bind(s)
	s.Prompt.Primary(func() string { return prompt })
	s.Prompt.Secondary(func() string { return "" })
	s.AcceptMultiline = func(line []rune) bool { return isWhole(string(line)) }
	s.SyntaxHighlighter = highlighter(os.Getenv("NO_COLOR") != "")
	s.Completer = func(line []rune, cursor int) readline.Completions {
		return completions(c.candidates(ctx, string(line[:cursor])))
	}
	history, err := openHistory(historyFile(os.Getenv))
	if err != nil {
		c.usage("the history of the shell is not kept: %v", err)
	}
	s.History.Add("history", history)
	state, _ := term.GetState(int(os.Stdin.Fd()))
	return &screenEditor{shell: s, stopped: ctx.Done(), state: state}
}

// ReadEntry is the editor's. When the command is to end, it leaves behind a read
// of the terminal, which ends with the process.
func (e *screenEditor) ReadEntry() (string, error) {
	type entry struct {
		text string
		err  error
	}
	read := make(chan entry, 1)
	go func() {
		text, err := e.shell.Readline()
		read <- entry{text, err}
	}()
	select {
	case r := <-read:
		if r.err == readline.ErrInterrupt { //nolint:errorlint // the library's own, as it is
			return "", errInterrupted
		}
		return r.text, r.err
	case <-e.stopped:
		if e.state != nil {
			_ = term.Restore(int(os.Stdin.Fd()), e.state)
		}
		_, _ = io.WriteString(os.Stdout, "\x1b[?2004l")
		return "", errStopped
	}
}

// isWhole reports whether a text is to be run at the end of a line: it is a
// script, or has an error that no further line can mend, or an empty line ends it
// where nothing is open.
func isWhole(text string) bool {
	if isBlank(text) || isLocal(text) {
		return true
	}
	var d draft
	d.add(text + "\n")
	last := text[strings.LastIndexByte(text, '\n')+1:]
	empty := last != text && strings.Trim(last, " \t") == ""
	return d.open() == "" && (empty || !d.operandMissing())
}

// completions are candidates in the form of the library.
func completions(word string, list []candidate) readline.Completions {
	var values []readline.Completion
	for _, c := range list {
		values = append(values, readline.Completion{Value: c.text, Display: c.text, Description: c.what, Tag: c.kind})
	}
	found := readline.CompleteRaw(values).NoSpace()
	found.PREFIX = word
	return found
}
