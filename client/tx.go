package client

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// tx is the kahuna.Tx of a Client. Its operations have numbers, so that the
// server does each once, however often it is sent.
type tx struct {
	txSpace // the persistent space
	path    string
	base    string
	managed bool // Update and View end it
	// turn has one token: who uses what follows has taken it out.
	turn  chan struct{}
	n     int64
	ended error // why it is over
	// committed tells that it was this client's Commit or Rollback, with the
	// outcome that it had.
	committed bool
	outcome   kahuna.Outcome
}

// rollbackWait is how long a rollback waits for the server. When it does not
// come through, the server gives the transaction up after its idle time.
const rollbackWait = 5 * time.Second

// Begin implements kahuna.Store. The transaction lives on the server: when that
// ends, calls fail with ErrConflict.
func (c *Client) Begin(ctx context.Context, o *kahuna.TxOptions) (kahuna.Tx, error) {
	t, err := c.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (c *Client) begin(ctx context.Context, o *kahuna.TxOptions) (*tx, error) {
	if o != nil && (o.Idle < 0 || o.Timeout < 0) {
		return nil, &kahuna.Error{Op: "begin", Code: kahuna.CodeBadRequest, Message: "Idle and Timeout must not be negative", Hint: "0 is the default"}
	}
	r := &request{op: "begin", method: "POST", path: "/v1/tx", mediaType: "application/json", reads: true, safe: true}
	var err error
	if r.body, err = restwire.Encode(restwire.BeginOf(o)); err != nil {
		return nil, r.unreadable(err)
	}
	t := &tx{turn: make(chan struct{}, 1)}
	t.txSpace = txSpace{c: c, tx: t}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, named(err, "begin", "")
	}
	var begun restwire.Begun
	if err := restwire.Decode(a.body, &begun); err != nil {
		return nil, r.unreadable(err)
	}
	t.base, t.path = a.base, "/v1/tx/"+begun.ID
	t.turn <- struct{}{}
	return t, nil
}

// Ephemeral implements kahuna.Tx.
func (t *tx) Ephemeral() kahuna.Space { return &txSpace{c: t.c, tx: t, ephemeral: true} }

// take waits for the turn of a call.
func (t *tx) take(ctx context.Context, op, key string) error {
	r := &request{op: op, key: key}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return r.canceled(ctx)
	}
	err := t.ended
	if err == nil && ctx.Err() != nil {
		err = r.canceled(ctx)
	}
	if err != nil {
		t.give()
	}
	return err
}

func (t *tx) give() { t.turn <- struct{}{} }

// request returns the request for an operation. Held: turn.
func (t *tx) request(op *restwire.Operation, name string) (*request, error) {
	t.n++
	op.N = t.n
	r := &request{op: name, key: op.Key, method: "POST", path: t.path, mediaType: "application/json", safe: true, base: t.base}
	var err error
	if r.body, err = restwire.Encode(op); err != nil {
		return nil, &kahuna.Error{Op: name, Key: op.Key, Code: kahuna.CodeBadRequest, Message: err.Error(), Err: err}
	}
	return r, nil
}

// do does an operation other than commit and rollback.
func (t *tx) do(ctx context.Context, name string, op *restwire.Operation) (*restwire.Answer, error) {
	if err := t.take(ctx, name, op.Key); err != nil {
		return nil, err
	}
	defer t.give()
	return t.ask(ctx, name, op)
}

// ask does an operation. Held: turn.
func (t *tx) ask(ctx context.Context, name string, op *restwire.Operation) (*restwire.Answer, error) {
	r, err := t.request(op, name)
	if err != nil {
		return nil, err
	}
	r.reads = true // of the store, until the commit
	a, err := t.c.send(ctx, r)
	var answer restwire.Answer
	if err == nil {
		if err = restwire.Decode(a.body, &answer); err != nil {
			err = &kahuna.Error{Op: name, Key: op.Key, Code: kahuna.CodeRetry, Message: "the answer of the server cannot be read: " + err.Error(), Err: err}
		}
	}
	if err != nil {
		t.failed(ctx, err)
		return nil, err
	}
	return &answer, nil
}

// failed notes the end of the transaction when err is one. Held: turn.
func (t *tx) failed(ctx context.Context, err error) {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return
	}
	switch e.Code {
	case kahuna.CodeConflict, kahuna.CodeDeadlock, kahuna.CodeTimeout, kahuna.CodeCanceled, kahuna.CodeClosed, kahuna.CodeRetry, kahuna.CodeStorage:
		t.ended = err
	}
	if t.ended != nil && (ctx.Err() != nil || e.Code == kahuna.CodeRetry || e.Code == kahuna.CodeClosed) {
		// The server may still have it.
		t.c.later(t.drop)
	}
}

