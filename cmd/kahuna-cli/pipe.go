package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kahuna/script/syntax"
)

// batch runs the scripts of a pipe: separated by blank lines, but not by those
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
// the next one begins after the next blank line.
func nextScript(lines lineReader) (string, error) {
	var b strings.Builder
	var inside openString
	afterBlank := true // a second blank line decides nothing that the first did not
	for {
		line, err := lines.ReadLine("")
		if err != nil {
			if errors.Is(err, io.EOF) && !isBlank(b.String()) {
				return b.String(), err
			}
			return "", err
		}
		blank := strings.TrimSpace(line) == ""
		if blank && !afterBlank {
			switch text := b.String(); {
			case isBlank(text):
				b.Reset()
			case len(text) > sourceMax:
				return text, nil
			case inside == 0 && syntax.Complete(text):
				return text, nil
			}
		}
		afterBlank = blank
		if blank && b.Len() == 0 {
			continue // a script's lines count from its first
		}
		inside.add(line)
		if b.Len() <= sourceMax {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
}

// openString is the quote of the string in which a text ends, 0 when it ends
// in none. It saves asking the parser again at each blank line of a string.
type openString byte

// add goes on with the text's next line.
func (s *openString) add(line string) {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case *s != 0 && c == '\\':
			i++
		case *s != 0:
			if c == byte(*s) {
				*s = 0
			}
		case c == '"' || c == '\'':
			*s = openString(c)
		case c == '`':
			end := strings.IndexByte(line[i+1:], '`')
			if end < 0 {
				return // not closed: an error of this line
			}
			i += end + 1
		case c == '#':
			end := strings.IndexByte(line[i:], '\r')
			if end < 0 {
				return
			}
			i += end
		}
	}
}
