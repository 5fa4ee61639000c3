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

// ErrTxDone is a call of a transaction that was committed or rolled back.
var ErrTxDone = txn.ErrTxDone

// TxOptions say how an interactive transaction runs. The zero value, and nil,
// are the defaults.
type TxOptions struct {
	// ReadOnly refuses writes.
	ReadOnly bool
	// Optimistic takes no locks: others go on, and Commit fails with
	// ErrConflict when one of them changed what the transaction has read. Only
	// then is it known that everything read was of one moment.
	Optimistic bool
	// Idle is how long the transaction may rest between two calls before it
	// is rolled back: 10 s.
	Idle time.Duration
	// Timeout is the longest life of the transaction: 60 s, cut to
	// Limits.TimeoutMaxMs.
	Timeout time.Duration

	age uint64 // of an earlier try
}

// Tx is an interactive transaction: several calls of the caller that take
// effect together, or not at all. It is serializable with everything else,
// whatever its options. Keys it has read or written stay locked until it ends,
// so that scripts on them wait: keep it short, and use a script where one will
// do. An older transaction that needs a lock takes it from a younger one, whose
// calls then fail with ErrConflict. So do those of one that has read a live row
// which has ended since, as somebody else has seen.
//
// The calls of its own Space work on the persistent space. Calls from several
// goroutines take turns.
type Tx struct {
	TxSpace
	db *DB
	t  *txn.Interactive
	// managed transactions are those of Update and View, which end them.
	managed bool
}

// Begin starts an interactive transaction. It must be ended by Commit or
// Rollback; forgotten, it is rolled back after TxOptions.Idle. Update and View
// do that, and retry conflicts, by themselves.
func (db *DB) Begin(ctx context.Context, o *TxOptions) (*Tx, error) {
	var opts TxOptions
	if o != nil {
		opts = *o
	}
	if opts.Idle <= 0 {
		opts.Idle = 10 * time.Second
	}
	if opts.Timeout <= 0 {
		opts.Timeout = time.Minute
	}
	opts.Timeout = min(opts.Timeout, time.Duration(db.opts.Limits.TimeoutMaxMs)*time.Millisecond)
	t, err := db.node.Runner.Begin(ctx, txn.InteractiveOptions{ReadOnly: opts.ReadOnly, Optimistic: opts.Optimistic,
		Idle: opts.Idle, Timeout: opts.Timeout, Age: opts.age})
	if err != nil {
		return nil, txError("begin", err)
	}
	tx := &Tx{db: db, t: t}
	tx.TxSpace = TxSpace{tx: tx, space: script.Persistent}
	return tx, nil
}

// Ephemeral returns the ephemeral space as the transaction sees it.
func (tx *Tx) Ephemeral() TxSpace { return TxSpace{tx: tx, space: script.Ephemeral} }

// Run runs a script inside the transaction, which may sleep. When it fails, what
// it wrote is undone and the transaction goes on as before it; but its time-out,
// like the end of ctx, ends the transaction. Its result is not applied
// until Commit, and modification times in it are not known yet.
func (tx *Tx) Run(ctx context.Context, source string, params Params) (*Result, error) {
	p, err := tx.db.programs.get(source)
	if err != nil {
		return nil, err
	}
	call, err := p.Bind(params)
	if err != nil {
		return nil, err
	}
	defer call.Release()
	res, err := tx.t.Run(ctx, call)
	if err != nil {
		return nil, runError(err)
	}
	return res, nil
}

// Commit makes everything take effect, and returns when it is durable. The
// transaction is over, whatever Commit returns; the error's outcome says what
// became of it, also when it was over before (ErrTxDone). Only a ctx that has
// ended before the call leaves the transaction as it is. In Update and View,
// which commit by themselves, it fails and changes nothing.
func (tx *Tx) Commit(ctx context.Context) error {
	if tx.managed {
		return &Error{Op: "commit", Code: script.CodeState, Message: "Update and View commit by themselves",
			Hint: "return nil to commit, an error to roll back"}
	}
	return tx.commit(ctx)
}

func (tx *Tx) commit(ctx context.Context) error { return txError("commit", tx.t.Commit(ctx)) }

