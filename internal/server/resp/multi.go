package resp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kahuna"
)

// multi is a transaction that is being put together.
type multi struct {
	failed bool // a command could not be queued
	names  []string
	ops    []op
	spaces []int // of ops
	space  int   // of the next op
	bytes  int
}

// watched is a version of a key, as WATCH saw it.
type watched struct {
	space    int
	key      string
	found    bool
	revision int64
	modified time.Time
	expires  time.Time
}

func watchedOf(space int, key string, e kahuna.Entry, found bool) watched {
	return watched{space, key, found, e.Revision, e.Modified, e.Expires}
}

var txCommands = []*command{
	{name: "MULTI", arity: 1, control: func(c *conn, _ [][]byte) {
		if c.multi != nil { // it does not fail the transaction
			c.answer(func(w *writer) { w.fail("ERR MULTI calls can not be nested") })
			return
		}
		c.multi = &multi{space: c.space}
		c.answer((*writer).ok)
	}},
	{name: "DISCARD", arity: 1, control: func(c *conn, _ [][]byte) {
		if c.multi == nil {
			c.refuse(errors.New("ERR DISCARD without MULTI"))
			return
		}
		c.multi = nil
		c.unwatch()
		c.answer((*writer).ok)
	}},
	{name: "EXEC", arity: 1, control: execute},
	{name: "WATCH", arity: -2, first: 1, last: -1, step: 1, control: watch},
	{name: "UNWATCH", arity: 1, control: func(c *conn, _ [][]byte) {
		c.unwatch()
		c.answer((*writer).ok)
	}, plan: func(*conn, [][]byte) (op, error) { return replying((*writer).ok), nil }}, // too late for EXEC, as in Redis
}

func (c *conn) unwatch() { c.watch, c.watchBytes = nil, 0 }

// enqueue adds a command to the transaction.
func (c *conn) enqueue(cmd *command, args [][]byte) {
	m := c.multi
	var o op
	err := cmd.checkKeys(c, args)
	if cmd.alone {
		err = notInMulti(cmd)
	}
	space := m.space
	if err == nil {
		was := c.space
		c.space = space // plans look at it
		o, err = cmd.plan(c, args)
		c.space = was
	}
	for _, a := range args {
		m.bytes += len(a)
	}
	if len(m.ops) >= c.server.o.Pipeline || m.bytes > c.server.bounds.bytes {
		err = errors.New("LIMIT the transaction is too large")
	}
	if err != nil {
		c.refuse(err)
		return
	}
	m.names, m.ops, m.spaces = append(m.names, cmd.name), append(m.ops, o), append(m.spaces, space)
	c.answer(func(w *writer) { w.simple("QUEUED") })
}

// errChanged says that a watched key has changed.
var errChanged = errors.New("a watched key has changed")

// execute is EXEC: everything takes effect, or nothing.
func execute(c *conn, _ [][]byte) {
	m, watch := c.multi, c.watch
	if m == nil {
		c.refuse(errors.New("ERR EXEC without MULTI"))
		return
	}
	c.multi = nil
	c.unwatch()
	if m.failed {
		c.answer(func(w *writer) { w.fail("EXECABORT Transaction discarded because of previous errors.") })
		return
	}
	s, v3, most, done := c.server, c.v3, c.server.o.OutputBytes, false
	after := func() {
		if done {
			c.space = m.space
		}
	}
	c.start(&op{kind: opFunc, after: after, do: func(ctx context.Context, w *writer) {
		answers, failed := writer{v3: v3}, ""
		err := s.db.Update(ctx, func(tx kahuna.Tx) error {
			answers.b, failed = answers.b[:0], ""
			if err := unchanged(ctx, tx, watch); err != nil {
				return err
			}
			for i := range m.ops {
				if err := m.ops[i].inTx(ctx, tx, m.spaces[i], &answers); err != nil {
					failed = fmt.Sprintf("command %d (%s) ", i+1, m.names[i])
					return err
				}
				if int64(len(answers.b)) > most {
					failed = fmt.Sprintf("command %d (%s) ", i+1, m.names[i])
					return &kahuna.Error{Code: kahuna.CodeLimit, Message: fmt.Sprintf("the answers have more than %d bytes", most)}
				}
			}
			return nil
		})
		if stopped := s.cause(err); stopped != err {
			err, failed = stopped, ""
		}
		switch {
		case err == errChanged:
			w.nullArray()
		case err != nil && failed != "":
			w.fail("EXECABORT Transaction undone as a whole: " + failed + "failed: " + ownError(err, errNotInteger))
		case err != nil:
			w.failed(err)
		default:
			done = true
			w.array(len(m.ops))
			w.b = append(w.b, answers.b...)
		}
	}})
}

// unchanged returns errChanged when a watched key is not as it was.
func unchanged(ctx context.Context, tx kahuna.Tx, watch []watched) error {
	for _, seen := range watch {
		var in kahuna.Space = tx
		if seen.space == 1 {
			in = tx.Ephemeral()
		}
		e, found, err := in.Get(ctx, seen.key)
		switch {
		case err != nil:
			return err
		case watchedOf(seen.space, seen.key, e, found) != seen:
			return errChanged
		}
	}
	return nil
}

// watch notes the keys as they are.
func watch(c *conn, args [][]byte) {
	if c.multi != nil { // it does not fail the transaction
		c.answer(func(w *writer) { w.fail("ERR WATCH inside MULTI is not allowed") })
		return
	}
	for _, key := range args[1:] {
		if err := c.server.checkKey(key); err != nil {
			c.refuse(err)
			return
		}
	}
	bytes := 0
	for _, key := range args[1:] {
		bytes += len(key)
	}
	if len(c.watch)+len(args) > c.server.o.Pipeline || c.watchBytes+bytes > c.server.bounds.bytes {
		c.refuse(errors.New("LIMIT too many watched keys"))
		return
	}
	list, in, space := texts(args[1:]), c.in0(), c.space
	var seen []watched
	c.start(&op{kind: opFunc, after: func() {
		for _, w := range seen {
			c.watch, c.watchBytes = append(c.watch, w), c.watchBytes+len(w.key)
		}
	}, do: func(ctx context.Context, w *writer) {
		for _, key := range list {
			e, found, err := in.Get(ctx, key)
			if err != nil {
				w.failed(err)
				return
			}
			seen = append(seen, watchedOf(space, key, e, found))
		}
		w.ok()
	}})
}
