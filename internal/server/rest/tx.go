package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// beginTx answers POST /v1/tx.
func (c *call) beginTx() {
	c.name = "begin"
	if !c.known() {
		return
	}
	body, ok := c.body()
	if !ok {
		return
	}
	o, err := restwire.DecodeBegin(body)
	if err != nil {
		c.badRequest("the JSON of the request is wrong: "+err.Error(), "")
		return
	}
	s, err := c.h.sessions.begin(c.h.opts.Context, c.h.store, o)
	switch {
	case err != nil:
		c.fail(err)
	case s == nil:
		p := restwire.NewProblem(string(kahuna.CodeAdmission), fmt.Sprintf("there are %d interactive transactions already", sessionsMost), "end some, or send scripts")
		p.Retry = true
		c.problem(p)
	default:
		data, err := restwire.Encode(&restwire.Begun{ID: s.id})
		if err != nil {
			c.fail(err)
			return
		}
		c.send(http.StatusCreated, "application/json", data)
	}
}

// inTx answers POST /v1/tx/{id}: an operation of a transaction.
func (c *call) inTx(id string) {
	c.name = "tx"
	if !c.known() {
		return
	}
	body, ok := c.body()
	if !ok {
		return
	}
	op, err := restwire.DecodeOperation(body)
	if err != nil {
		c.badRequest("the JSON of the operation is wrong: "+err.Error(), "")
		return
	}
	c.name = "tx_" + op.Op
	s := c.h.sessions.get(id)
	if s == nil {
		c.problem(noTransaction())
		return
	}
	if s.take(c.r.Context()) != nil {
		c.fail(&kahuna.Error{Code: kahuna.CodeCanceled, Message: "the call was canceled"})
		return
	}
	r := func() reply {
		defer s.give() // after a panic, too
		defer s.rest()
		return c.h.operate(s, op, sha256.Sum256(body))
	}()
	if op.N > 0 {
		c.w.Header().Set(restwire.OperationHeader, strconv.FormatInt(op.N, 10))
	}
	if r.problem != nil {
		c.problem(r.problem)
		return
	}
	c.send(http.StatusOK, "application/json", r.body)
}

// rollbackTx answers DELETE /v1/tx/{id}. It stops what the transaction does.
func (c *call) rollbackTx(id string) {
	c.name = "tx_rollback"
	if !c.known() {
		return
	}
	s := c.h.sessions.get(id)
	if s == nil {
		c.problem(noTransaction())
		return
	}
	s.cancel()
	if s.take(c.r.Context()) != nil {
		c.fail(&kahuna.Error{Code: kahuna.CodeCanceled, Message: "the call was canceled"})
		return
	}
	if s.tx != nil {
		s.end(txDone(kahuna.NotApplied))
	}
	s.give()
	c.w.WriteHeader(http.StatusNoContent)
}

// txDone is the answer to what comes after the end of a transaction.
func txDone(outcome kahuna.Outcome) *restwire.Problem {
	p := restwire.ProblemOf(kahuna.ErrTxDone)
	p.Outcome = restwire.OutcomeText(outcome)
	return p
}

// operate does an operation once, however often it comes (Invariant REST-1).
// Held: the turn of s.
//
// What only reads is done again, for a transaction sees the same rows every
// time; of the rest the answer is remembered.
func (h *Handler) operate(s *session, op *restwire.Operation, digest [sha256.Size]byte) reply {
	repeat := op.N > 0 && op.N == s.last
	switch {
	case repeat && digest != s.digest:
		return refuse(fmt.Sprintf("n %d was another operation", op.N), "give each operation a number of its own")
	case op.N > 0 && op.N < s.last:
		return refuse(fmt.Sprintf("n %d is over: the last operation was %d", op.N, s.last), "count up")
	case repeat && s.lost:
		if s.tx != nil {
			s.end(noTransaction())
		}
		return reply{problem: s.why}
	case repeat && (!op.Reads() || s.tx == nil):
		return s.answer
	case s.tx == nil:
		return reply{problem: s.why}
	}
	r := h.do(s, op)
	if op.N == 0 {
		return r
	}
	s.last, s.digest = op.N, digest
	if kept := r; op.Reads() && s.tx != nil {
		kept.body = nil
		s.remember(kept)
	} else {
		s.remember(r)
	}
	return r
}

func refuse(message, hint string) reply {
	return reply{problem: restwire.NewProblem(string(kahuna.CodeBadRequest), message, hint)}
}

// do does an operation. Held: the turn of s.
func (h *Handler) do(s *session, op *restwire.Operation) reply {
	a := &restwire.Answer{N: op.N}
	switch op.Op {
	case restwire.OpCommit:
		return s.commit(a)
	case restwire.OpRollback:
		s.end(txDone(kahuna.NotApplied))
		a.Outcome = restwire.OutcomeText(kahuna.NotApplied)
		return encode(a)
	}
	err := h.call(s, op, a)
	var wrong *badOperation
	switch {
	case errors.As(err, &wrong):
		p := restwire.NewProblem(string(wrong.code), wrong.Error(), "")
		return reply{problem: p}
	case err != nil:
		p := s.stopped(err)
		if over(err) {
			s.end(p)
		}
		return reply{problem: p}
	}
	return encode(a)
}

