package main

import "strings"

// nesting knows what is open at the end of a text: a string, brackets, blocks.
// It is fed the text piece by piece, in time linear in the text, and also a
// faulty text: one whose second line does not parse is still in the block that
// its first line opened.
type nesting struct {
	within   byte // a quote, '`' of a name, '#' of a comment, or 0
	escaped  bool // the next character cannot end the string
	word     []byte
	brackets int
	blocks   int // words that open a block, less those that close one
	soft     int // of all the words so far that open blocks: those that may be names
	inFor    bool
}

// wordMax is more than any keyword is long.
const wordMax = 8

func (n *nesting) add(text string) {
	for i := range len(text) {
		n.next(text[i])
	}
}

func (n *nesting) next(c byte) {
	lineEnd := c == '\n' || c == '\r'
	switch n.within {
	case '"', '\'':
		switch {
		case n.escaped:
			n.escaped = false
		case c == '\\':
			n.escaped = true
		case c == n.within:
			n.within = 0
		}
		return
	case '`': // one that is not closed is an error of its line
		if c == '`' || lineEnd {
			n.within = 0
		}
		return
	case '#':
		if lineEnd {
			n.within = 0
		}
		return
	}
	if isWordByte(c) {
		if len(n.word) < wordMax {
			n.word = append(n.word, c)
		}
		return
	}
	n.endWord()
	switch c {
	case '"', '\'', '`', '#':
		n.within = c
	case '@':
		n.word = append(n.word, c) // @if is no keyword
	case '(', '[', '{':
		n.brackets++
	case ')', ']', '}':
		n.brackets = max(n.brackets-1, 0)
	}
}

func (n *nesting) endWord() {
	switch strings.ToLower(string(n.word)) {
	case "begin", "if":
		n.blocks++
	case "for":
		n.blocks++
		n.inFor = true
	case "do":
		if !n.inFor {
			n.soft = max(n.soft-1, 0) // that while was no name
		}
		n.inFor = false
	case "while", "switch": // both are names where no statement may begin
		n.blocks++
		n.soft++
	case "end":
		n.blocks = max(n.blocks-1, 0)
	}
	n.word = n.word[:0]
}

// open names what is open, "" when nothing is, and a word that may be a name
// counts as one that opens a block. Only sure tells that it is one.
func (n *nesting) open() (what string, sure bool) {
	switch {
	case n.within == '"' || n.within == '\'':
		return "string", true
	case n.brackets > 0:
		return "bracket", true
	case n.blocks > 0:
		return "block", n.blocks > n.soft
	}
	return "", true
}

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