// drop has the server roll back, once.
func (t *tx) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackWait)
	defer cancel()
	r := &request{op: "rollback", method: http.MethodDelete, path: t.path, base: t.base}
	_, _ = t.c.once(ctx, r, &tries{}) // it ends after its idle time otherwise
}

// Run implements kahuna.Tx.
func (t *tx) Run(ctx context.Context, source string, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	run, err := restwire.RunOf(source, params, o)
	if err != nil {
		return nil, err
	}
	a, err := t.do(ctx, "run", &restwire.Operation{Op: restwire.OpRun, Run: run})
	if err != nil {
		return nil, err
	}
	r := request{op: "run"}
	if a.Result == nil {
		return nil, r.unreadable(errors.New("it has no result"))
	}
	res, err := a.Result.Kahuna()
	if err != nil {
		return nil, r.unreadable(err)
	}
	return res, nil
}

// RunProgram implements kahuna.Tx.
func (t *tx) RunProgram(ctx context.Context, p kahuna.Program, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	own, ok := p.(*program)
	if !ok || own.c != t.c {
		return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadRequest, Message: "the program is one of another store",
			Hint: "compile it with the store of the transaction"}
	}
	return t.Run(ctx, own.Source(), params, o)
}

// Commit implements kahuna.Tx. A lost answer is asked for again; when the server
// has ended meanwhile, the outcome is unknown.
func (t *tx) Commit(ctx context.Context) error {
	if t.managed {
		return &kahuna.Error{Op: "commit", Code: kahuna.CodeState, Message: "Update and View commit by themselves",
			Hint: "return nil to commit, an error to roll back"}
	}
	return t.commit(ctx)
}

func (t *tx) commit(ctx context.Context) error {
	if err := t.take(ctx, "commit", ""); err != nil {
		var e *kahuna.Error
		if t.committed && errors.As(err, &e) && e.Code == kahuna.CodeState {
			again := *e
			again.Op, again.Outcome = "commit", t.outcome
			return &again
		}
		return named(err, "commit", "")
	}
	defer t.give()
	r, err := t.request(&restwire.Operation{Op: restwire.OpCommit}, "commit")
	if err != nil {
		return err
	}
	_, err = t.c.send(ctx, r)
	if err == nil {
		t.ended, t.committed, t.outcome = kahuna.ErrTxDone, true, kahuna.Applied
		return nil
	}
	err = named(err, "commit", "")
	var e *kahuna.Error
	t.ended, t.committed, t.outcome = err, true, kahuna.Unknown
	if errors.As(err, &e) {
		t.outcome = e.Outcome
	}
	if t.outcome == kahuna.Unknown {
		t.ended = kahuna.ErrTxDone
	} else if ctx.Err() != nil || e.Code == kahuna.CodeRetry {
		t.c.later(t.drop)
	}
	return err
}

// Rollback implements kahuna.Tx.
func (t *tx) Rollback() {
	<-t.turn
	defer t.give()
	if t.ended == nil {
		t.ended, t.committed, t.outcome = kahuna.ErrTxDone, true, kahuna.NotApplied
		t.drop()
	}
}

// The tries of Update and View, and the pauses between them.
const (
	txTries      = 20
	txPauseFirst = time.Millisecond
	txPauseMost  = 50 * time.Millisecond
)

// Update implements kahuna.Store. A transaction that ends with its server is run
// again on the next one, unless it was committing: then the outcome is unknown.
func (c *Client) Update(ctx context.Context, f func(kahuna.Tx) error) error {
	return c.retry(ctx, &kahuna.TxOptions{}, f)
}

// View implements kahuna.Store.
func (c *Client) View(ctx context.Context, f func(kahuna.Tx) error) error {
	return c.retry(ctx, &kahuna.TxOptions{ReadOnly: true}, f)
}

