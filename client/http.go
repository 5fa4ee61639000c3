package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// overHTTP is the transport to servers at http and https addresses.
type overHTTP struct{ http *http.Client }

func newOverHTTP(o *Options) *overHTTP {
	connections := cmp.Or(max(o.Connections, 0), 64)
	dialer := &net.Dialer{Timeout: dialWait, KeepAlive: 15 * time.Second}
	return &overHTTP{&http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
			IdleConnTimeout: time.Minute, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: dialWait,
			TLSClientConfig: o.TLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (h *overHTTP) close() { h.http.CloseIdleConnections() }

// once implements transport.
func (h *overHTTP) once(ctx context.Context, base string, r *request, t *tries) (*answer, error) {
	if r.script != nil {
		if err := r.script.json(r); err != nil {
			return nil, err
		}
	}
	var reached atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	req, err := http.NewRequestWithContext(traced, r.method, base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeBadRequest, Message: err.Error()}
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.mediaType != "" {
		req.Header.Set("Content-Type", r.mediaType)
	}
	res, err := h.http.Do(req)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(res.Body, answerMost+1))
		_ = res.Body.Close()
		if err == nil && len(body) > answerMost {
			err = fmt.Errorf("the answer has more than %d bytes", answerMost)
		}
	}
	if err != nil {
		t.lost = t.lost || reached.Load()
		if ctx.Err() != nil {
			return nil, r.canceled(ctx)
		}
		return nil, unreached{r.noAnswer(base, reason(err))}
	}
	return r.read(&answer{base: base, status: res.StatusCode, header: res.Header, body: body}, t)
}

// json makes r the request for the script.
func (s *scriptCall) json(r *request) error {
	run, err := restwire.RunOf(s.source, s.params, s.options)
	if err != nil {
		return err
	}
	run.IdempotencyKey = s.key
	if s.hash != nil {
		run.Hash = s.hash.text
		if s.byHash() {
			run.Script = ""
		}
	}
	r.method, r.path, r.mediaType = http.MethodPost, "/v1/run", "application/json"
	if r.body, err = restwire.EncodeRun(run); err != nil {
		return &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: err.Error()}
	}
	return nil
}

// reason returns the error without the request that it repeats.
func reason(err error) error {
	var inner interface{ Unwrap() error }
	if errors.As(err, &inner) && inner.Unwrap() != nil {
		return inner.Unwrap()
	}
	return err
}

// read reads an answer of the plain REST face.
func (r *request) read(a *answer, t *tries) (*answer, error) {
	if a.status < 300 || a.status == http.StatusNotModified {
		return a, nil
	}
	t.definite = a.header.Get(restwire.OperationHeader) != ""
	code := a.header.Get(restwire.CodeHeader)
	if code == "" {
		// A proxy, or no server of ours.
		t.lost = t.lost || a.status >= 500
		e := &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeBadRequest,
			Message: fmt.Sprintf("%s answered %d %s, and not as kahuna-server does", a.base, a.status, http.StatusText(a.status))}
		if a.status >= 500 {
			e.Code, e.Retry = kahuna.CodeRetry, true
			return nil, unreached{e}
		}
		return nil, e
	}
	p := restwire.NewProblem(code, "", "") // an answer to HEAD has no body
	if r.method != http.MethodHead {
		if err := restwire.Decode(a.body, p); err != nil {
			t.lost = true
			return nil, &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeRetry, Message: "the error of the server cannot be read: " + err.Error()}
		}
	}
	a.problem = p
	if r.key != "" && (code == restwire.CodeNotFound || code == restwire.CodeConditionFailed) {
		return a, nil
	}
	e := p.Kahuna()
	if r.method == http.MethodHead {
		e.Op, e.Key, e.Message = r.op, r.key, "the server refused it"
	}
	return nil, e
}
