package resp

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"kahuna"
)

var keyCommands = []*command{
	{name: "DEL", arity: -2, first: 1, last: -1, step: 1, writes: true, plan: del},
	{name: "UNLINK", arity: -2, first: 1, last: -1, step: 1, writes: true, plan: del},
	{name: "EXISTS", arity: -2, first: 1, last: -1, step: 1, plan: exists},
	{name: "TOUCH", arity: -2, first: 1, last: -1, step: 1, plan: exists},
	{name: "EXPIRE", arity: -3, first: 1, last: 1, step: 1, writes: true, plan: expiring("EX")},
	{name: "PEXPIRE", arity: -3, first: 1, last: 1, step: 1, writes: true, plan: expiring("PX")},
	{name: "EXPIREAT", arity: -3, first: 1, last: 1, step: 1, writes: true, plan: expiring("EXAT")},
	{name: "PEXPIREAT", arity: -3, first: 1, last: 1, step: 1, writes: true, plan: expiring("PXAT")},
	{name: "TTL", arity: 2, first: 1, last: 1, step: 1, plan: ending(func(e kahuna.Entry) int64 { return (leftMillis(e) + 500) / 1000 })},
	{name: "PTTL", arity: 2, first: 1, last: 1, step: 1, plan: ending(leftMillis)},
	{name: "EXPIRETIME", arity: 2, first: 1, last: 1, step: 1, plan: ending(func(e kahuna.Entry) int64 { return e.Expires.Unix() })},
	{name: "PEXPIRETIME", arity: 2, first: 1, last: 1, step: 1, plan: ending(func(e kahuna.Entry) int64 { return e.Expires.UnixMilli() })},
	{name: "PERSIST", arity: 2, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("persist", kahuna.Params{"k": string(args[1])}, scripted), nil
	}},
	{name: "TYPE", arity: 2, first: 1, last: 1, step: 1, plan: func(_ *conn, args [][]byte) (op, error) {
		return op{kind: opGet, key: string(args[1]), reply: read(func(w *writer, _ kahuna.Entry, found bool) {
			if found {
				w.simple("string")
			} else {
				w.simple("none")
			}
		})}, nil
	}},
	{name: "COPY", arity: -3, first: 1, last: 2, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return copyKey(c, args)
	}},
	{name: "RENAME", arity: 3, first: 1, last: 2, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("rename", kahuna.Params{"from": string(args[1]), "to": string(args[2]), "nx": false},
			with(func(w *writer, _ *kahuna.Result) { w.ok() })), nil
	}},
	{name: "RENAMENX", arity: 3, first: 1, last: 2, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("rename", kahuna.Params{"from": string(args[1]), "to": string(args[2]), "nx": true}, scripted), nil
	}},
	{name: "KEYS", arity: 2, plan: keys, alone: true},
	{name: "SCAN", arity: -2, plan: scan, alone: true},
	{name: "DBSIZE", arity: 1, alone: true, plan: func(c *conn, _ [][]byte) (op, error) {
		in := c.in0()
		return op{kind: opFunc, do: func(ctx context.Context, w *writer) {
			n := int64(0)
			for _, err := range in.Prefix(ctx, "", nil) {
				if err != nil {
					w.failed(err)
					return
				}
				n++
			}
			w.int(n)
		}}, nil
	}},
	{name: "RANDOMKEY", arity: 1, alone: true, plan: randomKey},
	{name: "FLUSHDB", arity: -1, writes: true, plan: flushDB, alone: true},
}

// copyKey is COPY from to [DB n] [REPLACE]. It copies between spaces too.
func copyKey(c *conn, args [][]byte) (op, error) {
	to, replace := c.space, false
	for i := 3; i < len(args); i++ {
		switch option := strings.ToUpper(string(args[i])); {
		case option == "REPLACE":
			replace = true
		case option == "DB" && i+1 < len(args):
			i++
			var err error
			if to, err = spaceOf(args[i]); err != nil {
				return op{}, err
			}
		default:
			return op{}, errSyntax
		}
	}
	name := "copy"
	if to != c.space {
		name = "copy over"
	} else if string(args[1]) == string(args[2]) {
		return op{}, errors.New("ERR source and destination objects are the same")
	}
	return c.scripted(name, kahuna.Params{"from": string(args[1]), "to": string(args[2]), "replace": replace}, scripted), nil
}

