package resp

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

// fakeConn is the other side of a connection whose events a test makes.
type fakeConn struct {
	gnet.Conn
	ctx   any
	out   []byte
	sink  bool  // forgets what is written
	fail  error // of Write
	woken chan struct{}
}

func (f *fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (f *fakeConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (f *fakeConn) Context() any         { return f.ctx }
func (f *fakeConn) SetContext(ctx any)   { f.ctx = ctx }
func (f *fakeConn) Fd() int              { return -1 }

func (f *fakeConn) Write(p []byte) (int, error) {
	if f.fail != nil {
		return 0, f.fail
	}
	if !f.sink {
		f.out = append(f.out, p...)
	}
	return len(p), nil
}

func (f *fakeConn) EventLoop() gnet.EventLoop { return fakeLoop{f: f} }

// fakeLoop is the loop of a fakeConn: it notes that the connection was woken.
type fakeLoop struct {
	gnet.EventLoop
	f *fakeConn
}

func (l fakeLoop) Execute(context.Context, gnet.Runnable) error {
	select {
	case l.f.woken <- struct{}{}:
	default:
	}
	return nil
}

func open(s *Server) (*fakeConn, *conn) {
	s.writeNow = func(g gnet.Conn, b []byte) (int, error) { return g.Write(b) }
	f := &fakeConn{woken: make(chan struct{}, 1)}
	s.open.Add(1)
	s.OnOpen(f)
	return f, f.ctx.(*conn)
}

// BenchmarkTraffic is what the loop does for a request of a pipeline of 16.
func BenchmarkTraffic(b *testing.B) {
	s := New(openStore(b), Options{})
	f, c := open(s)
	f.sink = true
	c.traffic([]byte(request("SET", "k", "v")))
	c.traffic([]byte(request("SCRIPT", "LOAD", "return @arg1")))
	sum := sha([]byte("return @arg1"))
	for name, req := range map[string]string{
		"PING": request("PING"), "GET": request("GET", "k"), "EVALSHA": request("EVALSHA", sum, "2", "k", "l", "5"),
	} {
		in := []byte(strings.Repeat(req, 16))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; n < b.N; n += 16 {
				c.traffic(in)
			}
		})
	}
}
