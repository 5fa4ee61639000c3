package grpcapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"kahuna/internal/server/wire"
	"kahuna/internal/wirepb"
)

// Options configure a Server. The zero value are the defaults.
type Options struct {
	// Context ends what has to be stopped; nil is one that does not end.
	Context context.Context
	// Logger gets what an operator should know; nil logs nothing.
	Logger *slog.Logger
	// Observe, when not nil, is told of every call that was answered: its name, its
	// result, and how long it took.
	Observe func(call, result string, took time.Duration)
	// Connections bounds those of the listener: 4096.
	Connections int
	// RequestBytes bounds one message: 64 MiB.
	RequestBytes int
	// InFlight and InFlightBytes bound the requests of one stream that are under
	// way: 4096, and 64 MiB. More are not read until some are answered.
	InFlight      int
	InFlightBytes int64
	// Patience is how long the client of a batch stream may take to read an answer:
	// 30 s. Then it is cut off.
	Patience time.Duration
	// Plain, when not nil, answers the requests of the plain REST face that come in
	// a batch stream.
	Plain http.Handler
}

// Streams is how many calls one connection may have open. An http.Server in front
// of Handler should allow as many (http.HTTP2Config.MaxConcurrentStreams).
const Streams = 1000

// Server is the gRPC front end. It implements server.Front. Its methods may be
// called from any goroutine.
type Server struct {
	opts     Options
	service  *wire.Service
	grpc     *grpc.Server
	listener *bounded      // nil before Listen
	draining chan struct{} // closed by Drain
	drain    sync.Once
	streams  sync.WaitGroup // readers of batch streams
}

// New returns a server of a service that does not listen yet.
func New(service *wire.Service, o Options) *Server {
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	if o.Connections == 0 {
		o.Connections = 4096
	}
	if o.RequestBytes == 0 {
		o.RequestBytes = 64 << 20
	}
	if o.InFlight == 0 {
		o.InFlight = 4096
	}
	if o.InFlightBytes == 0 {
		o.InFlightBytes = 64 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	s := &Server{opts: o, service: service, draining: make(chan struct{})}
	s.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(o.RequestBytes),
		grpc.MaxConcurrentStreams(Streams),
		grpc.WaitForHandlers(true),
		// Clients ping while they are idle, and in bursts to measure the way; to
		// answer with GOAWAY would end all their calls.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Millisecond, PermitWithoutStream: true}),
		// A connection whose other end has gone is noticed.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	)
	wirepb.RegisterKeyValuerServer(s.grpc, &keyValuer{s: s})
	wirepb.RegisterLockerServer(s.grpc, &locker{s: s})
	wirepb.RegisterSequencerServer(s.grpc, &sequencer{s: s})
	wirepb.RegisterClusterServer(s.grpc, &cluster{s: s})
	wirepb.RegisterBackupsServer(s.grpc, &backups{})
	reflection.Register(s.grpc) // v1 and v1alpha
	return s
}

// Handler answers requests of content type application/grpc over HTTP/2, for a
// port that serves HTTP too. The server in front of it must not limit pings or
// the time of a request; before it shuts down it is to call Drain, or batch
// streams never end.
func (s *Server) Handler() http.Handler { return s.grpc }

// Drain makes batch streams end when what is under way is answered, and refuses
// new ones.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

// Listen takes the address addr for HTTP/2 without TLS.
func (s *Server) Listen(addr string) (net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s.listener = newBounded(l, s.opts.Connections, s.opts.Logger)
	return l.Addr(), nil
}

// Serve answers until Shutdown or Close, and then returns nil.
func (s *Server) Serve() error {
	if err := s.grpc.Serve(s.listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Shutdown takes no new work and returns when all work is answered. When ctx ends
// before, it returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
		s.streams.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.Drain()
	s.grpc.Stop()
	if s.listener != nil {
		_ = s.listener.Close() // it may not be served yet
	}
	s.streams.Wait()
	return nil
}