// in0 is the space that the connection has selected.
func (c *conn) in0() kahuna.Space {
	if c.space == 1 {
		return c.server.db.Ephemeral()
	}
	return c.server.db
}

func del(c *conn, args [][]byte) (op, error) {
	if len(args) == 2 {
		return op{kind: opDelete, key: string(args[1]), reply: written}, nil
	}
	return c.scripted("del", kahuna.Params{"keys": texts(args[1:])}, scripted), nil
}

func exists(c *conn, args [][]byte) (op, error) {
	if len(args) > 2 {
		return c.scripted("exists", kahuna.Params{"keys": texts(args[1:])}, scripted), nil
	}
	return op{kind: opGet, key: string(args[1]), reply: read(func(w *writer, _ kahuna.Entry, found bool) {
		if found {
			w.int(1)
		} else {
			w.int(0)
		}
	})}, nil
}

// leftMillis is how long a key that ends still has.
func leftMillis(e kahuna.Entry) int64 { return max(e.Expires.UnixMilli()-time.Now().UnixMilli(), 0) }

// ending answers about the end of a key: -2 for none of that name, -1 for one
// that has no end.
func ending(f func(e kahuna.Entry) int64) func(*conn, [][]byte) (op, error) {
	return func(_ *conn, args [][]byte) (op, error) {
		return op{kind: opGet, key: string(args[1]), reply: read(func(w *writer, e kahuna.Entry, found bool) {
			switch {
			case !found:
				w.int(-2)
			case e.Expires.IsZero():
				w.int(-1)
			default:
				w.int(f(e))
			}
		})}, nil
	}
}

func expiring(option string) func(*conn, [][]byte) (op, error) {
	return func(c *conn, args [][]byte) (op, error) {
		ttl, err := lifetime(option, strings.ToLower(string(args[0])), args[2])
		if err != nil {
			return op{}, err
		}
		key := string(args[1])
		if len(args) > 3 {
			mode, err := expiryMode(args[3:])
			if err != nil {
				return op{}, err
			}
			return c.scripted("expire", kahuna.Params{"k": key, "ttl": ttl.Milliseconds(), "mode": mode}, scripted), nil
		}
		if ttl <= 0 {
			return op{kind: opDelete, key: key, reply: written}, nil
		}
		return op{kind: opExtend, key: key, ttl: ttl, reply: written}, nil
	}
}

// expiryMode is the condition of an EXPIRE: nx, xx, gt, lt, "xx gt" or "xx lt".
func expiryMode(options [][]byte) (string, error) {
	nx, xx, gt, lt := false, false, false, false
	for _, o := range options {
		switch strings.ToUpper(string(o)) {
		case "NX":
			nx = true
		case "XX":
			xx = true
		case "GT":
			gt = true
		case "LT":
			lt = true
		default:
			return "", fmt.Errorf("ERR Unsupported option %.64s", o)
		}
	}
	switch {
	case nx && (xx || gt || lt):
		return "", errors.New("ERR NX and XX, GT or LT options at the same time are not compatible")
	case gt && lt:
		return "", errors.New("ERR GT and LT options at the same time are not compatible")
	case gt:
		return "gt", nil // which xx follows from
	case xx && lt:
		return "xx lt", nil
	case lt:
		return "lt", nil
	case xx:
		return "xx", nil
	}
	return "nx", nil
}

// pattern is a glob of Redis: ? * [a-z] [^a], with \ in front of what stands for
// itself.
type pattern string

