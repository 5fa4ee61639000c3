package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// batch runs the scripts of a pipe: separated by empty lines, but not by those
// inside an open string, bracket or block. A script that fails does not stop
// those after it; the status is that of the first that failed. Once standard
// output is closed it stops: what is left would run unseen.
func (c *cli) batch(ctx context.Context, lines lineReader) int {
	first := exitOK
	for c.lost == nil {
		text, err := nextScript(lines)
		if text != "" {
			status, leave := c.enter(ctx, text)
			if first == exitOK {
				first = status
			}
			if leave {
				break
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

// nextScript reads the next script, "" when only blanks and comments came
// before err. One that is too long is cut where the compiler will refuse it;
// the next one begins where it would have begun otherwise.
func nextScript(lines lineReader) (string, error) {
	var d draft
	for {
		piece, err := lines.ReadLine("")
		if err != nil {
			if errors.Is(err, io.EOF) && !isBlank(d.String()) {
				return trimLines(d.String()), err
			}
			return "", err
		}
		switch _, empty := d.add(piece); {
		case !empty || d.open() != "":
		case isBlank(d.String()):
			d = draft{}
		default:
			return trimLines(d.String()), nil
		}
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
