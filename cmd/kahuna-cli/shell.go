package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kahuna"
	"kahuna/script/syntax"
)

const (
	prompt     = "kahuna-cli> "
	promptMore = "         -> " // - is ' or " in a string, ( in brackets
)

// shell runs scripts from the terminal until it ends. A session that was left in
// order is a success.
func (c *cli) shell(ctx context.Context) int {
	c.interactive.Store(true)
	defer c.interactive.Store(false)
	// What is redirected holds results only.
	prompts := c.stderr
	if c.screen {
		prompts = c.stdout
	}
	fmt.Fprintln(prompts, "Type a script, or help. Ctrl-C drops what was typed, Ctrl-D leaves.")
	editor, done := c.newEditor(ctx, prompts)
	defer done()
	return c.session(ctx, editor, prompts)
}

// session is the interactive shell.
func (c *cli) session(ctx context.Context, editor editor, prompts io.Writer) int {
	for c.lost == nil {
		entry, err := editor.ReadEntry()
		switch {
		case err == nil && isBlank(entry):
			continue
		case err == nil:
			if _, leave := c.enter(ctx, entry); leave {
				return exitOK
			}
			continue
		case !errors.Is(err, io.EOF) && !errors.Is(err, errInterrupted) && !errors.Is(err, errStopped):
			fmt.Fprintf(c.stderr, "kahuna-cli: reading input: %v\n", err)
			return exitFailed
		}
		fmt.Fprintln(prompts) // below the prompt that was left
		if !errors.Is(err, errInterrupted) {
			return exitOK
		}
	}
	return exitFailed
}

// plainEditor is the editor for terminals that only write at their end. A line
// is edited by typedInput, or by whatever its input is.
type plainEditor struct {
	c       *cli
	lines   lineReader
	prompts io.Writer
}

// ReadEntry reads lines until they are to be run: they make a script, or hold
// an error that no further line can mend, or an empty one sends them, and
// nothing is open.
func (e *plainEditor) ReadEntry() (string, error) {
	c, lines, prompts := e.c, e.lines, e.prompts
	var d draft
	p, told := prompt, false
	for {
		piece, err := lines.ReadLine(p)
		if err != nil {
			return "", err // what is half typed is not run
		}
		ended, empty := d.add(piece)
		if !ended {
			p = ""
			continue
		}
		text := d.String()
		if isBlank(text) {
			d, p = draft{}, prompt
			continue
		}
		what := d.open()
		if isLocal(text) || what == "" && (empty || !d.operandMissing()) {
			return text, nil
		}
		if !told && (empty || wantsOut(piece)) {
			told = true
			c.tellOpen(prompts, what, text)
		}
		p = d.prompt(what)
	}
}

// prompt is that for the next line of d, in which what is open.
func (d *draft) prompt(what string) string {
	switch what {
	case "string":
		return strings.Replace(promptMore, "-", string(d.nesting.within), 1)
	case "bracket":
		return strings.Replace(promptMore, "-", "(", 1)
	}
	return promptMore
}

// tellOpen says why the script does not run yet, and the way out.
func (c *cli) tellOpen(prompts io.Writer, what, text string) {
	if _, errs := syntax.Parse(text, syntax.Limits{}); len(errs) > 0 && syntax.Complete(text) {
		c.findings("", text, errs[:1]) // what closes it will not help
	}
	closed := map[string]string{"string": "a string is open; its quote closes it",
		"bracket": "a bracket is open; ), ] or } closes it", "block": "a block is open; end closes it",
		"": "the last statement is not complete; an empty line sends it as it is"}[what]
	fmt.Fprintf(prompts, "(%s. Ctrl-C drops what was typed.)\n", closed)
}

// wantsOut reports whether a line of a script looks like one for the shell.
func wantsOut(line string) bool {
	word, rest := localCommand(line)
	return word != "" && rest == ""
}

// unread says why a script of run FILE was not run.
func (c *cli) unread(err error) int {
	if errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	if c.flags.JSON {
		c.printJSON(answerJSON(nil, nil, &kahuna.Error{Code: kahuna.CodeBadRequest, Message: "run: " + err.Error()}, 0))
	}
	return c.usage("run: %v", err)
}

// interruptible does work that Ctrl-C stops without ending the shell.
func (c *cli) interruptible(ctx context.Context, work func(context.Context) int) int {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-c.interrupts:
			if c.terminal {
				fmt.Fprintln(c.stderr) // below its ^C
			}
			cancel()
		case <-ctx.Done():
		}
	}()
	status := work(ctx)
	cancel()
	<-watched
	return status
}