// Rollback undoes everything and ends the transaction. After Commit, or a
// second time, it does nothing, so that it can be deferred.
func (tx *Tx) Rollback() { tx.t.Rollback() }

func txError(op string, err error) error {
	var e *Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Op = op
	return &named
}

const (
	retriesMax = 20
	retryFirst = time.Millisecond
	retryMost  = 50 * time.Millisecond
)

// Update runs f in a transaction and commits it; when f fails, or panics, it is
// rolled back, and the error returned. So it is when f calls Rollback; the
// error is ErrTxDone then. Conflicts with others are retried, up to 20
// times after short random pauses, with f called again: it must not have
// effects outside the transaction.
func (db *DB) Update(ctx context.Context, f func(tx *Tx) error) error {
	return db.retry(ctx, &TxOptions{}, f)
}

// View runs f in a read-only transaction: everything it reads is of one
// moment.
func (db *DB) View(ctx context.Context, f func(tx *Tx) error) error {
	return db.retry(ctx, &TxOptions{ReadOnly: true}, f)
}

func (db *DB) retry(ctx context.Context, o *TxOptions, f func(tx *Tx) error) error {
	for try := 1; ; try++ {
		err := db.attempt(ctx, o, f)
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

func (db *DB) attempt(ctx context.Context, o *TxOptions, f func(tx *Tx) error) error {
	tx, err := db.Begin(ctx, o)
	if err != nil {
		return err
	}
	tx.managed = true
	o.age = tx.t.Age()
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.commit(ctx)
}

// TxSpace is one of the key spaces inside a transaction. Its calls are those
// of Space.
type TxSpace struct {
	tx    *Tx
	space script.Space
}

// Get reads key. ok is false when it is not live.
func (s TxSpace) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	w := call{kind: callGet, key: key}
	err = s.do(ctx, &w)
	return entry(&w.row), w.row.Found, err
}

// Exists reports whether key is live.
func (s TxSpace) Exists(ctx context.Context, key string) (bool, error) {
	_, ok, err := s.Get(ctx, key)
	return ok, err
}

// Set writes key. A condition that does not hold is no error: Done is false.
func (s TxSpace) Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error) {
	w, err := setCall(key, value, o, &s.tx.db.opts.Limits)
	if err != nil {
		return WriteResult{}, err
	}
	err = s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// Delete deletes key. Done is false when it was not live.
func (s TxSpace) Delete(ctx context.Context, key string) (WriteResult, error) {
	w := call{kind: callDelete, key: key}
	err := s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// Extend makes key end ttl after the commit; 0 makes it live for ever.
func (s TxSpace) Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error) {
	w, err := extendCall(key, ttl)
	if err != nil {
		return WriteResult{}, err
	}
	err = s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// Bucket returns the live keys of a bucket, as Space.Bucket does.
func (s TxSpace) Bucket(ctx context.Context, bucket string) ([]Entry, error) {
	if err := checkKey("bucket", bucket, &s.tx.db.opts.Limits); err != nil {
		return nil, err
	}
	return s.rows(ctx, "get by bucket @b", "eget by bucket @b", bucket)
}

// Prefix returns the live keys with a prefix in the order of their bytes; more
// than Limits.Rows of them are an error of code "limit".
func (s TxSpace) Prefix(ctx context.Context, prefix string) ([]Entry, error) {
	if err := checkKey("prefix", prefix, &s.tx.db.opts.Limits); err != nil {
		return nil, err
	}
	return s.rows(ctx, "scan by prefix @b", "escan by prefix @b", prefix)
}

func (s TxSpace) rows(ctx context.Context, persistent, ephemeral, operand string) ([]Entry, error) {
	source := persistent
	if s.space == script.Ephemeral {
		source = ephemeral
	}
	res, err := s.tx.Run(ctx, source, Params{"b": operand})
	if err != nil {
		return nil, err
	}
	return res.Entries, nil
}

func (s TxSpace) do(ctx context.Context, w *call) error {
	if err := checkKey(callNames[w.kind], w.key, &s.tx.db.opts.Limits); err != nil {
		return err
	}
	w.space = s.space
	locks := w.lockSet()
	if err := s.tx.t.Do(ctx, w, &locks); err != nil {
		w.forget()
		return callError(w.kind, w.key, err)
	}
	return nil
}

var _ partition.Work = (*call)(nil)
