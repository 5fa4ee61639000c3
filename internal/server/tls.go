package server

import (
	"net/http"
	"strings"
	"time"
)

// streamsMost bounds the requests of one HTTP/2 connection that are under way.
// Clients of gRPC open another connection when it is reached.
const streamsMost = 1000

// TLS returns a front for REST, health and metrics over TLS, HTTP/1.1 and
// HTTP/2, with the requests of gRPC handed to rpc, which may be nil.
//
// It answers every ping, and never with a GOAWAY: clients of gRPC send them
// while they are idle.
func (s *Server) TLS(c *Certificate, rpc http.Handler) Front {
	// A client of gRPC keeps its connection while it is idle.
	server := s.httpServer(s.withRPC(rpc), 10*time.Minute)
	server.TLSConfig = c.config()
	server.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: streamsMost,
		SendPingTimeout:      time.Minute, // finds connections that are half open
		PingTimeout:          15 * time.Second,
		WriteByteTimeout:     s.opts.Patience, // cuts off who does not read
	}
	return &httpFront{s: s, server: server, tls: true}
}

// withRPC returns the handler of REST, health and metrics that hands the
// requests of gRPC to rpc.
func (s *Server) withRPC(rpc http.Handler) http.Handler {
	if rpc == nil {
		return s.web
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isRPC(r) && (s.opts.Insecure || localHost(r.Host)) {
			rpc.ServeHTTP(w, r)
			return
		}
		s.web.ServeHTTP(w, r)
	})
}

// isRPC reports whether r is a request of gRPC.
func isRPC(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && r.ProtoMajor == 2 && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
