package model

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"time"

	"kahuna/script"
	"kahuna/spec"
)

// Runner runs whole scripts on a Store, one after another, on a clock that
// moves by a millisecond for every script and by what is slept: an embedded
// store without a disk, for the conformance suite and as an oracle. It
// implements spec.Runner.
type Runner struct {
	Store *Store
	// Limits bound the scripts.
	Limits script.Limits

	nowMs   int64
	counter uint64 // of the clock, so that it shows in hlc_counter()
	answers map[string]answer
}

var _ spec.Runner = (*Runner)(nil)

// answer is what a request with an idempotency key got when it committed.
type answer struct {
	request [sha256.Size]byte
	result  *script.Result
}

// epochMs is where a Runner's clock begins: some day in 2026.
const epochMs = 1_780_000_000_000

// NewRunner returns a Runner on an empty store with the default limits.
func NewRunner() *Runner {
	return &Runner{Store: NewStore(), Limits: script.DefaultLimits(), nowMs: epochMs, answers: map[string]answer{}}
}

// Clone returns an independent copy.
func (r *Runner) Clone() *Runner {
	c := *r
	c.Store, c.answers = r.Store.Clone(), maps.Clone(r.answers)
	return &c
}

// Now returns the time of the last script in Unix milliseconds.
func (r *Runner) Now() int64 { return r.nowMs }

// Wait implements spec.Runner.
func (r *Runner) Wait(_ context.Context, d time.Duration) error {
	r.nowMs += d.Milliseconds()
	return nil
}

// Run implements spec.Runner.
func (r *Runner) Run(_ context.Context, req spec.Request) spec.Response {
	res, err := r.run(req)
	if err != nil {
		return spec.Response{Err: err}
	}
	return spec.Response{Result: res}
}

func (r *Runner) run(req spec.Request) (res *script.Result, err error) {
	if req.IdempotencyKey != "" {
		if res, err := r.remembered(req); res != nil || err != nil {
			return res, err
		}
	}
	p, err := script.Compile(req.Source, &r.Limits)
	if err != nil {
		return nil, err
	}
	defer func() { err = p.WithWarnings(err) }()
	call, err := p.Bind(req.Params)
	if err != nil {
		return nil, err
	}
	defer call.Release()
	r.nowMs++
	r.counter = (r.counter + 1) % 7
	tx := &timedTx{
		Tx:        r.Store.Begin(script.Timestamp(r.nowMs)<<20 | script.Timestamp(r.counter)),
		timeoutMs: call.Options().TimeoutMs,
	}
	res, err = call.Run(tx, &tx.interrupt, 0)
	r.nowMs = tx.Now()
	if err != nil {
		tx.Rollback()
		return nil, tx.plain(err)
	}
	commit := script.Timestamp(r.nowMs)<<20 | script.Timestamp(r.counter)
	tx.Commit(commit)
	res.Stamp(commit)
	res.Outcome = script.Applied
	if req.IdempotencyKey != "" {
		r.answers[req.IdempotencyKey] = answer{request: fingerprint(req), result: res}
	}
	return res, nil
}

// remembered returns the first result of a request that has committed under
// the same idempotency key.
func (r *Runner) remembered(req spec.Request) (*script.Result, error) {
	if len(req.IdempotencyKey) > 1024 {
		return nil, &script.Error{Code: script.CodeBadRequest, Message: "an idempotency key has at most 1024 bytes"}
	}
	a, ok := r.answers[req.IdempotencyKey]
	if !ok {
		return nil, nil
	}
	if a.request != fingerprint(req) {
		return nil, &script.Error{
			Code:    script.CodeBadRequest,
			Message: fmt.Sprintf("idempotency key '%s' belongs to another request", req.IdempotencyKey),
		}
	}
	return a.result, nil
}

// fingerprint tells requests apart. A map prints in the order of its keys.
func fingerprint(req spec.Request) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %#v", req.Source, req.Params))
}

// timedTx ends a script whose sleeps use up its time-out.
type timedTx struct {
	*Tx
	timeoutMs int64
	interrupt script.Interrupt
	timeout   *script.Error
}

// Sleep implements script.Tx.
func (t *timedTx) Sleep(ms int64) error {
	if t.slept+ms < t.timeoutMs {
		return t.Tx.Sleep(ms)
	}
	_ = t.Tx.Sleep(t.timeoutMs - t.slept)
	t.timeout = &script.Error{
		Code:    script.CodeTimeout,
		Message: fmt.Sprintf("transaction timed out after %d ms", t.timeoutMs),
		Retry:   true,
	}
	t.interrupt.Stop(t.timeout)
	return t.timeout
}

// plain returns a time-out as it was, without the place where it struck.
func (t *timedTx) plain(err error) error {
	var e *script.Error
	if t.timeout != nil && errors.As(err, &e) && e.Code == script.CodeTimeout {
		return t.timeout
	}
	return err
}