func (c *Client) retry(ctx context.Context, o *kahuna.TxOptions, f func(kahuna.Tx) error) error {
	for try := 1; ; try++ {
		err := c.attempt(ctx, o, f)
		if !errors.Is(err, kahuna.ErrConflict) || try == txTries {
			return err
		}
		pause := min(txPauseFirst<<min(try, 10), txPauseMost)
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, o *kahuna.TxOptions, f func(kahuna.Tx) error) error {
	t, err := c.begin(ctx, o)
	if err != nil {
		return err
	}
	t.managed = true
	defer t.Rollback()
	if err := f(t); err != nil {
		return err
	}
	return t.commit(ctx)
}

// txSpace is the kahuna.Space of a transaction.
type txSpace struct {
	c         *Client
	tx        *tx
	ephemeral bool
}

func (s *txSpace) do(ctx context.Context, name string, op *restwire.Operation) (*restwire.Answer, error) {
	if s.ephemeral {
		op.Space = "ephemeral"
	}
	a, err := s.tx.do(ctx, name, op)
	if err != nil {
		return nil, named(err, name, op.Key)
	}
	return a, nil
}

// checkKey refuses what a request in JSON cannot carry.
func checkKey(op, key string) error {
	if validKey(key) {
		return nil
	}
	return &kahuna.Error{Op: op, Key: key, Code: kahuna.CodeBadKey, Message: "a key must be a non-empty UTF-8 text without NUL"}
}

// Get implements kahuna.Space.
func (s *txSpace) Get(ctx context.Context, key string) (kahuna.Entry, bool, error) {
	none := kahuna.Entry{Key: key, Revision: -1}
	if err := checkKey("get", key); err != nil {
		return none, false, err
	}
	a, err := s.do(ctx, "get", &restwire.Operation{Op: restwire.OpGet, Key: key})
	if err != nil || a.Entry == nil {
		return none, false, err
	}
	e, err := a.Entry.Kahuna()
	if err != nil {
		return none, false, (&request{op: "get", key: key}).unreadable(err)
	}
	return e, true, nil
}

// Exists implements kahuna.Space.
func (s *txSpace) Exists(ctx context.Context, key string) (bool, error) {
	if err := checkKey("get", key); err != nil {
		return false, err
	}
	a, err := s.do(ctx, "get", &restwire.Operation{Op: restwire.OpExists, Key: key})
	return err == nil && a.Found != nil && *a.Found, err
}

// Set implements kahuna.Space.
func (s *txSpace) Set(ctx context.Context, key, value string, o *kahuna.SetOptions) (kahuna.WriteResult, error) {
	if o != nil {
		if err := checkSet(key, o); err != nil {
			return kahuna.WriteResult{}, err
		}
	}
	return s.write(ctx, "set", restwire.SetOf(key, value, o))
}

// Delete implements kahuna.Space.
func (s *txSpace) Delete(ctx context.Context, key string) (kahuna.WriteResult, error) {
	return s.write(ctx, "delete", &restwire.Operation{Op: restwire.OpDelete, Key: key})
}

// Extend implements kahuna.Space.
func (s *txSpace) Extend(ctx context.Context, key string, ttl time.Duration) (kahuna.WriteResult, error) {
	if err := checkLife(key, ttl); err != nil {
		return kahuna.WriteResult{}, err
	}
	return s.write(ctx, "extend", &restwire.Operation{Op: restwire.OpExtend, Key: key, TTL: ttl.String()})
}

func (s *txSpace) write(ctx context.Context, name string, op *restwire.Operation) (kahuna.WriteResult, error) {
	if err := checkKey(name, op.Key); err != nil {
		return kahuna.WriteResult{}, err
	}
	a, err := s.do(ctx, name, op)
	if err != nil {
		return failedWrite(err), err
	}
	if a.Write == nil {
		return kahuna.WriteResult{}, (&request{op: name, key: op.Key}).unreadable(errors.New("it does not say what was written"))
	}
	return a.Write.Kahuna(), nil
}

// Bucket implements kahuna.Space.
func (s *txSpace) Bucket(ctx context.Context, bucket string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "bucket", restwire.Operation{Op: restwire.OpBucket, Bucket: bucket}, o)
}

// Prefix implements kahuna.Space.
func (s *txSpace) Prefix(ctx context.Context, prefix string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "prefix", restwire.Operation{Op: restwire.OpPrefix, Prefix: prefix}, o)
}

// Range implements kahuna.Space.
func (s *txSpace) Range(ctx context.Context, start, end string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "range", restwire.Operation{Op: restwire.OpRange, Start: start, End: end}, o)
}

func (s *txSpace) rows(ctx context.Context, name string, where restwire.Operation, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return pages(name, o, func(opts *kahuna.RangeOptions, after string, limit int) (*restwire.Page, error) {
		op := where
		op.After, op.Limit, op.Desc, op.AsOfMs = after, limit, opts.Desc, restwire.UnixMilli(opts.AsOf)
		a, err := s.do(ctx, name, &op)
		if err == nil && a.Page == nil {
			err = &kahuna.Error{Op: name, Code: kahuna.CodeRetry, Message: "the answer of the server has no page"}
		}
		if err != nil {
			return nil, err
		}
		return a.Page, nil
	})
}
