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
		c.multi = &multi{}
		c.answer((*writer).ok)
	}},
	{name: "DISCARD", arity: 1, control: func(c *conn, _ [][]byte) {
		if c.multi == nil {
			c.refuse(errors.New("ERR DISCARD without MULTI"))
			return
		}
		c.multi, c.watch = nil, nil
		c.answer((*writer).ok)
	}},
	{name: "EXEC", arity: 1, control: execute},
	{name: "WATCH", arity: -2, first: 1, last: -1, step: 1, control: watch},
	{name: "UNWATCH", arity: 1, alone: true, control: func(c *conn, _ [][]byte) {
		c.watch = nil
		c.answer((*writer).ok)
	}},
}

// enqueue adds a command to the transaction.
func (c *conn) enqueue(cmd *command, args [][]byte) {
	m := c.multi
	var o op
	err := cmd.checkKeys(c, args)
	if cmd.alone {
		err = notInMulti(cmd)
	}
	if err == nil {
		o, err = cmd.plan(c, args)
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
	m.names, m.ops = append(m.names, cmd.name), append(m.ops, o)
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
	c.multi, c.watch = nil, nil
	if m.failed {
		c.answer(func(w *writer) { w.fail("EXECABORT Transaction discarded because of previous errors.") })
		return
	}
	db, space, v3, most := c.server.db, c.space, c.v3, c.server.o.OutputBytes
	c.start(&op{kind: opFunc, do: func(ctx context.Context, w *writer) {
		answers, failed := writer{v3: v3}, ""
		err := db.Update(ctx, func(tx kahuna.Tx) error {
			answers.b, failed = answers.b[:0], ""
			if err := unchanged(ctx, tx, watch); err != nil {
				return err
			}
			for i := range m.ops {
				if err := m.ops[i].inTx(ctx, tx, space, &answers); err != nil {
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
		switch {
		case err == errChanged:
			w.nullArray()
		case err != nil && failed != "":
			w.fail("EXECABORT Transaction undone as a whole: " + failed + "failed: " + ownError(err, errNotInteger))
		case err != nil:
			w.failed(err)
		default:
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
	if len(c.watch)+len(args) > c.server.o.Pipeline {
		c.refuse(errors.New("LIMIT too many watched keys"))
		return
	}
	list, in, space := texts(args[1:]), c.in0(), c.space
	var seen []watched
	c.start(&op{kind: opFunc, after: func() { c.watch = append(c.watch, seen...) }, do: func(ctx context.Context, w *writer) {
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
