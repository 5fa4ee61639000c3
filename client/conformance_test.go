package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
	"kahuna/examples"
	"kahuna/internal/answer"
	"kahuna/internal/server/grpcapi"
	"kahuna/internal/server/rest"
	"kahuna/internal/server/wire"
	"kahuna/spec"
)

// serve serves a store in memory over HTTP and returns a client of it.
func serve(t testing.TB, o *client.Options) (*client.Client, *kahuna.DB) {
	t.Helper()
	return overHTTP.serve(t, o)
}

// protocol is a way to serve a store, at the URL that it returns.
type protocol func(t testing.TB, db *kahuna.DB) (url string)

var (
	overHTTP protocol = func(t testing.TB, db *kahuna.DB) string {
		s := httptest.NewServer(rest.New(db, rest.Options{}))
		t.Cleanup(s.Close)
		return s.URL
	}
	overGRPC protocol = func(t testing.TB, db *kahuna.DB) string {
		return startGRPC(t, db, "127.0.0.1:0").url
	}
	protocols = map[string]protocol{"http": overHTTP, "grpc": overGRPC}
)

// serve serves a store in memory and returns a client of it.
func (p protocol) serve(t testing.TB, o *client.Options) (*client.Client, *kahuna.DB) {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.Open(p(t, db), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, db
}

// grpcFront serves a store over gRPC.
type grpcFront struct {
	url, addr string
	t         testing.TB
	stop      context.CancelFunc
	service   *wire.Service
	api       *rest.Handler
	server    *grpcapi.Server
	served    chan error
	once      sync.Once
}

func startGRPC(t testing.TB, db *kahuna.DB, addr string) *grpcFront {
	t.Helper()
	f := &grpcFront{t: t, service: wire.New(db, wire.Options{}), served: make(chan error, 1)}
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	f.api = rest.New(db, rest.Options{Context: ctx})
	mux := http.NewServeMux()
	mux.Handle("/", f.api)
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	f.server = grpcapi.New(f.service, grpcapi.Options{Context: ctx, Plain: mux})
	taken, err := f.server.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = taken.String()
	f.url = "grpc://" + f.addr
	go func() { f.served <- f.server.Serve() }()
	t.Cleanup(f.close)
	return f
}

// close ends the server at once.
func (f *grpcFront) close() {
	f.once.Do(func() {
		f.stop()
		_ = f.server.Close()
		if err := <-f.served; err != nil {
			f.t.Error(err)
		}
		f.api.Close()
		f.service.Close()
	})
}

// runner runs the conformance suite through the client.
type runner struct{ c *client.Client }

func (r runner) Run(ctx context.Context, req spec.Request) spec.Response {
	res, err := r.c.Run(ctx, req.Source, req.Params, &kahuna.RunOptions{IdempotencyKey: req.IdempotencyKey})
	return spec.Response{Result: answer.Result(res), Err: err}
}

func (r runner) Wait(ctx context.Context, d time.Duration) error { return spec.WaitReal(ctx, d) }

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    protocol
		o    *client.Options
	}{{"http, no keys", overHTTP, &client.Options{NoIdempotencyKeys: true}}, {"grpc", overGRPC, nil}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec.RunAll(t, func(t *testing.T) spec.Runner {
				c, _ := tt.p.serve(t, tt.o)
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
	for name, p := range protocols {
		t.Run(name, func(t *testing.T) {
			spec.Run(t, cases, func(t *testing.T) spec.Runner {
				c, _ := p.serve(t, nil)
				return runner{c}
			})
		})
	}
}
