package resp

import (
	"container/list"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"

	"kahuna"
)

// stored is a compiled script, with where its parameters come from.
type stored struct {
	sha     string
	source  string
	program kahuna.Program
	params  []param
}

// param is one parameter of a script that takes KEYS and ARGV.
type param struct {
	name string
	kind byte // 'k', 'a' or '@': of KEYS, of ARGV, of all of them
	n    int  // counts from 1
}

// sharedMost is how many parameters a script may have that uses the memory of the
// server's: clearing a map takes as long as it has ever been large.
const sharedMost = 16

// bind makes the parameters of a call, in params, which is empty, or nil. What the script names and the call does not have is missing: the store says so.
func (s *stored) bind(params kahuna.Params, keys, argv [][]byte) kahuna.Params {
	if len(s.params) == 0 {
		return nil
	}
	if params == nil {
		params = make(kahuna.Params, len(s.params))
	}
	for _, p := range s.params {
		from, n := keys, p.n-1
		switch {
		case p.kind == 'a':
			from = argv
		case p.kind == '@' && n >= len(keys):
			from, n = argv, n-len(keys)
		}
		if n < len(from) {
			params[p.name] = string(from[n])
		}
	}
	return params
}

// paramsOf says where the parameters of p come from. Others than @keyN, @argN
// and @N are never there.
func paramsOf(p kahuna.Program) []param {
	var list []param
	for _, name := range p.Parameters() {
		kind, digits := byte('@'), name
		if rest, ok := strings.CutPrefix(name, "key"); ok {
			kind, digits = 'k', rest
		} else if rest, ok := strings.CutPrefix(name, "arg"); ok {
			kind, digits = 'a', rest
		}
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && digits[0] != '0' && digits[0] != '+' {
			list = append(list, param{name, kind, n})
		}
	}
	return list
}

// scripts keeps what EVAL and SCRIPT LOAD have brought, by SHA-1, bounded. The
// ones not used for the longest time go.
type scripts struct {
	most, mostBytes int

	mu     sync.Mutex
	bySHA  map[string]*list.Element
	recent list.List // of *stored, newest first
	bytes  int
}

func newScripts(most, bytes int) *scripts {
	return &scripts{most: most, mostBytes: bytes, bySHA: map[string]*list.Element{}}
}

// sha is the name by which clients call a script.
func sha(source []byte) string {
	sum := sha1.Sum(source)
	return hex.EncodeToString(sum[:])
}

// get returns the script of that name, or nil.
func (s *scripts) get(name []byte) *stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.bySHA[string(name)]
	if e == nil {
		if e = s.bySHA[strings.ToLower(string(name))]; e == nil {
			return nil
		}
	}
	if s.recent.Front() != e {
		s.recent.MoveToFront(e)
	}
	return e.Value.(*stored)
}

// load compiles source, unless it is known, and keeps it.
func (s *scripts) load(db *kahuna.DB, source []byte) (*stored, error) {
	name := sha(source)
	if known := s.get([]byte(name)); known != nil {
		return known, nil
	}
	text := string(source)
	p, err := db.Compile(text)
	if err != nil {
		return nil, luaError(text, err)
	}
	script := &stored{sha: name, source: text, program: p, params: paramsOf(p)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.bySHA[name]; e != nil {
		return e.Value.(*stored), nil
	}
	s.bySHA[name] = s.recent.PushFront(script)
	s.bytes += len(text)
	for s.recent.Len() > s.most || s.bytes > s.mostBytes && s.recent.Len() > 1 {
		last := s.recent.Back()
		old := last.Value.(*stored)
		s.recent.Remove(last)
		delete(s.bySHA, old.sha)
		s.bytes -= len(old.source)
	}
	return script, nil
}

// count is how many scripts there are.
func (s *scripts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bySHA)
}

// flush forgets all scripts.
func (s *scripts) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bySHA)
	s.recent.Init()
	s.bytes = 0
}

var (
	errNoScript = errors.New("NOSCRIPT No matching script. Please use EVAL")
	errNumKeys  = errors.New("ERR value is not an integer or out of range")
)

// eval makes the op of EVAL, EVALSHA and their _RO forms.
func eval(c *conn, args [][]byte, bySHA, readOnly bool) (op, error) {
	n, err := strconv.Atoi(string(args[2]))
	switch {
	case err != nil:
		return op{}, errNumKeys
	case n < 0:
		return op{}, errors.New("ERR Number of keys can't be negative")
	case n > len(args)-3:
		return op{}, errors.New("ERR Number of keys can't be greater than number of args")
	}
	var s *stored
	if bySHA {
		if s = c.server.scripts.get(args[1]); s == nil {
			return op{}, errNoScript
		}
	} else if s, err = c.server.scripts.load(c.server.db, args[1]); err != nil {
		return op{}, err
	}
	// The server's map serves scripts that are started at once: start empties it.
	kind, params := opRun, c.server.params
	if readOnly {
		kind = opRead
	}
	if readOnly || c.multi != nil || len(s.params) > sharedMost {
		params = nil
	}
	params = s.bind(params, args[3:3+n], args[3+n:])
	return op{kind: kind, program: s.program, params: params, reply: result}, nil
}

// kahunaRun makes the op of KAHUNA.RUN source [name value …].
func kahunaRun(c *conn, args [][]byte) (op, error) {
	if len(args)%2 != 0 {
		return op{}, errors.New("ERR KAHUNA.RUN takes a source, and names with values: KAHUNA.RUN source name value …")
	}
	s, err := c.server.scripts.load(c.server.db, args[1])
	if err != nil {
		return op{}, err
	}
	params := make(kahuna.Params, len(args)/2)
	for i := 2; i < len(args); i += 2 {
		params[string(args[i])] = string(args[i+1])
	}
	return op{kind: opRun, program: s.program, params: params, reply: result}, nil
}

// scriptCommand is SCRIPT LOAD, EXISTS and FLUSH.
func scriptCommand(c *conn, args [][]byte) (op, error) {
	store := c.server.scripts
	switch sub := strings.ToUpper(string(args[1])); {
	case sub == "LOAD" && len(args) == 3:
		s, err := store.load(c.server.db, args[2])
		if err != nil {
			return op{}, err
		}
		return replying(func(w *writer) { w.bulk(s.sha) }), nil
	case sub == "EXISTS" && len(args) > 2:
		found := make([]int64, len(args)-2)
		for i, name := range args[2:] {
			if store.get(name) != nil {
				found[i] = 1
			}
		}
		return replying(func(w *writer) {
			w.array(len(found))
			for _, n := range found {
				w.int(n)
			}
		}), nil
	case sub == "FLUSH" && len(args) <= 3:
		if len(args) == 3 && !flushOption(args[2]) {
			return op{}, errors.New("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
		}
		store.flush()
		return replying((*writer).ok), nil
	case sub == "KILL" && len(args) == 2:
		return op{}, errors.New("NOTBUSY No script blocks the others. One ends by its own time-out")
	default:
		return op{}, subcommandError("SCRIPT", args, "LOAD script", "EXISTS sha1 …", "FLUSH [ASYNC|SYNC]")
	}
}

// replying is an op that needs no store.
func replying(f func(w *writer)) op {
	return op{kind: opReply, reply: func(w *writer, _ *answer) { f(w) }}
}
