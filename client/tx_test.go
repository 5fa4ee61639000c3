package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
	"kahuna/internal/restwire"
	"kahuna/internal/server/rest"
)

// front serves stores in memory one after the other at one address, and loses
// answers.
type front struct {
	t       *testing.T
	url     string
	handler atomic.Pointer[rest.Handler]
	db      *kahuna.DB
	// lose is asked, when not nil, whether the answer to a request is lost.
	lose atomic.Pointer[func(r *http.Request) bool]
	seen atomic.Int64
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t}
	f.next()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.seen.Add(1)
		if lose := f.lose.Load(); lose != nil && (*lose)(r) {
			f.handler.Load().ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		f.handler.Load().ServeHTTP(w, r)
	}))
	f.url = s.URL
	t.Cleanup(func() {
		s.Close()
		f.handler.Load().Close()
	})
	return f
}

// next is the server after a restart: it knows no transactions and no scripts.
func (f *front) next() {
	if f.db == nil {
		_, f.db = serve(f.t, nil)
	}
	if old := f.handler.Swap(rest.New(f.db, rest.Options{})); old != nil {
		old.Close()
	}
}

func (f *front) client(o *client.Options) *client.Client {
	f.t.Helper()
	c, err := client.Open(f.url, o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// losing loses the answers to every n-th request for which match holds.
func (f *front) losing(n int64, match func(r *http.Request) bool) {
	var calls atomic.Int64
	lose := func(r *http.Request) bool { return match(r) && calls.Add(1)%n == 0 }
	f.lose.Store(&lose)
}

func ofTx(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/tx") && r.Method == "POST" }

// TestTransactionsWithLostAnswers: no operation of a transaction is done twice,
// the commit included.
func TestTransactionsWithLostAnswers(t *testing.T) {
	f := newFront(t)
	f.losing(3, ofTx)
	c := f.client(nil)
	ctx := t.Context()
	for i := range 20 {
		err := c.Update(ctx, func(tx kahuna.Tx) error {
			w, err := tx.Set(ctx, "a", fmt.Sprint(i), &kahuna.SetOptions{Revision: revision(i - 1)})
			if err == nil && !w.Done {
				err = fmt.Errorf("set %d: %+v", i, w)
			}
			if err == nil {
				_, err = tx.Run(ctx, "set n to_int(get n ?? 0) + 1", nil, nil)
			}
			if err == nil {
				_, _, err = tx.Get(ctx, "a")
			}
			return err
		})
		if err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
	}
	if e, _, err := f.db.Get(ctx, "n"); err != nil || e.Value != "20" {
		t.Errorf("n is %s, %v", e.Value, err)
	}
}

func revision(n int) *int64 {
	r := int64(n)
	return &r
}

// TestTransactionsAndRestarts: a transaction that ends with its server is run
// again by Update; only one that was committing is an unknown outcome.
func TestTransactionsAndRestarts(t *testing.T) {
	f := newFront(t)
	c := f.client(nil)
	ctx := t.Context()
	tries := 0
	err := c.Update(ctx, func(tx kahuna.Tx) error {
		if tries++; tries == 2 {
			f.next()
		}
		if _, err := tx.Set(ctx, "a", "1", nil); err != nil {
			return err
		}
		if tries == 1 {
			f.next()
		}
		_, err := tx.Set(ctx, "b", "1", nil)
		return err
	})
	if err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	tx, err := c.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Set(ctx, "a", "2", nil); err != nil {
		t.Fatal(err)
	}
	f.next()
	var e *kahuna.Error
	if err := tx.Commit(ctx); !errors.Is(err, kahuna.ErrConflict) || !errors.As(err, &e) || e.Outcome != kahuna.NotApplied {
		t.Errorf("the commit after a restart: %v", err)
	}
	// The commit is done, its answer lost, and the server gone.
	if tx, err = c.Begin(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Set(ctx, "a", "3", nil); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	lose := func(r *http.Request) (lost bool) {
		once.Do(func() { lost = true })
		if !lost {
			f.next()
		}
		return lost
	}
	f.lose.Store(&lose)
	if err := tx.Commit(ctx); !errors.Is(err, kahuna.ErrOutcomeUnknown) || !errors.As(err, &e) || e.Outcome != kahuna.Unknown {
		t.Errorf("a commit whose answer is lost with the server: %v", err)
	}
	f.lose.Store(nil)
	if e, _, err := f.db.Get(ctx, "a"); err != nil || e.Value != "3" {
		t.Errorf("a is %s, %v", e.Value, err)
	}
}

// TestTransactionsConflict: two clients add to one key in transactions; no
// addition is lost.
func TestTransactionsConflict(t *testing.T) {
	f := newFront(t)
	const clients, each = 4, 10
	var all sync.WaitGroup
	for range clients {
		c := f.client(nil)
		all.Go(func() {
			for range each {
				err := c.Update(t.Context(), func(tx kahuna.Tx) error {
					e, _, err := tx.Get(t.Context(), "n")
					if err != nil {
						return err
					}
					_, err = tx.Set(t.Context(), "n", e.Value+"x", nil)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if e, _, err := f.db.Get(t.Context(), "n"); err != nil || len(e.Value) != clients*each {
		t.Errorf("%d additions, %v", len(e.Value), err)
	}
	err := f.client(nil).View(t.Context(), func(tx kahuna.Tx) error {
		_, err := tx.Set(t.Context(), "n", "", nil)
		return err
	})
	if !errors.Is(err, kahuna.ErrReadOnly) {
		t.Errorf("a write in View: %v", err)
	}
}

// TestLeftTransaction: a caller that leaves in the middle of a call ends the
// transaction, and its locks are free.
func TestLeftTransaction(t *testing.T) {
	f := newFront(t)
	c := f.client(nil)
	ctx := t.Context()
	holder, err := c.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	left, err := c.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := left.Set(ctx, "other", "1", nil); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := left.Set(short, "k", "2", nil); !errors.Is(err, kahuna.ErrCanceled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that is left: %v", err)
	}
	if _, err := left.Set(ctx, "k", "2", nil); !errors.Is(err, kahuna.ErrCanceled) {
		t.Errorf("the call after it: %v", err)
	}
	// Its idle time is 10 s: this would wait for so long.
	if _, err := c.Run(ctx, "begin (timeout=5000) set other 2 commit end", nil, nil); err != nil {
		t.Errorf("a script on what it had locked: %v", err)
	}
	if err := holder.Commit(ctx); err != nil {
		t.Error(err)
	}
	left.Rollback()
}

// TestScriptsByHash: a program is sent once, then called by its hash, and sent
// again when the server has forgotten it.
func TestScriptsByHash(t *testing.T) {
	f := newFront(t)
	var whole, hashes atomic.Int64
	lose := func(r *http.Request) bool {
		if r.ContentLength > 2000 {
			whole.Add(1)
		} else {
			hashes.Add(1)
		}
		return false
	}
	f.lose.Store(&lose)
	c := f.client(nil)
	p, err := c.Compile("set n to_int(get n ?? 0) + 1 let pad = '" + strings.Repeat("x", 2000) + "' return get n")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if i == 3 {
			f.next()
		}
		res, err := p.Run(t.Context(), nil, nil)
		if err != nil || res.Text() != fmt.Sprint(i+1) {
			t.Errorf("call %d: %v, %v", i, res, err)
		}
	}
	if whole.Load() != 2 || hashes.Load() != 5 {
		t.Errorf("%d were sent whole, %d by hash", whole.Load(), hashes.Load())
	}
}

// TestUnknownOutcome: a server that was stopped while a script was committing
// says that the outcome is unknown; the script is sent again with its key.
func TestUnknownOutcome(t *testing.T) {
	_, db := serve(t, nil)
	h := rest.New(db, rest.Options{})
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 1 {
			h.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		p := restwire.NewProblem(string(kahuna.CodeOutcomeUnknown), "context canceled while committing", "")
		p.Outcome = "unknown"
		data, err := restwire.Encode(p)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set(restwire.CodeHeader, p.Code)
		w.WriteHeader(p.Status)
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	for _, o := range []*client.Options{nil, {NoIdempotencyKeys: true}} {
		calls.Store(0)
		c, err := client.Open(s.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Run(t.Context(), count, nil, nil)
		if o == nil && err != nil || o != nil && !errors.Is(err, kahuna.ErrOutcomeUnknown) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if e, _, err := db.Get(t.Context(), "n"); err != nil || e.Value != "2" {
		t.Errorf("n is %s, %v", e.Value, err)
	}
}

// TestLargeResults: a result that cannot be remembered for a key is sent without
// one, unless the key is the caller's.
func TestLargeResults(t *testing.T) {
	c, _ := serve(t, nil)
	const source = "set k 1 return repeat('x', 5000000)"
	p, err := c.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if res, err := p.Run(t.Context(), nil, nil); err != nil || len(res.Text()) != 5_000_000 {
			t.Errorf("got %v", err)
		}
	}
	if _, err := c.Run(t.Context(), source, nil, &kahuna.RunOptions{IdempotencyKey: "own"}); !errors.Is(err, kahuna.ErrLimit) {
		t.Errorf("with a key of the caller: %v", err)
	}
}

// TestDeadlines: a call is sent again as long as its context has time left, and
// not for longer than the options say.
func TestDeadlines(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, err := client.Open(gone.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, "k"); !errors.Is(err, kahuna.ErrRetry) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
