package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"kahuna/script"
)

// sourceMax is the longest text of a script. What reads scripts stops one byte
// later: that is enough for the language to say what is wrong.
var sourceMax = script.DefaultLimits().SourceBytes

// read reads a script's file, or standard input for "-". Of one that is too
// long it returns sourceMax+1 bytes.
func (c *cli) read(ctx context.Context, path string) (string, error) {
	in, done := c.stdin, func() {}
	if path == "-" {
		in, done = c.typed()
	}
	defer done()
	return unlessDone(ctx, func() (string, error) {
		if path == "-" {
			return readAll(in, sourceMax)
		}
		if path == "" {
			return "", errors.New("the name of the script file is empty")
		}
		return readFile(path, sourceMax)
	})
}

// unlessDone reads what may be a pipe nobody writes to. When the context ends
// first the reading is left behind: it ends with its input or the process.
func unlessDone(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readFile reads at most limit+1 bytes of a file.
func readFile(path string, limit int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s is a directory, not a file", path)
	}
	text, err := readAll(f, limit)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return text, nil
}

func readAll(r io.Reader, limit int) (string, error) {
	var b strings.Builder
	_, err := io.Copy(&b, io.LimitReader(r, int64(limit)+1))
	return b.String(), err
}

// lineOf returns a line of source, counted from 1, without its end: a line feed,
// a carriage return, or both.
func lineOf(source string, no int) string {
	source = strings.TrimPrefix(source, "\ufeff")
	for ; no > 1; no-- {
		end := strings.IndexAny(source, "\r\n")
		if end < 0 {
			return ""
		}
		if strings.HasPrefix(source[end:], "\r\n") {
			end++
		}
		source = source[end+1:]
	}
	if end := strings.IndexAny(source, "\r\n"); end >= 0 {
		source = source[:end]
	}
	return source
}

// isBlank reports whether a text holds nothing to run: space, separators and
// comments.
func isBlank(text string) bool {
	text = strings.TrimPrefix(text, "\ufeff")
	for text != "" {
		text = strings.TrimLeft(text, " \t\r\n\f\v;")
		if !strings.HasPrefix(text, "#") {
			return text == ""
		}
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			return true
		}
		text = text[end:]
	}
	return true
}