// stopped returns the problem of an operation. One that the end of the server
// stopped can be sent again: the transaction is over, and the next server says
// so.
func (s *session) stopped(err error) *restwire.Problem {
	if errors.Is(err, kahuna.ErrCanceled) {
		var stopped *kahuna.Error
		if errors.As(context.Cause(s.ctx), &stopped) {
			err = stopped
		}
	}
	return restwire.ProblemOf(err)
}

// badOperation is an operation that makes no sense.
type badOperation struct {
	error
	code kahuna.Code
}

// commitGrace is how long a commit may take to become durable when the server is
// to end.
const commitGrace = time.Second

func (s *session) commit(a *restwire.Answer) reply {
	if s.ctx.Err() != nil {
		s.end(s.stopped(&kahuna.Error{Op: "commit", Code: kahuna.CodeCanceled, Message: "the transaction was stopped"}))
		return reply{problem: s.why}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	defer cancel()
	defer context.AfterFunc(s.ctx, func() { time.AfterFunc(commitGrace, cancel) })()
	err := s.tx.Commit(ctx)
	if err != nil {
		p := restwire.ProblemOf(err)
		s.end(p)
		return reply{problem: p}
	}
	s.end(txDone(kahuna.Applied))
	a.Outcome = restwire.OutcomeText(kahuna.Applied)
	return encode(a)
}

// over reports whether an error of an operation has ended its transaction.
func over(err error) bool {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Code {
	case kahuna.CodeConflict, kahuna.CodeDeadlock, kahuna.CodeTimeout, kahuna.CodeCanceled, kahuna.CodeClosed, kahuna.CodeRetry, kahuna.CodeStorage:
		return true
	}
	return false
}

// encode returns the answer as it is sent.
func encode(a *restwire.Answer) reply {
	data, err := restwire.Encode(a)
	if err != nil {
		return reply{problem: restwire.ProblemOf(&kahuna.Error{Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown, Message: "the answer cannot be written: " + err.Error()})}
	}
	return reply{body: bytes.Clone(data)}
}

// call does an operation of the store. Held: the turn of s.
func (h *Handler) call(s *session, op *restwire.Operation, a *restwire.Answer) error {
	var space kahuna.Space = s.tx
	if op.Space == "ephemeral" {
		space = s.tx.Ephemeral()
	}
	switch op.Op {
	case restwire.OpGet:
		e, found, err := space.Get(s.ctx, op.Key)
		if found {
			entry := restwire.EntryOf(&e)
			a.Entry = &entry
		}
		a.Found = &found
		return err
	case restwire.OpExists:
		found, err := space.Exists(s.ctx, op.Key)
		a.Found = &found
		return err
	case restwire.OpSet:
		value, o, err := op.Set()
		if err != nil {
			return &badOperation{err, kahuna.CodeBadRequest}
		}
		return a.Wrote(space.Set(s.ctx, op.Key, value, o))
	case restwire.OpDelete:
		return a.Wrote(space.Delete(s.ctx, op.Key))
	case restwire.OpExtend:
		ttl, err := op.Life()
		if err != nil {
			return &badOperation{err, kahuna.CodeBadRequest}
		}
		return a.Wrote(space.Extend(s.ctx, op.Key, ttl))
	case restwire.OpRun:
		return h.runInTx(s, op.Run, a)
	}
	return readInTx(s.ctx, space, op, a)
}

func (h *Handler) runInTx(s *session, run *restwire.Run, a *restwire.Answer) error {
	params, o, code, err := run.Decode()
	if err != nil {
		return &badOperation{err, code}
	}
	program, err := h.program(run)
	if err != nil {
		return err
	}
	var res *kahuna.Result
	if program == nil {
		res, err = s.tx.Run(s.ctx, run.Script, params, o)
	} else {
		res, err = s.tx.RunProgram(s.ctx, program, params, o)
	}
	if err != nil {
		return err
	}
	a.Result = restwire.ResultOf(res)
	return nil
}

// readInTx reads a page of keys.
func readInTx(ctx context.Context, space kahuna.Space, op *restwire.Operation, a *restwire.Answer) error {
	limit := op.Limit
	if limit == 0 || limit > pageKeysMost {
		limit = pageKeysMost
	}
	o := &kahuna.RangeOptions{After: op.After, Limit: limit + 1, Desc: op.Desc}
	if op.AsOfMs > 0 {
		o.AsOf = time.UnixMilli(op.AsOfMs)
	}
	var rows iter.Seq2[kahuna.Entry, error]
	switch op.Op {
	case restwire.OpBucket:
		rows = space.Bucket(ctx, op.Bucket, o)
	case restwire.OpPrefix:
		rows = space.Prefix(ctx, op.Prefix, o)
	default:
		rows = space.Range(ctx, op.Start, op.End, o)
	}
	page, err := pageOf(rows, limit)
	a.Page = page
	return err
}
