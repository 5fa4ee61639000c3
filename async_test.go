package kahuna

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"
)

// mustCompile compiles a script of a test.
func mustCompile(t testing.TB, db *DB, source string) Program {
	t.Helper()
	p, err := db.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type startedResult struct {
	res *Result
	err error
}

// TestAsyncOrder: calls of one goroutine that have run take effect in their
// order, before any of them is answered.
func TestAsyncOrder(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		db := openTest(t, dir, nil)
		p := mustCompile(t, db, "let n = to_int(get n) + 1\nset n n\nreturn n")
		const calls = 500
		answers := make(chan startedResult, calls)
		got := make([]int64, 0, calls)
		for range calls {
			if !db.Async().Run(context.Background(), p, nil, nil, func(res *Result, err error) { answers <- startedResult{res, err} }) {
				a := <-answers // it moved: it has to be waited for
				n, err := a.res.Int()
				if a.err != nil || err != nil {
					t.Fatal(a.err, err)
				}
				got = append(got, n)
			}
		}
		for len(got) < calls {
			a := <-answers
			if a.err != nil {
				t.Fatal(a.err)
			}
			n, err := a.res.Int()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		for i, n := range got {
			if n != int64(i+1) {
				t.Fatalf("answer %d is %d", i, n)
			}
		}
	}
}

// TestAsyncPointCalls: the calls on keys answer as those of the DB do.
func TestAsyncPointCalls(t *testing.T) {
	db := openTest(t, t.TempDir(), nil)
	ctx := context.Background()
	for name, a := range map[string]Async{"persistent": db.Async(), "ephemeral": db.Async().Ephemeral()} {
		t.Run(name, func(t *testing.T) {
			set := func(value string, o *SetOptions) WriteResult {
				c := make(chan WriteResult, 1)
				a.Set(ctx, "k", value, o, func(r WriteResult, err error) {
					if err != nil {
						t.Error(err)
					}
					c <- r
				})
				return <-c
			}
			get := func() (Entry, bool) {
				type answer struct {
					e     Entry
					found bool
				}
				c := make(chan answer, 1)
				a.Get(ctx, "k", func(e Entry, found bool, err error) {
					if err != nil {
						t.Error(err)
					}
					c <- answer{e, found}
				})
				r := <-c
				return r.e, r.found
			}
			if _, found := get(); found {
				t.Error("found before it was set")
			}
			if r := set("1", nil); !r.Done || r.Revision != 0 || r.Time.IsZero() {
				t.Errorf("set: %+v", r)
			}
			if r := set("2", &SetOptions{NX: true}); r.Done {
				t.Errorf("set nx: %+v", r)
			}
			if e, found := get(); !found || e.Value != "1" || e.Key != "k" {
				t.Errorf("get: %+v %v", e, found)
			}
			c := make(chan WriteResult, 1)
			written := func(r WriteResult, err error) {
				if err != nil {
					t.Error(err)
				}
				c <- r
			}
			a.Extend(ctx, "k", time.Hour, written)
			if r := <-c; !r.Done {
				t.Errorf("extend: %+v", r)
			}
			if e, _ := get(); e.Expires.IsZero() {
				t.Error("extended, but does not end")
			}
			a.Delete(ctx, "k", written)
			if r := <-c; !r.Done {
				t.Errorf("delete: %+v", r)
			}
			a.Delete(ctx, "k", written)
			if r := <-c; r.Done {
				t.Errorf("delete again: %+v", r)
			}
			errs := make(chan error, 3)
			a.Get(ctx, "", func(_ Entry, _ bool, err error) { errs <- err })
			a.Set(ctx, "k", "v", &SetOptions{NX: true, XX: true}, func(_ WriteResult, err error) { errs <- err })
			a.Extend(ctx, "k", -1, func(_ WriteResult, err error) { errs <- err })
			for i, want := range []error{ErrBadKey, ErrBadRequest, ErrBadRequest} {
				if err := <-errs; !errors.Is(err, want) {
					t.Errorf("error %d: %v", i, err)
				}
			}
		})
	}
}

// TestAsyncErrors: what Run returns as an error, Async gives to done.
func TestAsyncErrors(t *testing.T) {
	db, other := openTest(t, "", nil), openTest(t, "", nil)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		name   string
		ctx    context.Context
		p      Program
		params Params
		o      *RunOptions
		want   error
	}{
		{"throw", context.Background(), mustCompile(t, db, `throw "no", "code"`), nil, nil, ErrThrow},
		{"other store", context.Background(), mustCompile(t, other, `return 1`), nil, nil, ErrBadRequest},
		{"parameter", context.Background(), mustCompile(t, db, `return @a`), nil, nil, &Error{Code: CodeMissingParameter}},
		{"canceled", ended, mustCompile(t, db, `return 1`), nil, nil, ErrCanceled},
		{"canceled, idempotent", ended, mustCompile(t, db, `set a 1`), nil, &RunOptions{IdempotencyKey: "k"}, ErrCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := make(chan startedResult, 1)
			db.Async().Run(test.ctx, test.p, test.params, test.o, func(res *Result, err error) { c <- startedResult{res, err} })
			if a := <-c; a.res != nil || !errors.Is(a.err, test.want) {
				t.Errorf("got %v, %v", a.res, a.err)
			}
		})
	}
}

// TestAsyncMoves: a script that sleeps moves to a goroutine of its own; the
// caller's context ends its wait, and Close does.
func TestAsyncMoves(t *testing.T) {
	db, err := OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := mustCompile(t, db, "begin (timeout=\"300000\")\nsleep 200s\nset a 1\ncommit\nend")
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan error, 1)
	done := func(_ *Result, err error) { c <- err }
	if db.Async().Run(ctx, p, nil, nil, done) {
		t.Error("a script that sleeps has run at once")
	}
	cancel()
	if err := <-c; !errors.Is(err, ErrCanceled) {
		t.Errorf("canceled: %v", err)
	}
	db.Async().Run(context.Background(), p, nil, nil, done)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := <-c; !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	db.Async().Run(context.Background(), p, nil, nil, done)
	if err := <-c; !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestAsyncClose: each call that was started before Close or beside it is
// answered once, and what was acknowledged is there afterwards.
func TestAsyncClose(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := mustCompile(t, db, "set @key 1")
	const calls = 2000
	acknowledged := make(chan string, calls)
	begun, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for i := range calls {
			if i == calls/2 {
				close(begun)
			}
			key := "k" + strconv.Itoa(i)
			db.Async().Run(context.Background(), p, Params{"key": key}, nil, func(_ *Result, err error) {
				if err != nil {
					key = ""
				}
				acknowledged <- key
			})
		}
	}()
	<-begun
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	<-over
	var keys []string
	for range calls {
		if key := <-acknowledged; key != "" {
			keys = append(keys, key)
		}
	}
	db = openTest(t, dir, nil)
	for _, key := range keys {
		if found, err := db.Exists(context.Background(), key); err != nil || !found {
			t.Fatalf("%s was acknowledged: %v %v", key, found, err)
		}
	}
	if len(keys) < calls/2 {
		t.Errorf("%d calls were acknowledged", len(keys))
	}
}
