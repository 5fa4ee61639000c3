package kahuna

import (
	"context"
	"testing"
	"time"

	"kahuna/script"
	"kahuna/spec"
)

// runner runs the conformance suite on an embedded store.
type runner struct{ db *DB }

func (r runner) Run(ctx context.Context, req spec.Request) spec.Response {
	return response(r.db.Run(ctx, req.Source, req.Params, &RunOptions{IdempotencyKey: req.IdempotencyKey}))
}

// response is the answer of a store as the suite judges it.
func response(res *Result, err error) spec.Response {
	if err != nil {
		return spec.Response{Err: err}
	}
	r := &script.Result{Type: script.Type(res.Type), Outcome: script.Outcome(res.Outcome), Op: script.Op(res.Op), List: res.List, Elapsed: res.Elapsed}
	for _, e := range res.Entries {
		r.Entries = append(r.Entries, script.Entry{Key: e.Key, Value: e.Value, HasValue: e.Kind != KindNull, Kind: script.Kind(e.Kind),
			Revision: e.Revision, Expires: unixMs(e.Expires), Modified: script.Timestamp(unixMs(e.Modified) << 20)})
	}
	for _, w := range res.Warnings {
		r.Warnings = append(r.Warnings, script.Warning(w))
	}
	return spec.Response{Result: r}
}

// unixMs returns t in Unix milliseconds, 0 for the zero Time.
func unixMs(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// asyncRunner runs it through the calls that do not wait.
type asyncRunner struct{ runner }

func (r asyncRunner) Run(ctx context.Context, req spec.Request) spec.Response {
	p, err := r.db.Compile(req.Source)
	if err != nil {
		return spec.Response{Err: err}
	}
	answers := make(chan spec.Response, 1)
	r.db.Async().Run(ctx, p, req.Params, &RunOptions{IdempotencyKey: req.IdempotencyKey}, func(res *Result, err error) {
		answers <- response(res, err)
	})
	return <-answers
}

func (r runner) Wait(ctx context.Context, d time.Duration) error { return spec.WaitReal(ctx, d) }

// suites are the ways an embedded store runs scripts. The answer is the same.
var suites = []struct {
	name string
	open func(t *testing.T) *DB
}{
	{"memory", func(t *testing.T) *DB { return openTest(t, "", nil) }},
	{"memory slow path", func(t *testing.T) *DB { return openTest(t, "", &Options{forceSlow: true}) }},
	{"disk", func(t *testing.T) *DB { return openTest(t, t.TempDir(), nil) }},
	{"disk slow path", func(t *testing.T) *DB { return openTest(t, t.TempDir(), &Options{forceSlow: true}) }},
}

// openTest opens a store, in memory when dir is empty, and closes it with the
// test.
func openTest(t testing.TB, dir string, o *Options) *DB {
	t.Helper()
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.segment = 256 << 10 // many stores: small files
	if opts.Limits.Timeout == 0 {
		opts.Limits.Timeout = 2 * time.Minute // the machine may be busy
	}
	var db *DB
	var err error
	if dir == "" {
		db, err = OpenMemory(&opts)
	} else {
		db, err = Open(dir, &opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestConformance(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			t.Parallel()
			spec.RunAll(t, func(t *testing.T) spec.Runner {
				r := runner{suite.open(t)}
				if suite.name == "disk slow path" { // which takes every way of a started script
					return asyncRunner{r}
				}
				return r
			})
		})
	}
}
