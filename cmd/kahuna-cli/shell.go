package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kahuna/script/syntax"
)

const (
	prompt     = "kahuna-cli> "
	promptMore = "         -> "
)

// shell runs scripts from standard input until it ends. The status is that of
// the first script that failed; a terminal's session that was left in order is
// a success.
func (c *cli) shell(ctx context.Context) int {
	if !c.terminal {
		lines := newPlainReader(c.stdin, io.Discard, nil, ctx.Done())
		return c.batch(ctx, lines)
	}
	c.interactive.Store(true)
	defer c.interactive.Store(false)
	// What is redirected holds results only.
	prompts := c.stderr
	if c.screen {
		prompts = c.stdout
	}
	fmt.Fprintln(prompts, "Type a script, or help. An empty line sends what is there; Ctrl-D leaves.")
	return c.session(ctx, newPlainReader(c.stdin, prompts, c.interrupts, ctx.Done()), prompts)
}

// session is the interactive shell.
func (c *cli) session(ctx context.Context, lines lineReader, prompts io.Writer) int {
	for c.lost == nil {
		entry, err := readEntry(lines)
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

// readEntry reads lines until they make a complete script, or an empty one
// sends them.
func readEntry(lines lineReader) (string, error) {
	var entry strings.Builder
	p := prompt
	for {
		line, err := lines.ReadLine(p)
		if err != nil {
			return "", err // what is half typed is not run
		}
		if entry.Len() > 0 && strings.TrimSpace(line) == "" {
			return entry.String(), nil
		}
		entry.WriteString(line)
		entry.WriteByte('\n')
		text := entry.String()
		switch {
		case isBlank(text):
			entry.Reset()
		case isLocal(text) || len(text) > sourceMax || syntax.Complete(text):
			return text, nil
		default:
			p = promptMore
		}
	}
}

// isLocal reports whether the entry is a command of the shell itself. No
// script begins with such a word.
func isLocal(entry string) bool {
	words := strings.Fields(entry)
	if len(words) == 0 || strings.Contains(strings.TrimSpace(entry), "\n") {
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
line. Ctrl-C stops a running script, of which nothing remains, or discards what
was typed. Parameters of scripts are those the shell was started with: -p.

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
		return c.interruptible(ctx, entry), false
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(entry), " ")
	switch word {
	case "exit", "quit":
		return exitOK, true
	case "clear":
		if c.screen {
			fmt.Fprint(c.stdout, "\x1b[H\x1b[2J\x1b[3J")
		}
	case "help":
		fmt.Fprint(c.stderr, help)
	default:
		return c.runLocal(ctx, strings.TrimSpace(rest)), false
	}
	return exitOK, false
}

// runLocal is the shell's own run FILE. The name may stand in quotes.
func (c *cli) runLocal(ctx context.Context, name string) int {
	if n := len(name); n > 1 && (name[0] == '"' || name[0] == '\'') && name[n-1] == name[0] {
		name = name[1 : n-1]
	}
	if name == "" || name == "-" {
		return c.usage("run: name a file: run FILE")
	}
	source, err := readFile(name, sourceMax)
	if err != nil {
		return c.usage("run: %v", err)
	}
	return c.interruptible(ctx, source)
}

// interruptible runs a script that Ctrl-C stops without ending the shell.
func (c *cli) interruptible(ctx context.Context, source string) int {
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
	status := c.execute(ctx, source)
	cancel()
	<-watched
	return status
}
