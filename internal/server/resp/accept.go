package resp

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// gnet has no listener: one of its own ends its loop when there is no file
// descriptor for a connection, and takes connections faster than the loop can count
// them. A goroutine takes them from a listener of package net, and gives them to the
// loop.

// enrolling bounds the connections that are on their way to the loop. Each has two
// file descriptors.
const enrolling = 64

// arrival is the context of a connection on its way to the loop.
type arrival struct{ opened bool }

// Listen listens on a TCP address and serves until Shutdown or Close. It returns
// the address, whose port was picked when addr has port 0. It is called once.
func (s *Server) Listen(addr string) (net.Addr, error) {
	if s.invalid != nil {
		return nil, s.invalid
	}
	config := net.ListenConfig{KeepAlive: 5 * time.Minute}
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	loop, err := gnet.NewClient(s, gnet.WithNumEventLoop(1), gnet.WithLogger(gnetLogger{s.o.Logger}), gnet.WithLogLevel(logging.WarnLevel))
	if err == nil {
		err = loop.Start()
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	s.listener, s.loop = l, loop
	s.accepting.Go(func() { s.accept(l) })
	close(s.booted)
	return l.Addr(), nil
}

// accept takes connections until l is closed.
func (s *Server) accept(l net.Listener) {
	places := make(chan struct{}, enrolling)
	var failed, full time.Time // when it was logged
	for {
		n, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // most likely there is no file descriptor
			if seldom(&failed) {
				s.o.Logger.Warn("redis: a connection cannot be taken", "error", err)
			}
			time.Sleep(acceptPause)
		case s.draining.Load():
			refuse(n, drainRefusal)
		case s.open.Load() >= int64(s.o.Connections):
			if seldom(&full) {
				s.o.Logger.Warn("redis: connections are refused", "remote", n.RemoteAddr().String(), "connections", s.o.Connections)
			}
			refuse(n, "-ERR max number of clients reached\r\n")
		default:
			s.open.Add(1)
			places <- struct{}{}
			s.accepting.Go(func() {
				s.enroll(n)
				<-places
			})
		}
	}
}

const (
	// acceptPause is how long accept rests after a failure.
	acceptPause  = 10 * time.Millisecond
	drainRefusal = "-RETRY the server is shutting down\r\n"
)

// enroll gives n to the loop, which calls OnOpen.
func (s *Server) enroll(n net.Conn) {
	var a arrival
	if _, err := s.loop.EnrollContext(n, &a); err != nil {
		s.o.Logger.Warn("redis: connection lost", "remote", n.RemoteAddr().String(), "error", err)
	}
	if !a.opened {
		s.open.Add(-1)
	}
}

// refuse tells n why it is closed.
func refuse(n net.Conn, why string) {
	// It fits the buffer of the socket, so this does not wait.
	_ = n.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = io.WriteString(n, why)
	_ = n.Close()
}

// seldom reports whether last was more than a minute ago, and makes it now.
func seldom(last *time.Time) bool {
	now := time.Now()
	if now.Sub(*last) < time.Minute {
		return false
	}
	*last = now
	return true
}
