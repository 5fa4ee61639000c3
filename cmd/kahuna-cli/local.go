package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"kahuna/internal/console"
	"kahuna/script"
	"kahuna/script/syntax"
)

// locals are the commands of the shell itself. No script begins with such a word.
var locals = []struct{ name, usage, what string }{
	{"help", "help [NAME]", "this text, or what a keyword, function or command does"},
	{"run", "run FILE [-p NAME=VALUE]", "run a file as one script, with more parameters"},
	{"param", "param NAME=VALUE", "set a parameter of the scripts to come; NAME:=JSON, NAME=@file"},
	{"params", "params", "show the parameters"},
	{"timing", "timing", "show how long each script takes, or stop that"},
	{"edit", "edit", "write a script in $EDITOR, beginning with the last one, and run it"},
	{"clear", "clear", "clear the screen"},
	{"exit", "exit", "leave; so do quit, bye, \\q, :q and Ctrl-D"},
}

// otherNames are other words for commands.
var otherNames = map[string]string{"quit": "exit", "bye": "exit", "q": "exit", "logout": "exit", "h": "help", "?": "help"}

// localCommand splits a command of the shell from what follows it; word is empty
// for anything else. Other shells write commands behind a colon, a backslash or a
// dot.
func localCommand(entry string) (word, rest string) {
	entry = strings.TrimRight(strings.TrimSpace(entry), "; \t\r\n")
	if strings.ContainsAny(entry, "\r\n") {
		return "", ""
	}
	word, rest, _ = strings.Cut(entry, " ")
	word = strings.TrimSuffix(word, "()") // as in exit()
	bare := strings.TrimLeft(word, `:\.`)
	if len(word)-len(bare) > 1 {
		return "", ""
	}
	marked := bare != word
	word, rest = strings.ToLower(bare), strings.TrimSpace(rest)
	if other, ok := otherNames[word]; ok && (len(word) > 1 || marked || word == "?") {
		word = other
	}
	if marked && word == "r" || !slices.ContainsFunc(locals, func(l struct{ name, usage, what string }) bool { return l.name == word }) {
		return "", ""
	}
	switch {
	case word == "run" || word == "param" || rest == "":
		return word, rest
	case word == "help" && !strings.ContainsAny(rest, " \t"):
		return word, rest
	}
	return "", ""
}

// isLocal reports whether the entry is a command of the shell itself.
func isLocal(entry string) bool {
	word, _ := localCommand(entry)
	return word != ""
}

// enter runs what was entered, and returns the exit status of that and
// whether the user wants to leave.
func (c *cli) enter(ctx context.Context, entry string) (status int, leave bool) {
	word, rest := localCommand(entry)
	switch word {
	case "":
		c.nearest(entry)
		return c.script(ctx, entry), false
	case "exit":
		return exitOK, true
	case "clear":
		if c.screen {
			fmt.Fprint(c.stdout, "\x1b[H\x1b[2J\x1b[3J")
		}
	case "help":
		return c.help(rest), false
	case "param":
		return c.setParam(ctx, rest), false
	case "params":
		for _, name := range slices.Sorted(maps.Keys(c.params)) {
			fmt.Fprintf(c.stderr, "@%s = %s\n", name, shownParam(c.params[name]))
		}
	case "timing":
		c.timing = !c.timing
		fmt.Fprintf(c.stderr, "timing is %s\n", map[bool]string{true: "on", false: "off"}[c.timing])
	case "edit":
		return c.edit(ctx), false
	default:
		return c.runLocal(ctx, rest), false
	}
	return exitOK, false
}

// shownParam is a parameter as JSON, on one line that is safe on a terminal.
func shownParam(param any) string {
	v, typed := param.(script.Value)
	if !typed {
		v = script.String(fmt.Sprint(param))
	}
	text, ok := script.JSON(v)
	if !ok { // not UTF-8
		text = v.Str()
	}
	return console.Text(text)
}

// script runs a script that Ctrl-C stops without ending the shell.
func (c *cli) script(ctx context.Context, source string) int {
	c.last = source
	return c.interruptible(ctx, func(ctx context.Context) int { return c.execute(ctx, source) })
}

