package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kahuna"
	"kahuna/internal/server/grpcapi"
	"kahuna/internal/server/rest"
	"kahuna/internal/server/wire"
)

// Front is one protocol on one address.
type Front interface {
	// Listen takes the address addr, whose port may be 0, and returns the one it
	// took.
	Listen(addr string) (net.Addr, error)
	// Serve answers requests until Shutdown or Close, and then returns nil.
	Serve() error
	// Shutdown takes no new work and returns when all work is answered. When ctx
	// ends before, it returns the error of ctx.
	Shutdown(ctx context.Context) error
	// Close ends everything at once. It may be called at any time, and twice.
	Close() error
}

// Options configure a Server. The zero value are the defaults.
type Options struct {
	// Logger gets what an operator should know; nil logs nothing.
	Logger *slog.Logger
	// Drain is how long running requests may take once the server is to end: 10 s.
	Drain time.Duration
	// Dir is where server.json is written; empty for nowhere.
	Dir string
	// Insecure allows other addresses than the loopback.
	Insecure bool
	// Connections bounds the connections of the fronts of HTTP, plain and over TLS,
	// together: 4096.
	Connections int
	// Patience is how long a client may take to send a body or read an answer:
	// 30 s.
	Patience time.Duration
	// Conflicts says what becomes of a call that meets a lock of an interactive
	// transaction.
	Conflicts wire.Policy
}

// stopping is how long a front may take to answer what was stopped.
const stopping = 2 * time.Second

// Server serves a store. Its methods but Run belong to one goroutine, before
// Run.
type Server struct {
	store    *kahuna.DB
	opts     Options
	metrics  *metrics
	fronts   []*mounted
	draining atomic.Bool
	places   *places      // of connections of HTTP
	web      http.Handler // of REST, health and metrics
	wire     *wire.Service
	grpc     *grpcapi.Server
	api      *rest.Handler
	storeErr func() error // why the store does not write, or nil
	// work is the context of all requests; stop ends it.
	work context.Context
	stop func()
}

// errStopping is why work ends: what it stops can be sent again.
var errStopping error = &kahuna.Error{Code: kahuna.CodeRetry, Retry: true, Message: "the server is shutting down"}

// mounted is a Front with its address.
type mounted struct {
	name, addr string
	front      Front
	taken      net.Addr
}

// New returns a server for store, without fronts.
func New(store *kahuna.DB, o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = 10 * time.Second
	}
	if o.Connections == 0 {
		o.Connections = 4096
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	s := &Server{store: store, opts: o, storeErr: store.Err, places: &places{most: int64(o.Connections), logger: o.Logger}}
	s.metrics = newMetrics(store, s.places)
	work, stop := context.WithCancelCause(context.Background())
	s.work, s.stop = work, func() { stop(errStopping) }
	s.wire = wire.New(store, wire.Options{Conflicts: o.Conflicts})
	s.grpc = grpcapi.New(s.wire, grpcapi.Options{Context: s.work, Logger: o.Logger, Observe: s.Observer("grpc"), Connections: o.Connections, Patience: o.Patience,
		Plain: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.web.ServeHTTP(w, r) })})
	s.web = s.newWeb()
	return s
}

// GRPC returns the front of gRPC over HTTP/2 without TLS.
func (s *Server) GRPC() Front { return s.grpc }

// RPC returns what answers the requests of gRPC, for TLS.
func (s *Server) RPC() http.Handler { return s.grpc.Handler() }

// Work returns the context of all requests. It ends when they have to be
// stopped; its cause is then an *kahuna.Error that says so.
func (s *Server) Work() context.Context { return s.work }

// Observer returns what counts the calls of a protocol for /metrics: their
// name, their result ("ok" or the code of the error), and how long they took.
// Names and results must be of a bounded set.
func (s *Server) Observer(protocol string) func(call, result string, took time.Duration) {
	return s.metrics.observer(protocol)
}

// Collect adds figures to /metrics.
func (s *Server) Collect(c prometheus.Collector) { s.metrics.registry.MustRegister(c) }

// Add adds a front on addr. An empty addr switches it off.
func (s *Server) Add(name, addr string, f Front) {
	if addr != "" {
		s.fronts = append(s.fronts, &mounted{name: name, addr: addr, front: f})
	}
}

// Run takes the addresses and serves until drain is closed or a front fails;
// then it drains. Once leave is closed it does not wait for anything. The error
// is that of a front, or of an address that cannot be taken.
func (s *Server) Run(drain, leave <-chan struct{}) error {
	defer s.wire.Close()
	defer s.stop()
	defer s.api.Close()
	if len(s.fronts) == 0 {
		return errors.New("every listener is switched off; give at least one an address, such as --http 127.0.0.1:2070")
	}
	if err := s.listen(); err != nil {
		s.close()
		return err
	}
	note, err := s.writeNote()
	if err != nil {
		s.close()
		return err
	}
	defer note.remove(s.opts.Logger)
	failed := make(chan error, len(s.fronts))
	var serving sync.WaitGroup
	for _, m := range s.fronts {
		serving.Go(func() {
			if err := m.front.Serve(); err != nil {
				failed <- fmt.Errorf("%s: %w", m.name, err)
			}
		})
	}
	s.opts.Logger.Info("ready")
	select {
	case err = <-failed:
	case <-drain:
	}
	s.drain(leave)
	serving.Wait()
	return err
}

// listen takes all addresses.
func (s *Server) listen() error {
	for _, m := range s.fronts {
		if !s.opts.Insecure {
			if err := checkLoopback(m.name, m.addr); err != nil {
				return err
			}
		}
		var err error
		if m.taken, err = m.front.Listen(m.addr); err != nil {
			return fmt.Errorf("--%s %s: %w; give another address, port 0 takes a free one", m.name, m.addr, err)
		}
		s.opts.Logger.Info("listening", "protocol", m.name, "address", m.taken.String())
	}
	return nil
}

// checkLoopback refuses addresses that other machines can reach.
func checkLoopback(name, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--%s %s: %w; write HOST:PORT", name, addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--%s %s: other machines could reach this address, and there are no passwords yet; "+
		"listen on 127.0.0.1, or give --insecure to allow it", name, addr)
}

// drain ends all fronts (SRV-1).
func (s *Server) drain(leave <-chan struct{}) {
	s.draining.Store(true)
	s.grpc.Drain() // or its streams do not end, wherever they are served
	s.opts.Logger.Info("draining", "for", s.opts.Drain.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Drain)
	defer cancel()
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		select {
		case <-leave:
			cancel()
			s.stop()
			s.close()
		case <-gone:
		}
	}()
	if s.shutdown(ctx) {
		return
	}
	select {
	case <-leave:
	default:
		s.opts.Logger.Warn("requests that still run are stopped")
		s.stop()
		ctx, cancel := context.WithTimeout(context.Background(), stopping)
		defer cancel()
		s.shutdown(ctx)
	}
	s.close()
}

// shutdown drains all fronts together, and reports whether they all did.
func (s *Server) shutdown(ctx context.Context) bool {
	var all sync.WaitGroup
	var late atomic.Bool
	for _, m := range s.fronts {
		all.Go(func() {
			if m.front.Shutdown(ctx) != nil {
				late.Store(true)
			}
		})
	}
	all.Wait()
	return !late.Load()
}

func (s *Server) close() {
	for _, m := range s.fronts {
		_ = m.front.Close()
	}
}
