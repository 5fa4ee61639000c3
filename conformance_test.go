package kahuna

import (
	"context"
	"testing"
	"time"

	"kahuna/spec"
)

// runner runs the conformance suite on an embedded store.
type runner struct{ db *DB }

func (r runner) Run(ctx context.Context, req spec.Request) spec.Response {
	var opts []RunOption
	if req.IdempotencyKey != "" {
		opts = append(opts, WithIdempotencyKey(req.IdempotencyKey))
	}
	res, err := r.db.Run(ctx, req.Source, req.Params, opts...)
	return spec.Response{Result: res, Err: err}
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
	if opts.Limits.TimeoutMs == 0 {
		opts.Limits.TimeoutMs = 120_000 // the machine may be busy
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
			spec.RunAll(t, func(t *testing.T) spec.Runner { return runner{suite.open(t)} })
		})
	}
}
