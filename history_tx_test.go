package kahuna

import (
	"context"
	"errors"
	"strings"

	"kahuna/internal/history"
	"kahuna/internal/listappend"
)

// interactive runs one interactive transaction over lists: its operations one
// by one, or some of them as a script, with others at work in between. Every
// try is a transaction of its own.
func (c *client) interactive(l *life) {
	ctx, cancel := c.context()
	defer cancel()
	var t *listappend.Txn
	var ops []listOp
	var meant []listappend.Op
	body := func(tag string, readOnly bool) func(tx Tx) error {
		return func(tx Tx) error {
			if t != nil { // a try that lost
				c.finishTx(l, t, ops, nil, history.NotApplied)
			}
			t = &listappend.Txn{Tags: []string{tag}}
			t.Call = c.run.next()
			ops, meant = c.drawListOps(l, false, readOnly, false), nil
			t.Tags = append(t.Tags, tagsOf(ops)...)
			var err error
			meant, err = c.calls(ctx, l, tx, ops)
			return err
		}
	}
	var err error
	switch c.rng.IntN(5) {
	case 0:
		err = l.db.View(ctx, body("view", true))
	case 1:
		err = l.db.Update(ctx, body("update", false))
	case 2, 3:
		err = c.beginAndCommit(ctx, l.db, TxOptions{}, body("locks", false))
	default:
		err = c.beginAndCommit(ctx, l.db, TxOptions{Optimistic: true}, body("optimistic", false))
	}
	outcome := c.outcomeOfTx(err)
	if t == nil {
		return
	}
	c.finishTx(l, t, ops, meant, outcome)
}

var errChangedMind = errors.New("the client changed its mind")

func (c *client) outcomeOfTx(err error) history.Outcome {
	if errors.Is(err, errChangedMind) {
		return history.NotApplied
	}
	return c.outcome("transaction", err)
}

// beginAndCommit runs f in a transaction, without another try.
func (c *client) beginAndCommit(ctx context.Context, db *DB, o TxOptions, f func(Tx) error) error {
	tx, err := db.Begin(ctx, &o)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	if c.rng.IntN(15) == 0 {
		return errChangedMind
	}
	return tx.Commit(ctx)
}

// calls does what ops say by calls of the transaction.
func (c *client) calls(ctx context.Context, l *life, tx Tx, ops []listOp) ([]listappend.Op, error) {
	var meant []listappend.Op
	for i := range ops {
		c.linger()
		c.run.clock.tick(c.rng)
		if c.rng.IntN(10) == 0 {
			// A script that fails leaves no trace, and the transaction goes on.
			_, err := tx.Run(ctx, "set `l/a` 'a,-1'; eset `l/b` 'b,-1'; throw 'on purpose'", nil, nil)
			if !errors.Is(err, ErrThrow) && !isReadOnly(err) {
				return nil, err
			}
		}
		list, err := c.call(ctx, l, tx, &ops[i])
		if err != nil {
			return nil, err
		}
		meant = append(meant, list...)
	}
	return meant, nil
}

func isReadOnly(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "read_only"
}

// call does one operation: a plain read by a point call, the rest by a script.
func (c *client) call(ctx context.Context, l *life, tx Tx, op *listOp) ([]listappend.Op, error) {
	if len(op.names) == 1 && len(op.params) == 0 && strings.Contains(op.source, "get") && c.rng.IntN(2) == 0 {
		space := Space(tx)
		if op.space == "e" {
			space = tx.Ephemeral()
		}
		e, _, err := space.Get(ctx, op.names[0])
		if err != nil {
			return nil, err
		}
		return op.meaning(&e, l.no)
	}
	source, params := c.source([]listOp{*op}, 0, "")
	res, err := tx.Run(ctx, source, params, nil)
	if err != nil {
		return nil, err
	}
	return mean([]listOp{*op}, res, l.no)
}

// finishTx records one try of a transaction. What it did not get to does not
// count, unless it may yet have.
func (c *client) finishTx(l *life, t *listappend.Txn, ops []listOp, meant []listappend.Op, outcome history.Outcome) {
	if outcome == history.Applied {
		t.Return = c.run.next()
		t.Ops = meant
		undated(t.Ops)
		c.run.recordTxn(*t)
		return
	}
	c.finish(l, *t, ops, nil, outcome, "transaction")
}
