package grpcapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	pb "kahuna/internal/wirepb"
)

// plain answers a request of the plain REST face.
func (s *Server) plain(ctx context.Context, q *pb.PlainRequest) (a *pb.PlainResponse) {
	defer func() {
		if r := recover(); r != nil {
			s.opts.Logger.Error("a call failed", "call", "plain", "panic", r, "stack", string(debug.Stack()))
			a = &pb.PlainResponse{Status: http.StatusInternalServerError}
		}
	}()
	u, err := url.ParseRequestURI(q.GetPath())
	if err != nil || u.Host != "" {
		return &pb.PlainResponse{Status: http.StatusBadRequest}
	}
	r := &http.Request{Method: q.GetMethod(), URL: u, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Host: "localhost",
		Body: io.NopCloser(bytes.NewReader(q.GetBody())), ContentLength: int64(len(q.GetBody())), RequestURI: q.GetPath()}
	for _, h := range q.GetHeaders() {
		r.Header.Add(h.GetName(), h.GetValue())
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	s.opts.Plain.ServeHTTP(w, r.WithContext(ctx))
	a = &pb.PlainResponse{Status: int32(w.status), Body: w.body}
	for name, values := range w.header {
		if name == "Etag" || strings.HasPrefix(name, "Kahuna-") {
			for _, value := range values {
				a.Headers = append(a.Headers, &pb.PlainHeader{Name: name, Value: value})
			}
		}
	}
	return a
}

// recorder is an http.ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *recorder) Write(data []byte) (int, error) {
	w.wrote = true
	w.body = append(w.body, data...)
	return len(data), nil
}
