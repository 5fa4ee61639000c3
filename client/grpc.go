package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"kahuna"
	"kahuna/internal/wirepb"
)

// overGRPC is the transport to servers at grpc and grpcs addresses.
type overGRPC struct {
	opts *Options
	mu   sync.Mutex
	// links has Options.Connections links to every server that was asked.
	links  map[string][]*link
	closed bool
	turn   atomic.Uint32
}

func newOverGRPC(o *Options) *overGRPC { return &overGRPC{opts: o, links: map[string][]*link{}} }

// link returns the next link to the server at base.
func (g *overGRPC) link(base string) *link {
	g.mu.Lock()
	defer g.mu.Unlock()
	links := g.links[base]
	if links == nil {
		for range max(g.opts.Connections, 1) {
			links = append(links, &link{g: g, base: base, closed: g.closed})
		}
		g.links[base] = links
	}
	return links[int(g.turn.Add(1))%len(links)]
}

func (g *overGRPC) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, links := range g.links {
		for _, l := range links {
			l.close()
		}
	}
}

// requestMost bounds a request: a server that gets a larger message ends the
// stream.
const requestMost = 60 << 20 // bytes

// once implements transport.
func (g *overGRPC) once(ctx context.Context, base string, r *request, t *tries) (*answer, error) {
	q, err := messageOf(r)
	if err != nil {
		return nil, err
	}
	if size := proto.Size(q); size > requestMost {
		return nil, &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeLimit, Message: fmt.Sprintf("the request has %d bytes, more than %d", size, requestMost)}
	}
	a, err := g.link(base).ask(ctx, q)
	if err != nil {
		var broken *brokenError
		switch {
		case errors.As(err, &broken):
			t.lost = t.lost || broken.lost
			return nil, unreached{r.noAnswer(base, broken.why)}
		case ctx.Err() != nil:
			t.lost = t.lost || !errors.Is(err, errNotSent)
			return nil, r.canceled(ctx)
		}
		return nil, err
	}
	return r.answerOf(base, a, t)
}

// brokenError is the error of a call whose stream has ended. lost says that the
// call may have taken effect.
type brokenError struct {
	why  error
	lost bool
}

func (e *brokenError) Error() string { return e.why.Error() }

// link is a place for one stream to one server, which is opened when it is used
// and is not there.
type link struct {
	g    *overGRPC
	base string

	mu      sync.Mutex
	open    *stream  // nil when there is none
	opening *opening // nil when nobody opens one
	calls   int
	closed  bool
}

// opening is a stream that is being opened, for all who wait for it.
type opening struct {
	done   chan struct{}
	stream *stream
	err    error
}

// ask makes a call.
func (l *link) ask(ctx context.Context, q *wirepb.BatchClientKeyValueRequest) (*wirepb.BatchClientKeyValueResponse, error) {
	l.mu.Lock()
	l.calls++
	l.mu.Unlock()
	defer l.left()
	s, err := l.stream(ctx)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, q)
}

// left ends a call. The last one of a link that is closed ends its stream.
func (l *link) left() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls--
	l.end()
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.end()
}

// end ends the stream when the link is closed and no call uses it. Held: mu.
func (l *link) end() {
	if l.closed && l.calls == 0 && l.open != nil {
		l.open.stop()
	}
}

// stream returns the stream of the link, and opens it when there is none.
func (l *link) stream(ctx context.Context) (*stream, error) {
	l.mu.Lock()
	if s := l.open; s != nil && s.alive() {
		l.mu.Unlock()
		return s, nil
	}
	o := l.opening
	if o == nil {
		o = &opening{done: make(chan struct{})}
		l.opening = o
		go l.reopen(o)
	}
	l.mu.Unlock()
	select {
	case <-o.done:
		if o.err != nil {
			return nil, &brokenError{why: o.err}
		}
		return o.stream, nil
	case <-ctx.Done():
		return nil, errNotSent
	}
}

// reopen opens a stream in the place of one that has ended.
func (l *link) reopen(o *opening) {
	o.stream, o.err = l.g.open(l.base)
	l.mu.Lock()
	l.opening, l.open = nil, o.stream
	l.end() // all callers may have left
	l.mu.Unlock()
	close(o.done)
}

// The settings of connections.
const (
	pingAfter = 20 * time.Second // of silence
	pingWait  = 10 * time.Second
	// The windows of flow control of a stream and of a connection.
	streamWindow = 4 << 20
	connWindow   = 8 << 20
)

