package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// separator is the line between two scripts of a batch.
const separator = "---"

// batch runs the scripts of a file or of standard input, one after the other as
// they arrive. Lines of --- separate them, wherever they stand; nothing else
// does (Invariant CLI-5). The status is that of the first script that failed; the
// others run all the same, unless they are to stop there. Once standard output is
// closed it stops: what is left would run unseen.
func (c *cli) batch(ctx context.Context, lines lineReader) int {
	first := exitOK
	for c.lost == nil {
		text, err := nextScript(lines)
		if text != "" {
			status := c.execute(ctx, text)
			if first == exitOK {
				first = status
			}
			if status != exitOK && c.flags.Batch.StopOnError {
				return status
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errStopped):
			return first
		case err != nil:
			fmt.Fprintf(c.stderr, "kahuna-cli: reading input: %v\n", err)
			return max(first, exitFailed)
		}
	}
	return first
}

// batchFile runs the scripts of a file, - for standard input.
func (c *cli) batchFile(ctx context.Context) int {
	var in io.Reader
	if name := c.flags.Batch.File; name != "-" {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return c.usage("%v", err)
		case info.IsDir():
			return c.usage("%s is a directory, not a file", name)
		}
		in = &laterFile{name: name}
	} else {
		typed, done := c.typed()
		defer done()
		in = typed
	}
	return c.onStore(ctx, func(ctx context.Context) int {
		return c.batch(ctx, newPlainReader(in, io.Discard, nil, ctx.Done()))
	})
}

// laterFile is a file that is opened when it is read: to open a pipe that nobody
// writes to waits, and only the reader is left behind by a signal. It is closed
// with the process.
type laterFile struct {
	name string
	file *os.File
}

func (f *laterFile) Read(p []byte) (int, error) {
	if f.file == nil {
		var err error
		if f.file, err = os.Open(f.name); err != nil {
			return 0, err
		}
	}
	return f.file.Read(p)
}

// nextScript reads the next script of a batch, "" when only blanks and comments
// came before err. Its lines count from its first one that is not empty. One that
// is too long is cut where the compiler will refuse it.
func nextScript(lines lineReader) (string, error) {
	var text strings.Builder
	begins := true // a line
	for {
		piece, err := lines.ReadLine("")
		if err != nil {
			if !errors.Is(err, io.EOF) || isBlank(text.String()) {
				return "", err
			}
			return trimLines(text.String()), err
		}
		if begins && isSeparator(strings.TrimPrefix(piece, "\n")) { // of a CR LF that came in two

			if !isBlank(text.String()) {
				return trimLines(text.String()), nil
			}
			text.Reset()
			continue
		}
		begins = strings.HasSuffix(piece, "\n") || strings.HasSuffix(piece, "\r")
		if text.Len() == 0 {
			piece = strings.TrimLeft(piece, "\r\n")
		}
		text.WriteString(piece[:min(len(piece), sourceMax+1-text.Len())])
	}
}

// trimLines takes the line ends from behind a script, but not from one that
// was cut: it must stay too long to run.
func trimLines(text string) string {
	if len(text) > sourceMax {
		return text
	}
	return strings.TrimRight(text, "\r\n")
}

func isSeparator(line string) bool { return strings.TrimRight(line, " \t\r\n") == separator }

// separates reports whether a text has a line that separates the scripts of a
// batch.
func separates(text string) bool {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return slices.ContainsFunc(lines, isSeparator)
}