// nearest tells of a word that is most likely a command of the shell misspelt.
func (c *cli) nearest(entry string) {
	fields := strings.Fields(entry)
	if len(fields) == 0 || strings.ContainsAny(strings.TrimSpace(entry), "\r\n") {
		return
	}
	word := strings.TrimLeft(strings.TrimRight(fields[0], ";"), `:\.`)
	names := []string{"quit", "bye"}
	for _, l := range locals {
		names = append(names, l.name)
	}
	if slices.Contains(syntax.Keywords(), strings.ToLower(word)) {
		return
	}
	if slices.Contains(names, strings.ToLower(word)) {
		c.usage("%s is a command of the shell, and stands alone in its line", word)
	} else if near := syntax.Suggest(word, names); near != "" {
		c.usage("%s is no command; did you mean %s?", word, near)
	}
}

func (c *cli) help(name string) int {
	if name == "" {
		fmt.Fprint(c.stderr, helpText())
		return exitOK
	}
	if text := helpOn(name); text != "" {
		fmt.Fprint(c.stderr, text)
		return exitOK
	}
	if near := syntax.Suggest(name, helpNames()); near != "" {
		return c.usage("there is no help on %s; did you mean %s?", name, near)
	}
	return c.usage("there is no help on %s; help names what there is", name)
}

// setParam sets a parameter of the scripts to come.
func (c *cli) setParam(ctx context.Context, text string) int {
	more, err := parseParams(ctx, []string{text})
	if err != nil {
		return c.usage("%s", strings.Replace(err.Error(), "-p", "param", 1))
	}
	c.params = maps.Clone(c.params)
	if c.params == nil {
		c.params = more
	}
	maps.Copy(c.params, more)
	return exitOK
}

// paramFlag matches what stands in front of a parameter, as on the command line.
var paramFlag = regexp.MustCompile(`\s(?:--param(?:=|\s+)|-p\s*)`)

// cutParams splits what stands behind run into the file and the parameters.
func cutParams(rest string) (file string, params []string) {
	parts := paramFlag.Split(" "+rest, -1)
	for _, p := range parts[1:] {
		params = append(params, unquote(strings.TrimSpace(p)))
	}
	return strings.TrimSpace(parts[0]), params
}

// unquote takes the quotes from around a text.
func unquote(text string) string {
	if n := len(text); n > 1 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}

// runLocal is the shell's own run FILE. The name may stand in quotes.
func (c *cli) runLocal(ctx context.Context, rest string) int {
	name, flags := cutParams(rest)
	if name = unquote(name); name == "" || name == "-" {
		return c.unread(errors.New("name a file: run FILE"))
	}
	more, err := parseParams(ctx, flags)
	if err != nil {
		return c.unread(err)
	}
	return c.interruptible(ctx, func(ctx context.Context) int {
		source, err := c.read(ctx, name)
		if err != nil {
			return c.unread(err)
		}
		before := c.params
		defer func() { c.params = before }()
		c.params = maps.Clone(before)
		if c.params == nil {
			c.params = more
		}
		maps.Copy(c.params, more)
		return c.execute(ctx, source)
	})
}

// edit lets the user write a script in the editor of the environment, beginning
// with the last one, and runs what was saved.
func (c *cli) edit(ctx context.Context) int {
	program := "vi"
	for _, name := range []string{"EDITOR", "VISUAL"} {
		if v := strings.TrimSpace(os.Getenv(name)); v != "" {
			program = v
		}
	}
	f, err := os.CreateTemp("", "kahuna-*.kh")
	if err == nil {
		defer os.Remove(f.Name())
		_, err = io.WriteString(f, c.last)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return c.usage("edit: %v", err)
	}
	if c.lend != nil {
		defer c.lend()()
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", program+` "$1"`, "sh", f.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	select {
	case <-c.interrupts: // it was the editor's
	default:
	}
	if err != nil {
		return c.usage("edit: %s: %v; nothing was run", program, err)
	}
	source, err := readFile(f.Name(), sourceMax)
	if err != nil {
		return c.usage("edit: %v", err)
	}
	if isBlank(source) {
		return exitOK
	}
	fmt.Fprintln(c.stderr, strings.TrimRight(source, "\r\n"))
	return c.script(ctx, source)
}
