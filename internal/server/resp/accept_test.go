package resp

import (
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// failing is a listener whose first Accepts fail.
type failing struct {
	net.Listener
	left atomic.Int64
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// TestAcceptFails: a server that has no file descriptor for a connection takes the
// next ones.
func TestAcceptFails(t *testing.T) {
	var log logged
	s, addr := serve(t, Options{Logger: log.logger()})
	before := dial(t, addr)
	before.do("+PONG\r\n", "PING")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: l}
	f.left.Store(3)
	s.accepting.Go(func() { s.accept(f) })
	defer l.Close()
	dial(t, l.Addr().String()).do("+PONG\r\n", "PING")
	before.do("+PONG\r\n", "PING")
	if n := strings.Count(log.String(), "a connection cannot be taken"); n != 1 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("log: %s", log.String())
	}
}

// TestPlaces: never more connections are open than there may be, and each that
// ends makes place for another one.
func TestPlaces(t *testing.T) {
	s, addr := serve(t, Options{Connections: 20})
	for range 5 {
		var all []*rawClient
		taken := 0
		for range 40 {
			all = append(all, dial(t, addr))
		}
		for _, c := range all {
			if _, err := c.Write([]byte("PING\r\n")); err != nil {
				continue // it was refused
			}
			if line, _ := c.r.ReadString('\n'); line == "+PONG\r\n" {
				taken++
			}
		}
		if n := s.open.Load(); taken != 20 || n != 20 {
			t.Errorf("%d connections are served, %d are open", taken, n)
		}
		for _, c := range all {
			c.Close()
		}
		eventually(t, func() bool { return s.open.Load() == 0 })
	}
}

// TestSameAddress: a server does not share the address of another one, not for a
// moment.
func TestSameAddress(t *testing.T) {
	_, addr := serve(t, Options{})
	second := New(openStore(t), Options{})
	if _, err := second.Listen(addr); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	for range 10 { // with both, some would go to the second
		dial(t, addr).do("+PONG\r\n", "PING")
	}
}

// TestWithoutSender: a slow reader for which there is no sender gets its answers,
// too.
func TestWithoutSender(t *testing.T) {
	s, addr := serve(t, Options{Connections: 7, OutputBytes: 256 << 20, AllOutputBytes: 1 << 30})
	var all []*rawClient
	for range 4 {
		c := dial(t, addr)
		unread(t, s, c, request("ECHO", "last"), 1)
		all = append(all, c)
	}
	onLoop(t, s, func() {
		if s.duplicates != 1 || s.retrying != 3 {
			t.Errorf("%d senders, %d connections that write again", s.duplicates, s.retrying)
		}
	})
	for _, c := range all {
		c.expectLarge()
		c.expect("$4\r\nlast\r\n")
	}
	for _, c := range all {
		c.do("+PONG\r\n", "PING")
	}
	onLoop(t, s, func() {
		if s.duplicates != 0 || s.retrying != 0 {
			t.Errorf("%d senders, %d connections that write again", s.duplicates, s.retrying)
		}
	})
}

// onLoop runs f on the loop of s.
func onLoop(t *testing.T, s *Server, f func()) {
	t.Helper()
	done := make(chan struct{})
	err := s.all()[0].loop.Execute(t.Context(), runnable(func() {
		f()
		close(done)
	}))
	if err != nil {
		t.Fatal(err)
	}
	<-done
}
