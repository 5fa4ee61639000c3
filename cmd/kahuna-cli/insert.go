package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/reeflective/readline"
)

// inserter puts what is typed into the line, in place of the library's
// self-insert. That takes one code point for each key: it loses the marks of a
// letter and the parts of an emoji that a terminal sends with it, and draws the
// line anew for each of a thousand characters that have come at once.
//
// The inserter takes all that has been read of the terminal. It inserts text as
// it stands, and feeds keys back to the library one by one, each with a mark
// behind it that brings the inserter its turn again.
type inserter struct {
	shell   *readline.Shell
	more    func() (byte, bool) // waits for the next byte of the terminal
	pending []byte              // behind the key that was fed
	fed     bool                // a mark has not come back yet
}

// mark is for private use, and typed by nobody. It is popped as the byte 0.
const mark = '\uf800'

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

var (
	// oneKey matches a key at the start of what was read: a sequence, a letter with
	// Meta, a control character, with what follows it for Ctrl-X.
	oneKey = regexp.MustCompile(`(?s)^(?:\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\x1b\x00-\x1f]|)|\x18.?|.)`)
	// cutKey matches a sequence of which the end has not come.
	cutKey = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*|O)$`)
)

// bind makes shell use i.
func (i *inserter) bind(shell *readline.Shell) {
	i.shell = shell
	i.more = func() (byte, bool) {
		var b [1]byte
		n, err := os.Stdin.Read(b[:])
		return b[0], n == 1 && err == nil
	}
	shell.Keymap.Register(map[string]func(){"self-insert": i.selfInsert})
}

func (i *inserter) selfInsert() {
	i.shell.History.SkipSave()
	typed := string(i.shell.Keys.Caller())
	if typed == string(mark) && i.fed {
		i.fed = false
		i.next()
		return
	}
	i.pending = append(i.pending, typed...)
	for !i.shell.Keys.Empty() {
		b, _ := i.shell.Keys.Pop()
		if !i.fed || b != 0 {
			i.pending = append(i.pending, b)
		}
	}
	i.fed = false // also when a key has taken the mark with it
	for isCut(i.pending) {
		b, ok := i.more()
		if !ok {
			break
		}
		i.pending = append(i.pending, b)
	}
	i.next()
}

// isCut reports whether input ends within a character or a key.
func isCut(input []byte) bool {
	for n := 1; n <= min(utf8.UTFMax-1, len(input)); n++ {
		if b := input[len(input)-n]; utf8.RuneStart(b) {
			return b >= utf8.RuneSelf && !utf8.FullRune(input[len(input)-n:])
		}
	}
	return cutKey.Match(input)
}

// next goes on with what is pending: it inserts the text up to the next key, and
// feeds that.
func (i *inserter) next() {
	for len(i.pending) > 0 {
		text := i.pending
		if n := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }); n >= 0 {
			text = text[:n]
		}
		i.insert(string(text))
		i.pending = i.pending[len(text):]
		switch {
		case len(i.pending) == 0:
			return
		case bytes.HasPrefix(i.pending, []byte(pasteBegin)):
			pasted, rest, whole := bytes.Cut(i.pending[len(pasteBegin):], []byte(pasteEnd))
			if !whole {
				i.feedBytes(i.pending) // the library waits for its end
				i.pending = nil
				return
			}
			i.insert(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(pasted)))
			i.pending = rest
		default:
			key := oneKey.Find(i.pending)
			i.shell.Keys.Feed(false, append([]rune(string(key)), mark)...)
			i.pending = i.pending[len(key):]
			i.fed = true
			return
		}
	}
}

func (i *inserter) insert(text string) {
	if text != "" {
		i.shell.Cursor().InsertAt([]rune(text)...)
	}
}

// feedBytes feeds input to the command for a paste, which takes bytes.
func (i *inserter) feedBytes(input []byte) {
	runes := make([]rune, len(input))
	for n, b := range input {
		runes[n] = rune(b)
	}
	i.shell.Keys.Feed(false, runes...)
}
