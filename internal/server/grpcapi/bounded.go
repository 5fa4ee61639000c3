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
}

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
			b.logger.Warn("connections are refused", "protocol", "grpc", "open", b.most)
		}
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
