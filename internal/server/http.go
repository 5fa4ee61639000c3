package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kahuna/internal/restwire"
	"kahuna/internal/server/origrest"
	"kahuna/internal/server/rest"
)

// httpFront is a Front of HTTP, plain or over TLS.
type httpFront struct {
	s        *Server
	server   *http.Server
	listener net.Listener
	refusal  string // what a connection gets for which there is no place
	tls      bool
}

// HTTP returns a front for REST, health and metrics.
func (s *Server) HTTP() Front {
	return &httpFront{s: s, server: s.httpServer(s.web, 2*time.Minute), refusal: refusal()}
}

// httpServer returns a server of HTTP that answers with h.
func (s *Server) httpServer(h http.Handler, idle time.Duration) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       idle,
		MaxHeaderBytes:    64 << 10, // a key of 32 KiB percent-encoded does not fit; one of the default limit does
		BaseContext:       func(net.Listener) context.Context { return s.work },
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
}

// newWeb returns the handler of REST, health and metrics.
func (s *Server) newWeb() http.Handler {
	s.api = rest.New(s.store, rest.Options{Patience: s.opts.Patience, Context: s.work, Observe: s.Observer("rest")})
	original := origrest.New(s.wire, origrest.Options{Patience: s.opts.Patience, Logger: s.opts.Logger, Observe: s.Observer("original-rest")})
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kahuna_http_transactions",
		Help: "Interactive transactions over REST that are open."}, func() float64 { return float64(s.api.Transactions()) }))
	metrics := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: s.opts.Patience})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.metrics.underWay.Inc()
		defer s.metrics.underWay.Dec()
		control := http.NewResponseController(w)
		// The deadline of the last answer on the connection is no longer of use.
		_ = control.SetWriteDeadline(time.Time{})
		if !s.opts.Insecure && !localHost(r.Host) {
			problem(w, restwire.NewProblem(restwire.CodeHost, "this server answers to localhost and loopback addresses only, not to the name "+strconv.Quote(r.Host),
				"name it http://127.0.0.1, or start it with --insecure"))
			return
		}
		switch r.URL.Path {
		case "/livez":
			health(w, nil)
		case "/readyz":
			health(w, s.unready())
		case "/metrics":
			_ = control.SetWriteDeadline(time.Now().Add(s.opts.Patience))
			metrics.ServeHTTP(w, r)
		default:
			if origrest.Serves(r.URL.Path) && !rest.FromOtherSite(r) {
				original.ServeHTTP(w, r)
				return
			}
			s.api.ServeHTTP(w, r)
		}
	})
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

// unready returns why the server should get no requests, or nil.
func (s *Server) unready() error {
	if s.draining.Load() {
		return errStopping
	}
	return s.storeErr()
}

// health answers a probe.
func health(w http.ResponseWriter, err error) {
	if err != nil {
		p := restwire.ProblemOf(err)
		p.Status = http.StatusServiceUnavailable // whatever the cause
		problem(w, p)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// problem answers with a problem document.
func problem(w http.ResponseWriter, p *restwire.Problem) {
	data, err := restwire.Encode(p)
	if err != nil {
		data = []byte("{}") // its texts are plain
	}
	w.Header().Set("Content-Type", restwire.ProblemType)
	w.Header().Set(restwire.CodeHeader, p.Code)
	w.WriteHeader(p.Status)
	_, _ = w.Write(data)
}

func (f *httpFront) Listen(addr string) (net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	f.listener = &bounded{l, f.s.places, f.refusal}
	return l.Addr(), nil
}

func (f *httpFront) Serve() error {
	var err error
	if f.tls {
		err = f.server.ServeTLS(f.listener, "", "")
	} else {
		err = f.server.Serve(f.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (f *httpFront) Shutdown(ctx context.Context) error { return f.server.Shutdown(ctx) }

func (f *httpFront) Close() error {
	err := f.server.Close()
	if f.listener != nil {
		_ = f.listener.Close() // it may not be served yet
	}
	return err
}
