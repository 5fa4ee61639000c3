package grpcapi

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// bounded is a listener with a bound on its connections. More are closed.
type bounded struct {
	net.Listener
	most   int64
	open   atomic.Int64
	logger *slog.Logger
	logged time.Time // used by Accept alone

	mu    sync.Mutex
	conns map[string]net.Conn // by the address of the other end
}

func newBounded(l net.Listener, most int, logger *slog.Logger) *bounded {
	return &bounded{Listener: l, most: int64(most), logger: logger, conns: map[string]net.Conn{}}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			b.mu.Lock()
			defer b.mu.Unlock()
			from := conn.RemoteAddr().String()
			b.conns[from] = conn
			return &counted{Conn: conn, free: sync.OnceFunc(func() { b.gone(from, conn) })}, nil
		}
		b.open.Add(-1)
		if now := time.Now(); now.Sub(b.logged) > time.Minute {
			b.logged = now
			b.logger.Warn("connections are refused", "protocol", "grpc", "open", b.most)
		}
		_ = conn.Close()
	}
}

// gone frees the place of a connection.
func (b *bounded) gone(from string, conn net.Conn) {
	b.open.Add(-1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[from] == conn { // the address may have been taken again
		delete(b.conns, from)
	}
}

// cut closes the connection from an address, if it is one of this listener.
func (b *bounded) cut(from string) {
	b.mu.Lock()
	conn := b.conns[from]
	b.mu.Unlock()
	if conn != nil {
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
