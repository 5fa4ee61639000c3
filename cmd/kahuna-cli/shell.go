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
	return c.session(ctx, newPlainReader(c.stdin, prompts, c.interrupts, ctx.Done()), prompts)
}

// session is the interactive shell.
func (c *cli) session(ctx context.Context, lines lineReader, prompts io.Writer) int {
	for c.lost == nil {
		entry, err := c.readEntry(lines, prompts)
		switch {
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

// readEntry reads lines until they are to be run: they make a script, or hold
// an error that no further line can mend, or an empty one sends them, and
// nothing is open.
func (c *cli) readEntry(lines lineReader, prompts io.Writer) (string, error) {
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
		"bracket": "a bracket is open; ) or ] closes it", "block": "a block is open; end closes it",
		"": "the last statement is not complete; an empty line sends it as it is"}[what]
	fmt.Fprintf(prompts, "(%s. Ctrl-C drops what was typed.)\n", closed)
}

// wantsOut reports whether a line of a script looks like one for the shell.
func wantsOut(line string) bool {
	switch strings.TrimRight(strings.TrimSpace(line), "; ") {
	case "exit", "quit", "help", "clear":
		return true
	}
	return false
}

// isLocal reports whether the entry is a command of the shell itself. No
// script begins with such a word.
func isLocal(entry string) bool {
	word, _ := localCommand(entry)
	return word != "" && !strings.ContainsAny(strings.TrimSpace(entry), "\r\n")
}

// localCommand splits a command of the shell from what follows it.
func localCommand(entry string) (word, rest string) {
	if wantsOut(entry) {
		return strings.TrimRight(strings.TrimSpace(entry), "; "), ""
	}
	rest, found := strings.CutPrefix(strings.TrimSpace(entry), "run")
	if !found || strings.TrimLeft(rest, " \t") == rest && rest != "" {
		return "", ""
	}
	return "run", strings.TrimSpace(rest)
}

const help = `A script is one or more statements. It runs at the end of the line that makes
it complete, when it is pasted too: to send several statements as one script,
put them on one line, or between begin and commit end, or in a file. What is
open goes on, whatever empty lines it holds: a string to its quote, a bracket, a
block (if, for, begin...) to its end. Ctrl-C drops what was typed, or stops a
running script, of which nothing remains. Parameters of scripts are those the shell was started with: -p.

  set greeting "hello"            get greeting
  let n = to_int(get n) + 1; set n n

Commands of the shell:
  run FILE   run a file as one script      clear   clear the screen
  help       this text                     exit, quit, Ctrl-D   leave
`

// enter runs what was entered, and returns the exit status of that and
// whether the user wants to leave.
func (c *cli) enter(ctx context.Context, entry string) (status int, leave bool) {
	if !isLocal(entry) {
		return c.interruptible(ctx, func(ctx context.Context) int { return c.execute(ctx, entry) }), false
	}
	switch word, file := localCommand(entry); word {
	case "exit", "quit":
		return exitOK, true
	case "clear":
		if c.screen {
			fmt.Fprint(c.stdout, "\x1b[H\x1b[2J\x1b[3J")
		}
	case "help":
		fmt.Fprint(c.stderr, help)
	default:
		return c.runLocal(ctx, file), false
	}
	return exitOK, false
}

// runLocal is the shell's own run FILE. The name may stand in quotes.
func (c *cli) runLocal(ctx context.Context, name string) int {
	if n := len(name); n > 1 && (name[0] == '"' || name[0] == '\'') && name[n-1] == name[0] {
		name = name[1 : n-1]
	}
	if name == "" || name == "-" {
		return c.unread(errors.New("name a file: run FILE"))
	}
	return c.interruptible(ctx, func(ctx context.Context) int {
		source, err := c.read(ctx, name)
		if err != nil {
			return c.unread(err)
		}
		return c.execute(ctx, source)
	})
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
