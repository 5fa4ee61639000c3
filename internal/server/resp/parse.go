package resp

import (
	"bytes"
	"fmt"
	"strconv"
)

// protocolError ends a connection: what follows cannot be told apart.
type protocolError string

func (e protocolError) Error() string { return "Protocol error: " + string(e) }

// bounds are what one request may be.
type bounds struct {
	bytes  int // of all of it
	args   int
	inline int // of an inline command
}

// span is the place of an argument in the input.
type span struct{ from, to int }

// parser reads requests out of an input that comes in pieces. It remembers how
// far it came in a request that is not complete, so that each byte is looked at
// once. All positions count from where the request begins.
type parser struct {
	bounds bounds
	left   int // arguments still to come; -1 when no request has begun
	at     int // parsed so far
	size   int // of the argument that comes next; -1 when not known
	spans  []span
	args   [][]byte
}

func newParser(b bounds) parser { return parser{bounds: b, left: -1, size: -1} }

// next parses the request at the beginning of in. n is its length, and args are
// parts of in; no args are a request to ignore. n is 0 when more has to come:
// next is then called with the same bytes and more behind them.
func (p *parser) next(in []byte) (args [][]byte, n int, err error) {
	if len(in) == 0 {
		return nil, 0, nil
	}
	if p.left < 0 {
		if in[0] != '*' {
			return p.inline(in)
		}
		count, ok, err := p.number(in, p.bounds.args, "invalid multibulk length")
		if err != nil || !ok {
			return nil, 0, err
		}
		if count <= 0 {
			n := p.at
			p.reset()
			return nil, n, nil
		}
		p.left = count
	}
	for p.left > 0 {
		ok, err := p.argument(in)
		if err != nil || !ok {
			return nil, 0, err
		}
	}
	for _, s := range p.spans {
		p.args = append(p.args, in[s.from:s.to:s.to])
	}
	args, n = p.args, p.at
	p.reset()
	return args, n, nil
}

// argument parses the next argument, if it has come.
func (p *parser) argument(in []byte) (bool, error) {
	if p.size < 0 {
		if p.at >= len(in) {
			return false, nil
		}
		if in[p.at] != '$' {
			return false, protocolError(fmt.Sprintf("expected '$', got %q", in[p.at]))
		}
		size, ok, err := p.number(in, p.bounds.bytes-p.at, "invalid bulk length")
		if err != nil || !ok {
			return false, err
		}
		if size < 0 {
			return false, protocolError("invalid bulk length")
		}
		p.size = size
	}
	end := p.at + p.size
	if len(in) < end+2 {
		return false, nil
	}
	if in[end] != '\r' || in[end+1] != '\n' {
		return false, protocolError("an argument does not end where its length says")
	}
	p.spans = append(p.spans, span{p.at, end})
	p.at, p.size = end+2, -1
	p.left--
	return true, nil
}

// number parses the number behind the type byte at p.at, and its line end, if
// they have come.
func (p *parser) number(in []byte, most int, what string) (n int, ok bool, err error) {
	const longest = 24
	line := in[p.at:]
	end := bytes.IndexByte(line[:min(len(line), longest)], '\n')
	if end < 0 {
		if len(line) >= longest {
			return 0, false, protocolError(what)
		}
		return 0, false, nil
	}
	if end < 2 || line[end-1] != '\r' {
		return 0, false, protocolError(what)
	}
	n, err = strconv.Atoi(string(line[1 : end-1]))
	if err != nil {
		return 0, false, protocolError(what)
	}
	if n > most {
		return 0, false, protocolError(fmt.Sprintf("%s: %d is more than the %d that are allowed", what, n, max(most, 0)))
	}
	p.at += end + 1
	return n, true, nil
}

// reset makes p ready for the next request. args stay valid until then.
func (p *parser) reset() {
	p.left, p.at, p.size = -1, 0, -1
	p.spans, p.args = p.spans[:0], p.args[:0]
	if cap(p.spans) > 1024 { // it had a long request
		p.spans, p.args = nil, nil
	}
}

// inline parses a request that is a line of words.
func (p *parser) inline(in []byte) (args [][]byte, n int, err error) {
	end := bytes.IndexByte(in[p.at:], '\n')
	if end < 0 {
		if len(in) > p.bounds.inline {
			return nil, 0, protocolError("too big inline request")
		}
		p.at = len(in)
		return nil, 0, nil
	}
	end += p.at
	if end > p.bounds.inline {
		return nil, 0, protocolError("too big inline request")
	}
	args, ok := words(bytes.TrimSuffix(in[:end], []byte("\r")))
	p.reset()
	if !ok {
		return nil, 0, protocolError("unbalanced quotes in request")
	}
	return args, end + 1, nil
}

// words splits an inline command. Words may stand in quotes, where double ones
// know the escapes \n \r \t \b \a \xHH.
func words(line []byte) (list [][]byte, ok bool) {
	for {
		line = bytes.TrimLeft(line, " \t\r\n\v\f\x00")
		if len(line) == 0 {
			return list, true
		}
		var word []byte
		switch line[0] {
		case '"', '\'':
			if word, line, ok = quoted(line); !ok || len(line) > 0 && !blank(line[0]) {
				return nil, false
			}
		default:
			end := 0
			for end < len(line) && !blank(line[end]) && line[end] != '"' && line[end] != '\'' {
				end++
			}
			if end < len(line) && !blank(line[end]) {
				return nil, false
			}
			word, line = line[:end], line[end:]
		}
		list = append(list, word)
	}
}

func blank(b byte) bool {
	return b == ' ' || b == '\t' || b == '\r' || b == '\n' || b == '\v' || b == '\f' || b == 0
}

// quoted reads the quoted word that line begins with.
func quoted(line []byte) (word, rest []byte, ok bool) {
	quote := line[0]
	word = []byte{}
	for i := 1; i < len(line); i++ {
		b := line[i]
		switch {
		case b == quote:
			return word, line[i+1:], true
		case b != '\\' || i+1 == len(line):
			word = append(word, b)
		case quote == '\'':
			if line[i+1] == '\'' {
				i++
			}
			word = append(word, line[i])
		default:
			if i+3 < len(line) && line[i+1] == 'x' {
				if n, err := strconv.ParseUint(string(line[i+2:i+4]), 16, 8); err == nil {
					word = append(word, byte(n))
					i += 3
					continue
				}
			}
			i++
			word = append(word, escaped(line[i]))
		}
	}
	return nil, nil, false
}

func escaped(b byte) byte {
	if i := bytes.IndexByte([]byte("nrtba"), b); i >= 0 {
		return "\n\r\t\b\a"[i]
	}
	return b
}
