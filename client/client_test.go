package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
	"kahuna/internal/server/rest"
)

// TestSameAsEmbedded makes the same calls of a client and of a store, and
// compares what they return.
func TestSameAsEmbedded(t *testing.T) {
	for protocolName, p := range protocols {
		for name, o := range map[string]*client.Options{"keys": nil, "no keys": {NoIdempotencyKeys: true}} {
			t.Run(protocolName+", "+name, func(t *testing.T) {
				t.Parallel()
				c, _ := p.serve(t, o)
				_, db := serve(t, nil)
				same(t, spaceCalls(t.Context()), c, db)
			})
		}
	}
}

// TestSameAsEmbeddedInTransactions does so inside of transactions, and
// afterwards.
func TestSameAsEmbeddedInTransactions(t *testing.T) {
	for name, p := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := p.serve(t, nil)
			_, db := serve(t, nil)
			sameInTransactions(t, c, db)
		})
	}
}

func sameInTransactions(t *testing.T, c *client.Client, db *kahuna.DB) {
	ctx := t.Context()
	calls := spaceCalls(ctx)
	for _, commit := range []bool{true, false} {
		for _, o := range []*kahuna.TxOptions{{}, {Optimistic: true}, {ReadOnly: true}} {
			o.Timeout, o.Idle = 4*time.Minute, 4*time.Minute // the machine may be busy
			there, err := c.Begin(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			here, err := db.Begin(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			same(t, calls, there, here)
			for _, source := range []string{"set run to_int(get run ?? 0) + 1 return [get run, 2.0, null]", "throw 'no', 'code'", "return @x", "set x uper(1)", "get none", "eset e 1"} {
				got, gotErr := there.Run(ctx, source, nil, nil)
				want, wantErr := here.Run(ctx, source, nil, nil)
				if !sameError(gotErr, wantErr) || gotErr == nil && (got.Type != want.Type || got.Outcome != want.Outcome || !reflect.DeepEqual(texts(got), texts(want))) {
					t.Errorf("%s: the client has %+v, %v\nthe store %+v, %v", source, got, gotErr, want, wantErr)
				}
			}
			if commit {
				gotErr, wantErr := there.Commit(ctx), here.Commit(ctx)
				if !sameError(gotErr, wantErr) {
					t.Errorf("commit: the client has %v, the store %v", gotErr, wantErr)
				}
			} else {
				there.Rollback()
				here.Rollback()
			}
			there.Rollback()
			here.Rollback()
			for range 2 {
				gotErr, wantErr := there.Commit(ctx), here.Commit(ctx)
				if !sameError(gotErr, wantErr) || !errors.Is(gotErr, kahuna.ErrTxDone) {
					t.Errorf("commit again: the client has %v, the store %v", gotErr, wantErr)
				}
			}
			_, _, gotErr := there.Get(ctx, "k")
			_, _, wantErr := here.Get(ctx, "k")
			if !sameError(gotErr, wantErr) {
				t.Errorf("afterwards: the client has %v, the store %v", gotErr, wantErr)
			}
			same(t, calls[:200], c, db)
		}
	}
}

func texts(r *kahuna.Result) (all []string) {
	for _, e := range r.Entries {
		all = append(all, fmt.Sprint(e.Key, "|", e.Value, "|", e.Kind, e.Revision))
	}
	return all
}

// spaces is a store or a transaction.
type spaces interface {
	kahuna.Space
	Ephemeral() kahuna.Space
}

func same(t *testing.T, calls []func(spaces) (any, error), there, here spaces) {
	t.Helper()
	for i, call := range calls {
		got, gotErr := call(there)
		want, wantErr := call(here)
		if !reflect.DeepEqual(got, want) || !sameError(gotErr, wantErr) {
			t.Errorf("call %d: the client has %v, %v\nthe store %v, %v", i, got, gotErr, want, wantErr)
		}
	}
}

// spaceCalls are calls of both spaces of a store.
func spaceCalls(ctx context.Context) (calls []func(s spaces) (any, error)) {
	text, number := func(s string) *string { return &s }, func(n int64) *int64 { return &n }
	sets := []*kahuna.SetOptions{nil, {NX: true}, {XX: true}, {NX: true, XX: true}, {Revision: number(0)}, {Revision: number(-1)}, {Revision: number(1)},
		{Equals: text("v")}, {Equals: text("other")}, {XX: true, Revision: number(-1)}, {XX: true, Revision: number(2)}, {Equals: text("v"), Revision: number(2), TTL: time.Hour},
		{TTL: time.Hour}, {KeepTTL: true}, {TTL: time.Minute, KeepTTL: true}, {TTL: -1}, {NoHistory: true}, {TTL: time.Hour + 1},
		{Equals: text("v"), TTL: time.Minute, KeepTTL: true}, {NX: true, TTL: time.Minute, KeepTTL: true}}
	keys := []string{"k", "a/b", "a//b", "..", ".", "a/../b", "%", "ä €", "a?b#c", "\xff", "", "nul\x00"}
	add := func(f func(sp kahuna.Space) (any, error)) {
		calls = append(calls, func(s spaces) (any, error) { return f(s) }, func(s spaces) (any, error) { return f(s.Ephemeral()) })
	}
	for _, key := range keys {
		get := func(sp kahuna.Space) (any, error) {
			e, ok, err := sp.Get(ctx, key)
			return fmt.Sprint(e.Key, "|", e.Value, "|", e.Kind, e.Revision, e.Expires.IsZero(), e.Modified.IsZero(), ok), err
		}
		exists := func(sp kahuna.Space) (any, error) { return sp.Exists(ctx, key) }
		add(get)
		add(exists)
		for _, o := range sets {
			add(func(sp kahuna.Space) (any, error) { return written(sp.Set(ctx, key, "v", o)) })
			add(get)
		}
		add(exists)
		add(func(sp kahuna.Space) (any, error) { return written(sp.Extend(ctx, key, time.Hour)) })
		add(func(sp kahuna.Space) (any, error) { return written(sp.Extend(ctx, key, -1)) })
		add(func(sp kahuna.Space) (any, error) { return written(sp.Delete(ctx, key)) })
		add(func(sp kahuna.Space) (any, error) { return written(sp.Delete(ctx, key)) })
		add(func(sp kahuna.Space) (any, error) { return written(sp.Extend(ctx, key, 0)) })
		add(func(sp kahuna.Space) (any, error) { return written(sp.Set(ctx, key, "\x00\xff", nil)) })
		add(get)
	}
	for _, o := range []*kahuna.RangeOptions{nil, {Limit: 2}, {Desc: true}, {Desc: true, Limit: 1}, {After: "a/b"}, {Limit: -1}} {
		add(func(sp kahuna.Space) (any, error) { return listed(sp.Prefix(ctx, "", o)) })
		add(func(sp kahuna.Space) (any, error) { return listed(sp.Prefix(ctx, "a/", o)) })
		add(func(sp kahuna.Space) (any, error) { return listed(sp.Bucket(ctx, "a", o)) })
		add(func(sp kahuna.Space) (any, error) { return listed(sp.Range(ctx, "a", "b", o)) })
		add(func(sp kahuna.Space) (any, error) { return listed(sp.Range(ctx, "", "", o)) })
	}
	return calls
}

// written is a result without its time.
func written(w kahuna.WriteResult, err error) (any, error) {
	return fmt.Sprint(w.Done, w.Revision, w.Time.IsZero()), err
}

func listed(rows func(func(kahuna.Entry, error) bool)) (any, error) {
	list, err := kahuna.Collect(rows)
	text := ""
	for _, e := range list {
		text += fmt.Sprintf("%q %q %d; ", e.Key, e.Value, e.Revision)
	}
	return text, err
}

func sameError(a, b error) bool {
	var x, y *kahuna.Error
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return a == nil && b == nil
	}
	return x.Code == y.Code && x.Outcome == y.Outcome && x.Line == y.Line && x.Column == y.Column && x.UserCode == y.UserCode
}

// TestPagesAreRead: an iterator reads on behind a page.
func TestPagesAreRead(t *testing.T) {
	forProtocols(t, func(t *testing.T, c *client.Client, db *kahuna.DB) { testPages(t, c, db) })
}

// forProtocols calls f with a client over each protocol.
func forProtocols(t *testing.T, f func(t *testing.T, c *client.Client, db *kahuna.DB)) {
	for name, p := range protocols {
		t.Run(name, func(t *testing.T) {
			c, db := p.serve(t, nil)
			f(t, c, db)
		})
	}
}

func testPages(t *testing.T, c *client.Client, db *kahuna.DB) {
	for i := range 1203 {
		if _, err := db.Set(t.Context(), fmt.Sprintf("p/%04d", i), "v", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		o    *kahuna.RangeOptions
		want int
	}{{nil, 1203}, {&kahuna.RangeOptions{Limit: 700}, 700}, {&kahuna.RangeOptions{Desc: true, After: "p/0600"}, 600}} {
		all, err := kahuna.Collect(c.Prefix(t.Context(), "p/", tt.o))
		if err != nil || len(all) != tt.want {
			t.Errorf("%+v: %d keys, %v; want %d", tt.o, len(all), err, tt.want)
		}
	}
}

func TestTypedErrors(t *testing.T) {
	forProtocols(t, func(t *testing.T, c *client.Client, _ *kahuna.DB) { testTypedErrors(t, c) })
}

func testTypedErrors(t *testing.T, c *client.Client) {
	ctx := t.Context()
	_, err := c.Run(ctx, "throw 'sold out', 'sold-out'", nil, nil)
	if !errors.Is(err, kahuna.ErrThrow) || !errors.Is(err, &kahuna.Error{Code: kahuna.CodeThrow, UserCode: "sold-out"}) {
		t.Errorf("got %v", err)
	}
	if _, err = c.Compile("set x uper(1)"); err == nil {
		t.Error("a script that does not compile compiles")
	}
	_, runErr := c.Run(ctx, "set x uper(1)", nil, nil)
	var here, there *kahuna.Error
	if !errors.As(err, &here) || !errors.As(runErr, &there) || here.Detail() != there.Detail() || !reflect.DeepEqual(here.Diagnostics, there.Diagnostics) {
		t.Errorf("compiled here: %v\ncompiled there: %v", err, runErr)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := c.Get(canceled, "k"); !errors.Is(err, kahuna.ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Get(ctx, "k"); !errors.Is(err, kahuna.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, u := range []string{"", "127.0.0.1:2070", "ftp://x", "http://", "http://a,", "http://u:p@h"} {
		if _, err := client.Open(u, nil); !errors.Is(err, kahuna.ErrBadRequest) {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// lossy serves db and loses the answers of the first n calls of POST and PUT,
// which took effect.
func lossy(t *testing.T, n int32, o *client.Options) (*client.Client, *kahuna.DB) {
	t.Helper()
	_, db := serve(t, nil)
	h := rest.New(db, rest.Options{})
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" || calls.Add(1) > n {
			h.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	c, err := client.Open(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	return c, db
}

const count = "let n = to_int(get n ?? 0) + 1 set n n return n"

// TestLostAnswers: a script is sent again and counts once; what has no key is
// sent once, and its outcome is unknown.
func TestLostAnswers(t *testing.T) {
	c, db := lossy(t, 3, nil)
	res, err := c.Run(t.Context(), count, nil, nil)
	if err != nil || res.Text() != "1" {
		t.Errorf("got %v, %v", res, err)
	}
	if e, _, err := db.Get(t.Context(), "n"); err != nil || e.Value != "1" {
		t.Errorf("n is %q, %v", e.Value, err)
	}
	c, db = lossy(t, 1, &client.Options{NoIdempotencyKeys: true})
	_, err = c.Run(t.Context(), count, nil, nil)
	var e *kahuna.Error
	if !errors.Is(err, kahuna.ErrOutcomeUnknown) || !errors.As(err, &e) || e.Outcome != kahuna.Unknown {
		t.Errorf("without a key: %v", err)
	}
	if e, _, err := db.Get(t.Context(), "n"); err != nil || e.Value != "1" {
		t.Errorf("n is %q, %v: it was sent again", e.Value, err)
	}
	c, _ = lossy(t, 1, &client.Options{NoIdempotencyKeys: true})
	if _, err = c.Set(t.Context(), "k", "v", nil); !errors.Is(err, kahuna.ErrOutcomeUnknown) {
		t.Errorf("set without a key: %v", err)
	}
	c, _ = lossy(t, 3, nil)
	for i, write := range []func() (kahuna.WriteResult, error){
		func() (kahuna.WriteResult, error) { return c.Set(t.Context(), "k", "v", &kahuna.SetOptions{NX: true}) },
		func() (kahuna.WriteResult, error) { return c.Extend(t.Context(), "k", time.Hour) },
		func() (kahuna.WriteResult, error) { return c.Delete(t.Context(), "k") },
	} {
		if w, err := write(); err != nil || !w.Done {
			t.Errorf("write %d: %+v, %v", i, w, err)
		}
	}
	// A definite answer to the second sending says nothing of the first.
	c, _ = lossy(t, 1, nil)
	if _, err = c.Run(t.Context(), "if (get seen) == 1 then set x 1 end throw 'no'", nil, nil); !errors.Is(err, kahuna.ErrOutcomeUnknown) || !errors.Is(err, kahuna.ErrThrow) {
		t.Errorf("throw after a lost answer: %v", err)
	}
}

// TestOtherAddress: the next address is asked when one cannot be reached, and
// when none can, the error says what to do.
func TestOtherAddress(t *testing.T) {
	_, db := serve(t, nil)
	s := httptest.NewServer(rest.New(db, rest.Options{}))
	t.Cleanup(s.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, err := client.Open(gone.URL+", "+s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(t.Context(), "k", "v", nil); err != nil {
		t.Error(err)
	}
	c, err = client.Open(gone.URL, &client.Options{RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Set(t.Context(), "k", "v", nil)
	var e *kahuna.Error
	if !errors.Is(err, kahuna.ErrRetry) || !errors.As(err, &e) || e.Outcome != kahuna.NotApplied || e.Hint != "kahuna-server starts one" {
		t.Errorf("got %v", err)
	}
}

// TestTLS: a certificate is trusted when the options say so, and the error says
// that it is not otherwise.
func TestTLS(t *testing.T) {
	_, db := serve(t, nil)
	s := httptest.NewUnstartedServer(rest.New(db, rest.Options{}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for _, tt := range []struct {
		o  *client.Options
		ok bool
	}{{&client.Options{TLS: &tls.Config{RootCAs: pool}}, true}, {&client.Options{RetryFor: -1}, false}} {
		c, err := client.Open(s.URL, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Set(t.Context(), "k", "v", nil)
		var unknown x509.UnknownAuthorityError
		if tt.ok && err != nil || !tt.ok && !errors.As(err, &unknown) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// TestStrangers: what is no server of ours is told so.
func TestStrangers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html>")
	}))
	t.Cleanup(s.Close)
	c, err := client.Open(s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Get(t.Context(), "k"); !errors.Is(err, kahuna.ErrBadRequest) {
		t.Errorf("got %v", err)
	}
	polite := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(polite.Close)
	if c, err = client.Open(polite.URL, nil); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"get":    func() error { _, _, err := c.Get(t.Context(), "k"); return err },
		"exists": func() error { _, err := c.Exists(t.Context(), "k"); return err },
		"set":    func() error { _, err := c.Set(t.Context(), "k", "v", nil); return err },
		"run":    func() error { _, err := c.Run(t.Context(), "return 1", nil, nil); return err },
		"begin":  func() error { _, err := c.Begin(t.Context(), nil); return err },
		"prefix": func() error { _, err := kahuna.Collect(c.Prefix(t.Context(), "", nil)); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("%s takes status 200 without more for an answer", name)
		}
	}
}

// TestParamsReachTheServer: every kind of parameter arrives as it is.
func TestParamsReachTheServer(t *testing.T) {
	forProtocols(t, testParams)
}

func testParams(t *testing.T, c *client.Client, db *kahuna.DB) {
	for _, x := range []any{nil, true, int64(1<<63 - 1), int64(-1 << 63), 3.0, math.Copysign(0, -1), 1e300, 5e-324, "", "ä\u2028\x01", []byte("\xff\x00"),
		[]any{int64(1), 2.0, "x", nil}, map[string]any{"b": 1, "a": []any{}}, time.Minute} {
		source := "return [type_of(@x), @x]"
		got, err := c.Run(t.Context(), source, kahuna.Params{"x": x}, nil)
		if err != nil {
			t.Errorf("%v: %v", x, err)
			continue
		}
		want, err := db.Run(t.Context(), source, kahuna.Params{"x": x}, nil)
		if err != nil || !reflect.DeepEqual(got.Entries, append([]kahuna.Entry(nil), want.Entries...)) {
			t.Errorf("%v: the client has %+v, the store %+v, %v", x, got.Entries, want.Entries, err)
		}
	}
	if _, err := c.Run(t.Context(), "return @x", kahuna.Params{"x": []string{"\xff"}}, nil); !errors.Is(err, &kahuna.Error{Code: kahuna.CodeBadParameter}) {
		t.Errorf("a text in an array that is not UTF-8: %v", err)
	}
}
