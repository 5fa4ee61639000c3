package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/wirepb"
)

// transport brings requests to servers.
type transport interface {
	// once sends r to the server at base, once. t is told when it may have taken
	// effect without an answer.
	once(ctx context.Context, base string, r *request, t *tries) (*answer, error)
	// close ends connections that are not used, now or when they no longer are.
	close()
}

// request is one call of the server: one of the plain REST face, unless script is
// set.
type request struct {
	op, key   string // for errors
	method    string
	path      string // with the query, encoded
	header    http.Header
	body      []byte
	reads     bool // it changes nothing
	safe      bool // it may be sent again though it may have taken effect
	mediaType string
	base      string // the only server to ask; empty for any
	script    *scriptCall
	// space, when not nil, says that the request reads key in it: there is a message
	// for that.
	space *space
}

// answer is what a server said, with a status below 400, or one that the caller
// knows to take: 404 and 412 of a key.
type answer struct {
	base   string
	status int
	header http.Header
	body   []byte
	// problem is that of a status from 400 on.
	problem *restwire.Problem
	// script and entry are the answers to a script and to the reading of a key when
	// they came as messages of their own.
	script *wirepb.TryExecuteTransactionScriptResponse
	entry  *kahuna.Entry
}

// tries is what is known of the sendings of one request so far.
type tries struct {
	lost bool // one may have taken effect, and was not answered
	// since is when the first one was lost.
	since time.Time
	// definite tells that the last answer holds for all sendings: it is of an
	// operation that the server does once.
	definite bool
}

// The pauses between two sendings, which are drawn between half and all of a
// length that doubles.
const (
	dialWait   = 5 * time.Second
	pauseFirst = 20 * time.Millisecond
	pauseMost  = time.Second
	answerMost = 512 << 20 // bytes
	// keyKept is how long a server remembers an idempotency key at least, but for
	// the time that a request may be on its way.
	keyKept = 9 * time.Minute
	// retryDefault is how long a request without a deadline is sent again.
	retryDefault = 10 * time.Second
)

// send sends r until it is answered, its time is over, or sending it again might
// do it twice (Invariant CLIENT-1).
func (c *Client) send(ctx context.Context, r *request) (*answer, error) {
	var t tries
	end := c.retryUntil(ctx)
	for pause := pauseFirst; ; pause = min(2*pause, pauseMost) {
		if c.closed.Load() {
			return nil, r.uncertain(&t, &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeClosed, Message: "the client is closed"})
		}
		a, err := c.once(ctx, r, &t)
		if err == nil {
			return a, nil
		}
		if r.script != nil && r.script.byHash() && isCode(err, restwire.CodeNoScript) {
			r.script.whole = true
			pause = pauseFirst / 2
			continue
		}
		if r.safe && isCode(err, kahuna.CodeOutcomeUnknown) {
			t.lost = true // the server was stopped in the middle, most likely
			err = unreached{asError(err)}
		}
		if t.lost && t.since.IsZero() {
			t.since = time.Now()
		}
		forgotten := t.lost && !r.reads && time.Since(t.since) > keyKept
		if !again(err) || t.lost && !r.safe || forgotten || time.Now().Add(pause).After(end) {
			return nil, r.uncertain(&t, err)
		}
		if r.base == "" {
			c.next()
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, r.uncertain(&t, r.canceled(ctx))
		}
	}
}

// retryUntil returns when a request is no longer sent again.
func (c *Client) retryUntil(ctx context.Context) time.Time {
	switch deadline, ok := ctx.Deadline(); {
	case c.opts.RetryFor != 0:
		return time.Now().Add(c.opts.RetryFor)
	case ok:
		return deadline
	}
	return time.Now().Add(retryDefault)
}

// unreached is an error of the way to the server and back.
type unreached struct{ err *kahuna.Error }

func (u unreached) Error() string { return u.err.Error() }

func (u unreached) Unwrap() error { return u.err }

// base returns the address that is asked now.
func (c *Client) base() string { return c.urls[int(c.current.Load())%len(c.urls)] }

func asError(err error) *kahuna.Error {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		e = &kahuna.Error{Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown, Message: err.Error(), Err: err}
	}
	return e
}

func isCode(err error, code kahuna.Code) bool {
	var e *kahuna.Error
	return errors.As(err, &e) && e.Code == code
}

// again reports whether an error passes.
func again(err error) bool {
	if _, ok := err.(unreached); ok {
		return true
	}
	var e *kahuna.Error
	return errors.As(err, &e) && e.Retry && (e.Code == kahuna.CodeRetry || e.Code == kahuna.CodeClosed)
}

// uncertain returns the error of a request. After a sending that was lost, no
// later answer says that nothing was done: the lost one may still be under way.
func (r *request) uncertain(t *tries, err error) error {
	if u, ok := err.(unreached); ok {
		err = u.err
	}
	var e *kahuna.Error
	if !t.lost || r.reads || t.definite || errors.As(err, &e) && e.Outcome != kahuna.NotApplied {
		return err
	}
	return &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown,
		Message: "the answer of the server was lost, so it is not known whether it did what was asked: " + err.Error(),
		Hint:    "read what is there, or send scripts with an idempotency key", Err: err}
}

func (r *request) canceled(ctx context.Context) error {
	e := &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeCanceled, Message: "the call was canceled", Err: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Message = "the caller's time is over"
	}
	return e
}

// once sends r once. t is told when it may have taken effect without an answer.
func (c *Client) once(ctx context.Context, r *request, t *tries) (*answer, error) {
	base := r.base
	if base == "" {
		base = c.base()
	}
	t.definite = false
	return c.transport.once(ctx, base, r, t)
}

func (r *request) noAnswer(base string, err error) *kahuna.Error {
	return &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeRetry, Retry: true,
		Message: fmt.Sprintf("no server answers at %s: %v", base, err), Hint: "kahuna-server starts one", Err: err}
}
