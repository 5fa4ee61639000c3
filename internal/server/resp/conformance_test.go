package resp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"kahuna"
	"kahuna/examples"
	specanswer "kahuna/internal/answer"
	"kahuna/spec"
)

// overRESP runs the conformance suite through a connection. RESP has no types of
// parameters, and no revisions: the parameters are put into the request when the
// server has read it, and what the store answers is noted, to be compared with
// the case; what the client reads is compared with that.
type overRESP struct {
	t  *testing.T
	db *kahuna.DB
	c  *rawClient
}

// The request that runs, and what the store answered it.
var (
	specParams map[string]any
	specAnswer answer
)

// noteAnswers changes KAHUNA.RUN for a test.
func noteAnswers(t *testing.T) {
	cmd := lookup([]byte("KAHUNA.RUN"))
	plan := cmd.plan
	t.Cleanup(func() { cmd.plan = plan })
	cmd.plan = func(c *conn, args [][]byte) (op, error) {
		o, err := plan(c, args)
		specAnswer = answer{err: err}
		if err == nil {
			o.params = specParams
			o.reply = func(w *writer, a *answer) {
				specAnswer = *a
				result(w, a)
			}
		}
		return o, err
	}
}

func (r overRESP) Run(ctx context.Context, req spec.Request) spec.Response {
	if req.IdempotencyKey != "" { // which the protocol does not have
		res, err := r.db.Run(ctx, req.Source, req.Params, &kahuna.RunOptions{IdempotencyKey: req.IdempotencyKey})
		return spec.Response{Result: specanswer.Result(res), Err: err}
	}
	specParams = req.Params
	r.c.send(request("KAHUNA.RUN", req.Source))
	got, err := decode(r.c)
	if err != nil {
		return spec.Response{Err: err}
	}
	if err := sameAnswer(got, specAnswer); err != nil {
		r.t.Errorf("%q: %v", req.Source, err)
	}
	return spec.Response{Result: specanswer.Result(specAnswer.res), Err: specAnswer.err}
}

func (r overRESP) Wait(ctx context.Context, d time.Duration) error { return spec.WaitReal(ctx, d) }

// TestConformance: the cases of the language and the recipes have the same
// result, code, place and outcome through RESP3.
func TestConformance(t *testing.T) {
	cases, err := spec.Cases()
	if err != nil {
		t.Fatal(err)
	}
	recipes, err := examples.Cases()
	if err != nil {
		t.Fatal(err)
	}
	noteAnswers(t)
	spec.Run(t, append(cases, recipes...), func(t *testing.T) spec.Runner {
		db := openStore(t)
		_, addr := serveStore(t, db, Options{})
		c := dial(t, addr)
		c.send(request("HELLO", "3"))
		c.answer()
		return overRESP{t, db, c}
	})
}

// respError is an error that a client has read.
type respError string

// decode reads an answer as a client of RESP3 does.
func decode(c *rawClient) (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(line[1:], "\r\n")
	switch line[0] {
	case '+':
		return text, nil
	case '-':
		return respError(text), nil
	case ':', ',':
		return json.Number(text), nil
	case '_':
		return nil, nil
	case '#':
		return text == "t", nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	switch line[0] {
	case '$':
		body := make([]byte, n+2)
		_, err := io.ReadFull(c.r, body)
		return string(body[:n]), err
	case '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = decode(c); err != nil {
				return nil, err
			}
		}
		return list, nil
	case '%':
		m := map[string]any{}
		for range n {
			name, err := decode(c)
			if err != nil {
				return nil, err
			}
			if m[name.(string)], err = decode(c); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("no answer: %q", line)
}

// sameAnswer compares what a client has read with what the store answered.
func sameAnswer(got any, a answer) error {
	var e *kahuna.Error
	if errors.As(a.err, &e) {
		code := strings.ToUpper(string(e.Code))
		if word(e.UserCode) {
			code = e.UserCode
		}
		text, ok := got.(respError)
		place := ""
		if e.Line > 0 {
			place = fmt.Sprintf("(line %d, column %d)", e.Line, e.Column)
		}
		if !ok || !strings.HasPrefix(string(text), code+" ") || !strings.Contains(string(text), place) {
			return fmt.Errorf("the client reads %q for %v", got, a.err)
		}
		return nil
	}
	if a.err != nil {
		return fmt.Errorf("the store answers %w", a.err)
	}
	if want := expected(a.res); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the client reads %#v, not %#v", got, want)
	}
	return nil
}

// expected is what docs/redis-protocol.md says that a client reads.
func expected(r *kahuna.Result) any {
	switch {
	case r.List:
		list := make([]any, 0, len(r.Entries))
		for _, e := range r.Entries {
			if r.Op == kahuna.OpBucket || r.Op == kahuna.OpScan {
				list = append(list, []any{e.Key, e.Value})
			} else {
				list = append(list, typed(e))
			}
		}
		return list
	case r.Type == kahuna.TypeSet, r.Type == kahuna.TypeCommitted:
		return "OK"
	case r.Type == kahuna.TypeNotSet:
		return nil
	case r.Type == kahuna.TypeDeleted && len(r.Entries) > 0 && r.Entries[0].Kind == kahuna.KindInt:
		return typed(r.Entries[0]) // the number of a delete by
	case r.Type == kahuna.TypeDeleted, r.Type == kahuna.TypeExtended, r.Type == kahuna.TypeExists:
		return json.Number("1")
	case r.Type == kahuna.TypeDoesNotExist && r.Op != kahuna.OpGet:
		return json.Number("0")
	}
	return typed(r.First())
}

// typed is the value of an entry.
func typed(e kahuna.Entry) any {
	switch e.Kind {
	case kahuna.KindNull:
		return nil
	case kahuna.KindString:
		return e.Value
	}
	d := json.NewDecoder(bytes.NewReader([]byte(e.Value)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return json.Number(e.Value) // inf, nan
	}
	return v
}
