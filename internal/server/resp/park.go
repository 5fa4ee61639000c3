package resp

import (
	"context"
	"net"

	"github.com/panjf2000/gnet/v2"
)

// gnet reads a socket as long as something comes. A connection whose requests
// wait, for a slow script or for the disk, is therefore parked when it goes on
// sending: its socket is taken from gnet, so that the network makes the sender
// wait, and given back when the requests were run.
//
// A connection that does not read its answers is not parked, and may send
// InputBytes.

// parkPart is the part of Options.InputBytes that has to wait to be run until a
// connection is parked; at a quarter of that, its socket is given back.
const parkPart = 16

// tooEarly reports whether c should send nothing more for now.
func (c *conn) tooEarly() bool {
	return len(c.in) > int(c.server.o.InputBytes)/parkPart && (c.moved != nil || len(c.queue)-c.first >= c.server.o.Pipeline) &&
		!c.away() && c.unsent() == 0
}

// away reports whether gnet does not have the socket of c: then c.g is of no use.
func (c *conn) away() bool { return c.socket != nil || c.returning || c.half }

// park takes the socket from gnet. It reports whether gnet's connection is to be
// closed.
func (c *conn) park() bool {
	socket, err := duplicate(c.g)
	if err != nil {
		c.server.o.Logger.Debug("redis: connection not parked", "error", err)
		return false
	}
	c.socket = socket
	c.server.parked.Add(1)
	return true
}

// unpark gives the socket to gnet again, which calls OnOpen.
func (c *conn) unpark() error {
	socket := c.socket
	c.socket, c.returning = nil, true
	defer socket.Close()
	c.server.parked.Add(-1)
	n, err := net.FileConn(socket)
	if err != nil {
		return err
	}
	if n.RemoteAddr() == nil { // the client has reset it; gnet takes no such connection
		_ = n.Close()
		return net.ErrClosed
	}
	registered, err := c.loop.Enroll(gnet.NewContext(context.Background(), c), n)
	if err != nil {
		_ = n.Close()
		return err
	}
	go func() {
		if r := <-registered; r.Err != nil || r.Conn == nil {
			_ = c.loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
				c.server.end(c)
				return nil
			}))
		}
	}()
	return nil
}

// resume goes on with a connection that is parked, or whose socket is on its way
// back, when some of its requests were answered.
func (c *conn) resume() {
	s := c.server
	n := c.run(c.in)
	c.in = c.in[:copy(c.in, c.in[n:])]
	c.noteWaiting()
	c.drain()
	if c.returning {
		return
	}
	switch {
	case c.killed || c.flooded.Load():
		s.end(c)
	case len(c.in) <= int(s.o.InputBytes)/parkPart/4, len(c.out) > 0 && c.moved == nil, c.ends():
		if err := c.unpark(); err != nil {
			s.o.Logger.Warn("redis: connection lost", "remote", c.remote, "error", err)
			s.end(c)
		}
	}
}

// returned goes on with a connection whose socket gnet has again.
func (c *conn) returned(g gnet.Conn) gnet.Action {
	c.g, c.returning = g, false
	c.g.SetContext(c)
	return c.traffic(nil)
}
