package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kahuna/internal/server/rest"
)

// httpFront is the Front of HTTP: REST, health and metrics.
type httpFront struct {
	s        *Server
	server   *http.Server
	listener net.Listener
}

// HTTP returns the front for REST, health and metrics.
func (s *Server) HTTP() Front {
	api := rest.New(s.store, rest.Options{Patience: s.opts.Patience, Observe: s.Observer("rest")})
	metrics := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: s.opts.Patience})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.opts.Insecure && !localHost(r.Host) {
			http.Error(w, "this server answers to localhost and loopback addresses only, not to the name "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		switch r.URL.Path {
		case "/livez":
			s.health(w, true)
		case "/readyz":
			s.health(w, !s.draining.Load())
		case "/metrics":
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.Patience))
			metrics.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
	return &httpFront{s: s, server: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10, // a key of 32 KiB percent-encoded does not fit; one of the default limit does
		BaseContext:       func(net.Listener) context.Context { return s.work },
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}}
}

// localHost reports whether a Host header names this machine without a name
// service.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) health(w http.ResponseWriter, ok bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "draining\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

func (f *httpFront) Listen(addr string) (net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	f.listener = newBounded(l, f.s.opts.Connections, f.s.opts.Logger)
	return l.Addr(), nil
}

func (f *httpFront) Serve() error {
	if err := f.server.Serve(f.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (f *httpFront) Shutdown(ctx context.Context) error { return f.server.Shutdown(ctx) }

func (f *httpFront) Close() error {
	if f.listener != nil {
		_ = f.listener.Close() // it may not be served yet
	}
	return f.server.Close()
}
