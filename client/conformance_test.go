package client_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
	"kahuna/examples"
	"kahuna/internal/answer"
	"kahuna/internal/server/rest"
	"kahuna/spec"
)

// serve serves a store in memory and returns a client of it.
func serve(t testing.TB, o *client.Options) (*client.Client, *kahuna.DB) {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(rest.New(db, rest.Options{}))
	c, err := client.Open(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, db
}

// runner runs the conformance suite through the client.
type runner struct{ c *client.Client }

func (r runner) Run(ctx context.Context, req spec.Request) spec.Response {
	res, err := r.c.Run(ctx, req.Source, req.Params, &kahuna.RunOptions{IdempotencyKey: req.IdempotencyKey})
	return spec.Response{Result: answer.Result(res), Err: err}
}

func (r runner) Wait(ctx context.Context, d time.Duration) error { return spec.WaitReal(ctx, d) }

func TestConformance(t *testing.T) {
	for name, o := range map[string]*client.Options{"keys": nil, "no keys": {NoIdempotencyKeys: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.RunAll(t, func(t *testing.T) spec.Runner {
				c, _ := serve(t, o)
				return runner{c}
			})
		})
	}
}

// TestRecipes runs the scripts of package examples through the client.
func TestRecipes(t *testing.T) {
	t.Parallel()
	cases, err := examples.Cases()
	if err != nil {
		t.Fatal(err)
	}
	spec.Run(t, cases, func(t *testing.T) spec.Runner {
		c, _ := serve(t, nil)
		return runner{c}
	})
}
