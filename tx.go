package kahuna

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// transaction is the Tx of a DB.
type transaction struct {
	txSpace // the persistent space
	db      *DB
	t       *txn.Interactive
	// managed transactions are those of Update and View, which end them.
	managed bool
}

// Begin starts an interactive transaction. It must be ended by Commit or
// Rollback; forgotten, it is rolled back after TxOptions.Idle. Update and View
// do that, and retry conflicts, by themselves. Errors are ErrCanceled, ErrClosed
// and ErrBadRequest.
func (db *DB) Begin(ctx context.Context, o *TxOptions) (Tx, error) {
	tx, err := db.begin(ctx, o, 0)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// begin is Begin; age is that of an earlier try, or 0.
func (db *DB) begin(ctx context.Context, o *TxOptions, age uint64) (*transaction, error) {
	var opts TxOptions
	if o != nil {
		opts = *o
	}
	if opts.Idle < 0 || opts.Timeout < 0 {
		return nil, badRequest("begin", "", "Idle and Timeout must not be negative", "0 is the default")
	}
	if opts.Idle == 0 {
		opts.Idle = 10 * time.Second
	}
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	opts.Timeout = min(opts.Timeout, db.opts.Limits.TimeoutMax)
	opts.Idle = min(opts.Idle, opts.Timeout) // who rests for longer has it ended, too
	t, err := db.node.Runner.Begin(ctx, txn.InteractiveOptions{ReadOnly: opts.ReadOnly, Optimistic: opts.Optimistic,
		Idle: opts.Idle, Timeout: opts.Timeout, Age: age})
	if err != nil {
		return nil, callErrorOf("begin", "", err)
	}
	tx := &transaction{db: db, t: t}
	tx.txSpace = txSpace{tx: tx, space: script.Persistent}
	return tx, nil
}

func (tx *transaction) Ephemeral() Space { return txSpace{tx: tx, space: script.Ephemeral} }

func (tx *transaction) Run(ctx context.Context, source string, params Params, o *RunOptions) (*Result, error) {
	p, err := tx.db.programs.get(source)
	if err != nil {
		return nil, errorOf(err)
	}
	return tx.run(ctx, p, params, o)
}

func (tx *transaction) RunProgram(ctx context.Context, p Program, params Params, o *RunOptions) (*Result, error) {
	own, ok := p.(*program)
	if !ok || own.db != tx.db {
		return nil, badRequest("run", "", "the program is one of another store", "compile it with the store of the transaction")
	}
	return tx.run(ctx, own.p, params, o)
}

func (tx *transaction) run(ctx context.Context, p *script.Program, params Params, o *RunOptions) (*Result, error) {
	j := newJob()
	defer j.free()
	start := tx.db.node.Moment()
	if o != nil && o.IdempotencyKey != "" {
		return nil, badRequest("run", "", "a script inside a transaction has no idempotency key",
			"run the whole as one script to make it repeatable")
	}
	if err := tx.db.prepare(j, p, params, o, start); err != nil {
		return nil, errorOf(p.WithWarnings(err))
	}
	res, err := tx.t.Run(ctx, &j.script, time.Duration(j.job.TimeoutMs)*time.Millisecond)
	if err != nil {
		return nil, errorOf(p.WithWarnings(err))
	}
	res.Elapsed, res.Outcome = tx.db.node.Moment()-start, script.NotApplied
	return resultOf(res), nil
}

func (tx *transaction) Commit(ctx context.Context) error {
	if tx.managed {
		return &Error{Op: "commit", Code: CodeState, Message: "Update and View commit by themselves",
			Hint: "return nil to commit, an error to roll back"}
	}
	return tx.commit(ctx)
}

func (tx *transaction) commit(ctx context.Context) error {
	if err := tx.t.Commit(ctx); err != nil {
		return callErrorOf("commit", "", err)
	}
	return nil
}

func (tx *transaction) Rollback() { tx.t.Rollback() }

const (
	retriesMax = 20
	retryFirst = time.Millisecond
	retryMost  = 50 * time.Millisecond
)

// Update runs f in a transaction and commits it. When f fails or panics, the
// transaction is rolled back, and the error returned. When f calls Rollback,
// the error is ErrTxDone. Update retries conflicts with others up to 20 times,
// after short random pauses, and calls f again: f must not have effects outside
// the transaction.
func (db *DB) Update(ctx context.Context, f func(tx Tx) error) error {
	return db.retry(ctx, &TxOptions{}, f)
}

// View runs f in a read-only transaction: everything it reads is of one
// moment. Like Update it may call f again.
func (db *DB) View(ctx context.Context, f func(tx Tx) error) error {
	return db.retry(ctx, &TxOptions{ReadOnly: true}, f)
}

func (db *DB) retry(ctx context.Context, o *TxOptions, f func(tx Tx) error) error {
	age := uint64(0)
	for try := 1; ; try++ {
		err := db.attempt(ctx, o, &age, f)
		if !errors.Is(err, ErrConflict) || try == retriesMax {
			return err
		}
		pause := min(retryFirst<<min(try, 10), retryMost)
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// attempt is one try. age is that of the first one.
func (db *DB) attempt(ctx context.Context, o *TxOptions, age *uint64, f func(tx Tx) error) error {
	tx, err := db.begin(ctx, o, *age)
	if err != nil {
		return err
	}
	tx.managed = true
	*age = tx.t.Age()
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.commit(ctx)
}

// txSpace is the Space of a transaction.
type txSpace struct {
	tx    *transaction
	space script.Space
}

func (s txSpace) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	w := call{kind: callGet, key: key}
	err = s.do(ctx, &w)
	return w.entry(), w.row.Found, err
}

func (s txSpace) Exists(ctx context.Context, key string) (bool, error) {
	w := call{kind: callGet, key: key}
	err := s.do(ctx, &w)
	return w.row.Found, err
}

func (s txSpace) Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error) {
	w := call{kind: callSet, key: key}
	if err := w.setTo(value, o, &s.tx.db.limits); err != nil {
		return WriteResult{}, err
	}
	err := s.do(ctx, &w)
	return w.wrote(), err
}

func (s txSpace) Delete(ctx context.Context, key string) (WriteResult, error) {
	w := call{kind: callDelete, key: key}
	err := s.do(ctx, &w)
	return w.wrote(), err
}

func (s txSpace) Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error) {
	w := call{kind: callExtend, key: key}
	if err := w.endIn(ttl); err != nil {
		return WriteResult{}, err
	}
	err := s.do(ctx, &w)
	return w.wrote(), err
}

func (s txSpace) do(ctx context.Context, w *call) error {
	if err := checkKey(callNames[w.kind], w.key, &s.tx.db.limits); err != nil {
		return err
	}
	w.space = s.space
	locks := w.lockSet()
	if err := s.tx.t.Do(ctx, w, &locks); err != nil {
		w.forget()
		return callErrorOf(callNames[w.kind], w.key, err)
	}
	return nil
}

var _ partition.Work = (*call)(nil)
