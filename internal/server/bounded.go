package server

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// bounded is a listener with a bound on its connections. More are told so and
// closed.
type bounded struct {
	net.Listener
	most   int64
	open   atomic.Int64
	logger *slog.Logger
	logged time.Time // used by Accept alone
}

const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: text/plain\r\nContent-Length: 25\r\n\r\nthere are too many users\n"

func newBounded(l net.Listener, most int, logger *slog.Logger) *bounded {
	return &bounded{Listener: l, most: int64(most), logger: logger}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			return &counted{Conn: conn, free: sync.OnceFunc(func() { b.open.Add(-1) })}, nil
		}
		b.open.Add(-1)
		if now := time.Now(); now.Sub(b.logged) > time.Minute {
			b.logged = now
			b.logger.Warn("connections are refused", "open", b.most)
		}
		// It fits the buffer of the socket, so this does not wait.
		_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.WriteString(conn, refusal)
		_ = conn.Close()
	}
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
