package resp

import (
	"context"
	"time"

	"kahuna"
)

type opKind uint8

const (
	opReply opKind = iota // needs no store
	opGet
	opSet
	opDelete
	opExtend
	opRun
	opRead // opRun that may not write
	opFunc // runs off the loop; not part of a transaction
)

// op is what a command asks of the store, and how its answer is written. It is
// started by the loop, or done inside of a transaction.
type op struct {
	kind    opKind
	key     string
	value   string
	set     *kahuna.SetOptions
	ttl     time.Duration
	program kahuna.Program
	params  kahuna.Params
	do      func(ctx context.Context, w *writer)
	after   func() // called by the loop when the answer is there
	reply   func(w *writer, a *answer)
}

// start starts o. Its answer goes to the end of the queue.
func (c *conn) start(o *op) {
	if o.kind == opReply {
		c.answer(func(w *writer) { o.reply(w, nil) })
		return
	}
	// Requests are not taken back when their client has gone.
	ctx := c.server.o.Context
	a := c.server.spaces[c.space]
	s := c.newSlot(o.reply)
	s.after = o.after
	ran := false
	switch o.kind {
	case opGet:
		ran = a.Get(ctx, o.key, s.onGet)
	case opSet:
		ran = a.Set(ctx, o.key, o.value, o.set, s.onWrite)
	case opDelete:
		ran = a.Delete(ctx, o.key, s.onWrite)
	case opExtend:
		ran = a.Extend(ctx, o.key, o.ttl, s.onWrite)
	case opRun:
		ran = a.Run(ctx, o.program, o.params, nil, s.onRun)
		clear(o.params) // the store is done with them
	case opRead:
		db, p, params := c.server.db, o.program, o.params
		go func() {
			s.a.err = db.View(ctx, func(tx kahuna.Tx) (err error) {
				s.a.res, err = tx.RunProgram(ctx, p, params, nil)
				return err
			})
			s.finish()
		}()
	case opFunc:
		do := o.do
		s.w.stopped = c.server.cause
		go func() {
			do(ctx, &s.w)
			s.done()
		}()
	}
	c.started(s, ran)
}

// inTx does o in tx and writes its answer.
func (o *op) inTx(ctx context.Context, tx kahuna.Tx, space int, w *writer) error {
	var in kahuna.Space = tx
	if space == 1 {
		in = tx.Ephemeral()
	}
	var a answer
	switch o.kind {
	case opReply:
		o.reply(w, nil)
		return nil
	case opGet:
		a.entry, a.found, a.err = in.Get(ctx, o.key)
	case opSet:
		a.write, a.err = in.Set(ctx, o.key, o.value, o.set)
	case opDelete:
		a.write, a.err = in.Delete(ctx, o.key)
	case opExtend:
		a.write, a.err = in.Extend(ctx, o.key, o.ttl)
	default:
		a.res, a.err = tx.RunProgram(ctx, o.program, o.params, nil)
	}
	if a.err == nil {
		o.reply(w, &a)
	}
	return a.err
}