// prefix is the text that everything that matches begins with.
func (p pattern) prefix() string {
	if i := strings.IndexAny(string(p), `*?[\`); i >= 0 {
		return string(p[:i])
	}
	return string(p)
}

// match reports whether key matches. Unlike in a path, * stands for slashes too.
func (p pattern) match(key string) bool {
	ok, err := path.Match(strings.ReplaceAll(string(p), "/", "\x01"), strings.ReplaceAll(key, "/", "\x01"))
	return err == nil && ok
}

// keysMost bounds the keys of an answer to KEYS, scanBytes the length of one to
// SCAN.
const (
	keysMost  = 1_000_000
	scanBytes = 1 << 20
)

func keys(c *conn, args [][]byte) (op, error) {
	p, in, most := pattern(args[1]), c.in0(), int(c.server.o.OutputBytes/2)
	return op{kind: opFunc, do: func(ctx context.Context, w *writer) {
		var found writer
		n := 0
		for e, err := range in.Prefix(ctx, p.prefix(), nil) {
			if err != nil {
				w.failed(err)
				return
			}
			if p.match(e.Key) {
				found.bulk(e.Key)
				if n++; n > keysMost || len(found.b) > most {
					w.fail(fmt.Sprintf("LIMIT KEYS finds more than %d keys, or %d bytes of them; use SCAN", keysMost, most))
					return
				}
			}
		}
		w.array(n)
		w.b = append(w.b, found.b...)
	}}, nil
}

// cursors are the places where a SCAN goes on, by the number its client has.
// The oldest go.
type cursors struct {
	mu          sync.Mutex
	first, last uint64 // numbers of those that there are
	places      map[uint64]string
	bytes       int
}

// cursorsMost and cursorsBytes bound the cursors.
const (
	cursorsMost  = 10_000
	cursorsBytes = 16 << 20
)

func (cs *cursors) put(after string) uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.places == nil {
		cs.places, cs.first = map[uint64]string{}, 1
	}
	cs.last++
	cs.places[cs.last] = after
	for cs.bytes += len(after); len(cs.places) > cursorsMost || cs.bytes > cursorsBytes; cs.first++ {
		cs.bytes -= len(cs.places[cs.first])
		delete(cs.places, cs.first)
	}
	return cs.last
}

func (cs *cursors) get(n uint64) (string, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	after, ok := cs.places[n]
	return after, ok
}

func scan(c *conn, args [][]byte) (op, error) {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	if err != nil {
		return op{}, errors.New("ERR invalid cursor")
	}
	p, count, none := pattern("*"), 10, false
	for i := 2; i < len(args); i += 2 {
		if i+1 == len(args) {
			return op{}, errSyntax
		}
		switch text := string(args[i+1]); strings.ToUpper(string(args[i])) {
		case "MATCH":
			p = pattern(text)
		case "COUNT":
			if count, err = strconv.Atoi(text); err != nil {
				return op{}, errNotInteger
			}
			if count < 1 {
				return op{}, errSyntax
			}
		case "TYPE":
			none = !strings.EqualFold(text, "string")
		default:
			return op{}, errSyntax
		}
	}
	count = min(count, 100_000)
	in, cs := c.in0(), &c.server.cursors
	return op{kind: opFunc, do: func(ctx context.Context, w *writer) {
		after, ok := cs.get(cursor)
		if cursor != 0 && !ok {
			w.fail("ERR the cursor is unknown, or too old; begin again with 0")
			return
		}
		rows, n, last, full := 0, 0, "", false
		var found writer
		for e, err := range in.Prefix(ctx, p.prefix(), &kahuna.RangeOptions{After: after, Limit: count}) {
			if err != nil {
				w.failed(err)
				return
			}
			if rows, last = rows+1, e.Key; !none && p.match(e.Key) {
				found.bulk(e.Key)
				n++
			}
			if full = len(found.b) >= scanBytes; full {
				break
			}
		}
		next := uint64(0)
		if rows == count || full {
			next = cs.put(last)
		}
		w.array(2)
		w.bulk(strconv.FormatUint(next, 10))
		w.array(n)
		w.b = append(w.b, found.b...)
	}}, nil
}

func flushOption(text []byte) bool {
	return strings.EqualFold(string(text), "SYNC") || strings.EqualFold(string(text), "ASYNC")
}

// flushDB deletes all keys of the space, some at a time.
func flushDB(c *conn, args [][]byte) (op, error) {
	if len(args) > 2 || len(args) == 2 && !flushOption(args[1]) {
		return op{}, errSyntax
	}
	db, source := c.server.db, "return delete by prefix '' limit 1000"
	if c.space == 1 {
		source = "return edelete by prefix '' limit 1000"
	}
	return op{kind: opFunc, do: func(ctx context.Context, w *writer) {
		for {
			res, err := db.Run(ctx, source, nil, nil)
			if err != nil {
				w.failed(err)
				return
			}
			if n, err := res.Int(); err != nil || n < 1000 {
				w.ok()
				return
			}
		}
	}}, nil
}