// open connects to the server at base and opens a stream, which takes at most
// dialWait. No request is sent before the headers of the server are there: until
// then gRPC would send it again by itself.
func (g *overGRPC) open(base string) (*stream, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	secure := u.Scheme == "grpcs"
	port := "2072"
	if secure {
		port = "2071"
	}
	why := &connectError{}
	var creds credentials.TransportCredentials = insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(g.opts.TLS)
	}
	dialer := &net.Dialer{Timeout: dialWait, KeepAlive: 15 * time.Second}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)),
		grpc.WithTransportCredentials(&notedHandshake{creds, why}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, "tcp", addr)
			why.note(err)
			return c, err
		}),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithDisableHealthCheck(),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingWait}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerMost), grpc.MaxCallSendMsgSize(answerMost)))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), wirepb.PackHeader, "1"))
	timer := time.AfterFunc(dialWait, cancel)
	st, err := wirepb.NewKeyValuerClient(conn).BatchClientKeyValueRequests(ctx)
	var header metadata.MD
	if err == nil {
		header, err = st.Header()
	}
	if !timer.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		_ = conn.Close()
		return nil, why.or(err)
	}
	s := newStream(st, len(header.Get(wirepb.PackHeader)) > 0, cmp.Or(max(g.opts.InFlight, 0), 1024), func() {
		cancel()
		_ = conn.Close()
	})
	return s, nil
}

// connectError is why a connection could not be made, which the status of gRPC
// has as a text only.
type connectError struct {
	mu  sync.Mutex
	err error
}

func (e *connectError) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.err = err
	}
}

func (e *connectError) or(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.err, err)
}

// notedHandshake notes why a handshake fails.
type notedHandshake struct {
	credentials.TransportCredentials
	why *connectError
}

func (n *notedHandshake) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := n.TransportCredentials.ClientHandshake(ctx, authority, conn)
	n.why.note(err)
	return c, info, err
}

func (n *notedHandshake) Clone() credentials.TransportCredentials {
	return &notedHandshake{n.TransportCredentials.Clone(), n.why}
}

// plainOf returns r as a message, when there is none of its own for it.
func plainOf(r *request) *wirepb.BatchClientKeyValueRequest {
	p := &wirepb.PlainRequest{Method: r.method, Path: r.path, Body: r.body}
	for name, values := range r.header {
		for _, value := range values {
			p.Headers = append(p.Headers, &wirepb.PlainHeader{Name: name, Value: value})
		}
	}
	if r.mediaType != "" {
		p.Headers = append(p.Headers, &wirepb.PlainHeader{Name: "Content-Type", Value: r.mediaType})
	}
	return &wirepb.BatchClientKeyValueRequest{Type: wirepb.KvBatchType_KV_BATCH_TYPE_PLAIN, Payload: &wirepb.BatchClientKeyValueRequest_Plain{Plain: p}}
}

// answerOf reads the answer to r.
func (r *request) answerOf(base string, a *wirepb.BatchClientKeyValueResponse, t *tries) (*answer, error) {
	switch p := a.Payload.(type) {
	case *wirepb.BatchClientKeyValueResponse_TryExecuteTransactionScript:
		if r.script != nil {
			if err := scriptErrorOf(p.TryExecuteTransactionScript); err != nil {
				return nil, err
			}
			return &answer{base: base, script: p.TryExecuteTransactionScript}, nil
		}
	case *wirepb.BatchClientKeyValueResponse_TryGetKeyValue:
		if r.space != nil {
			entry, err := entryOf(r.key, p.TryGetKeyValue)
			return &answer{base: base, entry: entry}, err
		}
	case *wirepb.BatchClientKeyValueResponse_Plain:
		header := http.Header{}
		for _, h := range p.Plain.GetHeaders() {
			header.Add(h.GetName(), h.GetValue())
		}
		return r.read(&answer{base: base, status: int(p.Plain.GetStatus()), header: header, body: p.Plain.GetBody()}, t)
	}
	if a.Payload == nil && a.Type == wirepb.KvBatchType_KV_BATCH_TYPE_PLAIN {
		return nil, &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeBadRequest, Message: base + " answers as another server than kahuna-server does"}
	}
	t.lost = true
	return nil, r.unreadable(errors.New("it has another form than the request"))
}

// sizeOf is the size of a request within a pack, about.
func sizeOf(q *wirepb.BatchClientKeyValueRequest) int { return proto.Size(q) + 16 }

// reservedPrefix begins keys that the messages of the original system do not read.
const reservedPrefix = "__kahuna:"

func readable(key string) bool { return validKey(key) && !strings.HasPrefix(key, reservedPrefix) }
