package resp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"kahuna"
)

// large is a value of which a few are more than the network keeps.
var large = strings.Repeat("v", 1<<20)

const largeAnswers = 24

// unread has c ask for largeAnswers large answers, which it does not read, and
// then for what is in last. It returns when the server has run all of it.
func unread(t *testing.T, s *Server, c *rawClient, last string, requests int) {
	t.Helper()
	c.do("+OK\r\n", "SET", "large", large)
	before := s.requests.Load()
	c.send(strings.Repeat(request("GET", "large"), largeAnswers) + last)
	eventually(t, func() bool {
		return s.requests.Load() == before+int64(largeAnswers+requests) && s.output.Load() > 1<<20
	})
}

// expectLarge reads the large answers.
func (c *rawClient) expectLarge() {
	c.t.Helper()
	for range largeAnswers {
		c.expect("$1048576\r\n" + large + "\r\n")
	}
}

// TestAnsweredBeforeTheEnd: a connection that the server ends gets all answers,
// also those that the network did not take at once.
func TestAnsweredBeforeTheEnd(t *testing.T) {
	for _, test := range []struct {
		name, last, answer string
		requests           int
	}{
		{"QUIT", request("QUIT") + request("PING"), "+OK\r\n", 1},
		{"error", "*x\r\n" + strings.Repeat("garbage", 100_000), "-ERR Protocol error: invalid multibulk length\r\n", 0},
		{"drain", "", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, addr := serve(t, Options{})
			c := dial(t, addr)
			unread(t, s, c, test.last, test.requests)
			down := make(chan error, 1)
			if test.name == "drain" {
				go func() { down <- s.Shutdown(context.Background()) }()
				eventually(t, s.draining.Load)
			}
			c.expectLarge()
			if got := c.expectEnd(); got != test.answer {
				t.Errorf("got %.100q, want %q", got, test.answer)
			}
			c.Close()
			eventually(t, func() bool { return s.open.Load() == 0 && s.output.Load() == 0 })
			if test.name == "drain" {
				if err := <-down; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNotReadBeforeTheEnd: the end of a connection does not wait for ever for a
// client that does not read.
func TestNotReadBeforeTheEnd(t *testing.T) {
	for _, half := range []bool{false, true} {
		var log logged
		s, addr := serve(t, Options{Patience: 50 * time.Millisecond, Logger: log.logger()})
		c := dial(t, addr)
		if half {
			unread(t, s, c, "", 0)
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		} else {
			unread(t, s, c, request("QUIT"), 1)
		}
		eventually(t, func() bool { return s.open.Load() == 0 && s.output.Load() == 0 && s.held.Load() == 0 })
		if !strings.Contains(log.String(), "does not read its answers") {
			t.Errorf("log: %s", log.String())
		}
	}
}

// TestHalfClosed: a client that sends nothing more gets the answers to all that it
// has sent, as with printf … | nc.
func TestHalfClosed(t *testing.T) {
	s, addr := serve(t, Options{Pipeline: 16})
	for name, send := range map[string]struct{ in, out string }{
		"slow":     {request("EVAL", "sleep 50ms\nreturn 'slept'", "0") + strings.Repeat(request("PING"), 100), "$5\r\nslept\r\n" + strings.Repeat("+PONG\r\n", 100)},
		"writes":   {strings.Repeat(request("INCR", "n"), 100), ""},
		"cut":      {request("EVAL", "sleep 50ms\nreturn 'slept'", "0") + "*2\r\n$3\r\nGET\r\n", "$5\r\nslept\r\n"},
		"quit":     {request("EVAL", "sleep 50ms\nreturn 'slept'", "0") + request("QUIT") + request("PING"), "$5\r\nslept\r\n+OK\r\n"},
		"garbage":  {request("EVAL", "sleep 50ms\nreturn 'slept'", "0") + "*x\r\n", "$5\r\nslept\r\n-ERR Protocol error: invalid multibulk length\r\n"},
		"nothing":  {"", ""},
		"monitors": {request("MONITOR"), "+OK\r\n"},
	} {
		if name == "writes" {
			for i := range 100 {
				send.out += fmt.Sprintf(":%d\r\n", i+1)
			}
		}
		c := dial(t, addr)
		c.send(send.in)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := c.expectEnd(); got != send.out {
			t.Errorf("%s: got %q, want %q", name, got, send.out)
		}
	}
	eventually(t, func() bool { return s.open.Load() == 0 && s.input.Load() == 0 && s.held.Load() == 0 })
}

// TestHalfClosedLarge: the same with answers that the network does not take at
// once, and while the server drains.
func TestHalfClosedLarge(t *testing.T) {
	for _, drain := range []bool{false, true} {
		s, addr := serve(t, Options{})
		c := dial(t, addr)
		unread(t, s, c, request("EVAL", "sleep 50ms\nreturn 'slept'", "0"), 1)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if drain {
			go func() { _ = s.Shutdown(context.Background()) }()
			eventually(t, s.draining.Load)
		}
		c.expectLarge()
		if got := c.expectEnd(); got != "$5\r\nslept\r\n" {
			t.Errorf("got %q", got)
		}
		eventually(t, func() bool { return s.open.Load() == 0 && s.output.Load() == 0 })
	}
}

// TestHalfClosedKilled: a connection whose client sends nothing more can be
// killed, and ends with the server.
func TestHalfClosedKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, addr := serve(t, Options{Context: ctx})
	half := func() *rawClient {
		c := dial(t, addr)
		c.send(request("EVAL", "begin (timeout=100000)\nset k 1\nsleep 90s\ncommit\nend", "0"))
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	killer := dial(t, addr)
	listed := func() bool {
		killer.send(request("CLIENT", "LIST"))
		return strings.Contains(killer.answer(), "fd=-1")
	}
	c := half()
	eventually(t, listed)
	killer.send(request("CLIENT", "KILL", "TYPE", "normal"))
	if got := killer.answer(); got != ":1\r\n" {
		t.Errorf("got %q", got)
	}
	if got := c.expectEnd(); got != "" {
		t.Errorf("got %q", got)
	}
	c = half()
	eventually(t, listed)
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	c.expectEnd()
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d are open", n)
	}
}

// TestPausedAfterRest: a connection that has rested for longer than the server's
// patience is not cut off when its next requests have to wait for a reader.
func TestPausedAfterRest(t *testing.T) {
	s, addr := serve(t, Options{OutputBytes: 300 << 10, Patience: time.Minute})
	c := dial(t, addr)
	value := strings.Repeat("v", 160<<10)
	c.do("+OK\r\n", "SET", "k", value)
	c.server(s, func(c *conn) { c.output.since = -time.Hour })
	c.send(request("GET", "k") + request("GET", "k"))
	for range 2 {
		c.expect("$163840\r\n" + value + "\r\n")
	}
}

// server has f see the connection of c on the loop. c is the only one.
func (c *rawClient) server(s *Server, f func(*conn)) {
	c.t.Helper()
	done := make(chan struct{})
	_ = s.all()[0].loop.Execute(c.t.Context(), runnable(func() {
		f(s.all()[0])
		close(done)
	}))
	<-done
}

type runnable func()

func (r runnable) Run(context.Context) error { r(); return nil }

// TestStoppedByTheEnd: what the end of the server stops is answered as over the
// other protocols: it can be sent again.
func TestStoppedByTheEnd(t *testing.T) {
	for _, send := range []string{
		request("EVAL", "begin (timeout=100000)\nset k 1\nsleep 90s\ncommit\nend", "0"),
		request("MULTI") + request("EVAL", "set k 1\nsleep 90s", "0") + request("EXEC"),
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		db := openStore(t)
		s, addr := serveStore(t, db, Options{Context: ctx})
		c, probe := dial(t, addr), dial(t, addr)
		c.send(send)
		eventually(t, func() bool { // until k is locked
			probe.send(request("EVAL", "begin (timeout=1)\nset k 3\nrollback\nend", "0"))
			return strings.HasPrefix(probe.answer(), "-TIMEOUT")
		})
		probe.Close()
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(context.Background()) }()
		cancel(&kahuna.Error{Code: kahuna.CodeRetry, Retry: true, Message: "the server is shutting down"})
		got := c.expectEnd()
		if got = strings.TrimPrefix(got, "+OK\r\n+QUEUED\r\n"); got != "-RETRY the server is shutting down\r\n" {
			t.Errorf("got %q", got)
		}
		c.Close()
		if err := <-down; err != nil {
			t.Error(err)
		}
		if found, err := db.Exists(t.Context(), "k"); err != nil || found {
			t.Errorf("it took effect: %v, %v", found, err)
		}
	}
}
