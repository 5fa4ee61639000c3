package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// proxy is a Front that takes TLS off, and passes what it gets on to another
// front of the same server over the loopback. It is the way of a protocol whose
// event loop knows no TLS.
//
// A connection has a goroutine for each direction, with a buffer of pieceBytes.
// Whoever does not read what it is sent for the server's patience is cut off.
type proxy struct {
	s        *Server
	to       string // name of the other front
	config   *tls.Config
	listener net.Listener
	target   string

	mu     sync.Mutex // guards the rest
	conns  map[net.Conn]struct{}
	closed bool
	open   sync.WaitGroup
}

// pieceBytes is small, for most connections are idle.
const pieceBytes = 4 << 10

// Over returns a front that serves the front of that name, which was added
// before, over TLS.
func (s *Server) Over(c *Certificate, name string) Front {
	return &proxy{s: s, to: name, config: c.config(), conns: map[net.Conn]struct{}{}}
}

func (p *proxy) Listen(addr string) (net.Addr, error) {
	for _, m := range p.s.fronts {
		if m.name == p.to && m.taken != nil {
			p.target = m.taken.String()
		}
	}
	if p.target == "" {
		return nil, errors.New("it passes connections on to --" + p.to + ", which is switched off; give that an address, too, such as 127.0.0.1:0")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p.listener = &bounded{l, p.s.places, ""}
	return l.Addr(), nil
}

func (p *proxy) Serve() error {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			p.open.Wait()
			return nil
		}
		if err != nil {
			// Most likely there are no file descriptors left.
			p.s.opts.Logger.Warn("a connection cannot be taken", "error", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		p.open.Go(func() { p.pass(tls.Server(conn, p.config)) })
	}
}

// pass serves one connection.
func (p *proxy) pass(client *tls.Conn) {
	defer client.Close()
	if !p.add(client) {
		return
	}
	defer p.remove(client)
	ctx, cancel := context.WithTimeout(p.s.work, 10*time.Second)
	defer cancel()
	if err := client.HandshakeContext(ctx); err != nil {
		p.s.opts.Logger.Debug("no TLS", "remote", client.RemoteAddr().String(), "error", err)
		return
	}
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.target)
	if err != nil {
		p.s.opts.Logger.Warn("a connection cannot be passed on", "to", p.target, "error", err)
		return
	}
	defer server.Close()
	if !p.add(server) {
		return
	}
	defer p.remove(server)
	var up sync.WaitGroup
	up.Go(func() {
		p.copy(server, client)
		// The client asks nothing more, but reads on, maybe.
		_ = server.(*net.TCPConn).CloseWrite()
	})
	p.copy(client, server)
	// Closing a connection with unread input would reset it, and lose answers on
	// their way.
	_ = client.CloseWrite()
	_ = client.SetReadDeadline(time.Now().Add(proxyLinger))
	up.Wait()
	_, _ = io.Copy(io.Discard, client)
}

// proxyLinger is how long the client may take to end a connection that the server
// has ended.
const proxyLinger = time.Second

// copy copies until one side ends. A client that does not read is cut off; the
// server reads when it can.
func (p *proxy) copy(to, from net.Conn) {
	client, down := to.(*tls.Conn)
	b := make([]byte, pieceBytes)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if down {
				_ = client.SetWriteDeadline(time.Now().Add(p.s.opts.Patience))
			}
			_, werr := to.Write(b[:n])
			if down { // TLS writes of its own accord, too
				_ = client.SetWriteDeadline(time.Time{})
			}
			if werr != nil {
				var late net.Error
				if errors.As(werr, &late) && late.Timeout() {
					p.s.opts.Logger.Warn("connection cut off: it does not read what it is sent", "remote", to.RemoteAddr().String())
				}
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				p.s.opts.Logger.Debug("connection ended", "remote", from.RemoteAddr().String(), "error", err)
			}
			return
		}
	}
}

// add keeps conn for Close. It reports false when the front is closed.
func (p *proxy) add(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[conn] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) remove(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// Shutdown waits until the other front has ended the connections.
func (p *proxy) Shutdown(ctx context.Context) error {
	_ = p.listener.Close()
	ended := make(chan struct{})
	go func() {
		p.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *proxy) Close() error {
	if p.listener == nil {
		return nil
	}
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.mu.Unlock()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
