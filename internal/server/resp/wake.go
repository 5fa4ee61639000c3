package resp

import (
	"context"
	"sync"

	"github.com/panjf2000/gnet/v2"
)

// wakeList has the connections that the loop goes on with. The answers of a batch
// become durable together: the loop is woken once for all of them.
type wakeList struct {
	mu     sync.Mutex
	conns  []*conn
	called bool // the loop is to come
	spare  []*conn
	loop   gnet.Runnable // what the loop does: Server.goOn
}

// add adds c and reports whether the loop has to be called.
func (l *wakeList) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	call := !l.called
	l.called = true
	return call
}

// take returns the connections, for the loop, and forgets them.
func (l *wakeList) take() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.conns
	l.conns, l.spare, l.called = l.spare, nil, false
	return list
}

// giveBack leaves the memory of a list that take has returned to the next one.
func (l *wakeList) giveBack(list []*conn) {
	clear(list)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = list[:0]
}

// wake has the loop go on with c.
func (c *conn) wake() {
	if c.woken.Swap(true) {
		return
	}
	s := c.server
	if !s.woken.add(c) {
		return
	}
	s.wakes.RLock()
	defer s.wakes.RUnlock()
	if !s.stopped {
		_ = c.loop.Execute(context.Background(), s.woken.loop) // fails when the loop has ended
	}
}

// goOn goes on with all connections that were woken.
func (s *Server) goOn(context.Context) error {
	list := s.woken.take()
	for _, c := range list {
		c.goOn()
	}
	s.woken.giveBack(list)
	return nil
}

// goOn goes on with c, which was woken.
func (c *conn) goOn() {
	switch {
	case c.closed:
		c.woken.Store(false)
		c.forget()
	case c.away():
		c.woken.Store(false)
		c.server.tick()
		c.drain()
		if c.half {
			c.finish()
		} else {
			c.resume()
		}
	case c.traffic(nil) == gnet.Close && !c.closed:
		_ = c.loop.Close(c.g) // what it reports are errors of the socket
	}
}
