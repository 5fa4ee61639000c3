package server

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// places bounds the connections of several listeners together.
type places struct {
	most          int64
	open, refused atomic.Int64
	logger        *slog.Logger
	logged        atomic.Int64 // Unix seconds
}

// bounded is a listener whose connections take places. A connection for which
// there is none gets refusal, and is closed.
type bounded struct {
	net.Listener
	places  *places
	refusal string
}

// refusal is the answer over HTTP to a connection for which there is no place.
func refusal() string {
	p := restwire.NewProblem(string(kahuna.CodeRetry), "there are too many connections", "close some, or raise --connections")
	p.Retry = true
	body, err := restwire.Encode(p)
	if err != nil {
		body = []byte("{}") // its texts are plain
	}
	return fmt.Sprintf("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n%s: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		restwire.CodeHeader, p.Code, restwire.ProblemType, len(body), body)
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if free := b.places.take(); free != nil {
			return &counted{conn, free}, nil
		}
		if b.refusal != "" {
			// It fits the buffer of the socket, so this does not wait.
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			_, _ = io.WriteString(conn, b.refusal)
		}
		_ = conn.Close()
	}
}

// take takes a place, and returns what frees it, nil when there is none.
func (p *places) take() (free func()) {
	if p.open.Add(1) <= p.most {
		return sync.OnceFunc(func() { p.open.Add(-1) })
	}
	p.open.Add(-1)
	p.refused.Add(1)
	now := time.Now().Unix()
	if last := p.logged.Load(); now-last >= 60 && p.logged.CompareAndSwap(last, now) {
		p.logger.Warn("connections are refused", "open", p.most)
	}
	return nil
}

// counted is a connection that frees its place when it is closed.
type counted struct {
	net.Conn
	free func()
}

func (c *counted) Close() error {
	defer c.free()
	return c.Conn.Close()
}
