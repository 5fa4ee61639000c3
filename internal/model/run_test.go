package model

import (
	"errors"
	"testing"
	"time"

	"kahuna/script"
	"kahuna/spec"
)

func TestRunner(t *testing.T) {
	r := NewRunner()
	run := func(source string) spec.Response { return r.Run(t.Context(), spec.Request{Source: source}) }
	res := run("set k 'v' ex 1000; return get k")
	if res.Err != nil || res.Result.Text() != "v" || res.Result.Outcome != script.Applied {
		t.Fatalf("%+v", res)
	}
	e := res.Result.First()
	if e.Expires != r.Now()+1000 || e.Modified.Millis() != r.Now() {
		t.Errorf("an own row in a result is not stamped: %+v at %d", e, r.Now())
	}
	if err := r.Wait(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if res := run("exists k"); res.Err != nil || res.Result.Type != script.TypeDoesNotExist {
		t.Errorf("not expired: %+v", res)
	}
	before := r.Now()
	res = run("begin (timeout=500, autoCommit=true) set k 1 sleep 400 sleep 400 end")
	var e2 *script.Error
	if !errors.As(res.Err, &e2) || e2.Code != script.CodeTimeout || e2.Line != 0 || e2.Outcome != script.NotApplied {
		t.Errorf("time-out: %+v", res)
	}
	if passed := r.Now() - before; passed != 501 {
		t.Errorf("a time-out of 500 ms took %d", passed)
	}
	if rows := r.Store.Live(r.Now()); len(rows) != 0 {
		t.Errorf("rows of a script that timed out: %+v", rows)
	}
}
