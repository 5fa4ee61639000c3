package resp

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// sender writes the answers that a socket does not take at once, from a goroutine
// of its own and on a duplicate of the socket. A connection has one as long as its
// client reads too slowly.
//
// gnet could keep such answers too, but it drops what it keeps when it closes the
// connection, and it closes it as soon as the client has sent its last byte.
type sender struct {
	c    *conn
	file *os.File
	busy atomic.Bool
	left atomic.Int64 // bytes that are not written yet
	err  error        // of the last write; read when not busy
}

const (
	// pieceBytes is how much a sender writes in one call, and so how exactly a
	// slow reader is watched.
	pieceBytes = 64 << 10
	// stepBytes is how much a sender writes before it wakes the loop.
	stepBytes = 1 << 20
)

// write writes b, which belongs to the sender from now on. It must not be busy.
func (s *sender) write(b []byte) {
	s.left.Store(int64(len(b)))
	s.busy.Store(true)
	s.c.server.senders.Go(func() {
		var err error
		for told := 0; len(b) > 0 && err == nil; {
			var n int
			n, err = s.file.Write(b[:min(len(b), pieceBytes)])
			b = b[n:]
			s.left.Add(-int64(n))
			if told += n; told >= stepBytes {
				told = 0
				s.c.wake()
			}
		}
		s.err = err
		s.busy.Store(false)
		s.c.wake()
	})
}

// write writes the output: at once what the socket takes, the rest by a sender.
// It reports false when the connection is broken.
func (c *conn) write() bool {
	s := c.sender
	switch {
	case s != nil && s.busy.Load():
		if len(c.out) == 0 {
			c.giveBack()
		}
		return true
	case s != nil && s.err != nil:
		return false
	case s != nil && c.half:
		if len(c.out) > 0 {
			s.write(c.out)
			c.out = nil
		}
		return true
	case s != nil:
		c.endSender()
	}
	if len(c.out) == 0 {
		c.giveBack()
		return true
	}
	n, err := c.server.writeNow(c.g, c.out)
	if err != nil {
		return false
	}
	if n == len(c.out) {
		c.endRetry()
		c.giveBack()
		return true
	}
	if c.out = c.out[n:]; !c.newSender() {
		c.writeLater()
		return true
	}
	c.endRetry()
	c.sender.write(c.out)
	c.out = nil
	return true
}

// writeLater has the loop write again to a socket that is full and for which there
// is no sender. The more there are, the longer each waits, so that the loop writes
// 10,000 times a second at most.
func (c *conn) writeLater() {
	s := c.server
	after := max(5*time.Millisecond, time.Duration(s.retrying)*100*time.Microsecond)
	if c.retry != nil {
		c.retry.Reset(after)
		return
	}
	c.retry = time.AfterFunc(after, c.wake)
	s.retrying++
}

func (c *conn) endRetry() {
	if c.retry != nil {
		c.retry.Stop()
		c.retry = nil
		c.server.retrying--
	}
}

// newSender gives c a sender that is not busy. It reports false when there are as
// many as there may be, or no file descriptor is free.
func (c *conn) newSender() bool {
	s := c.server
	if s.duplicates >= s.o.Connections/8+1 {
		return false
	}
	file, err := duplicate(c.g)
	if err != nil {
		s.o.Logger.Debug("redis: no sender", "remote", c.remote, "error", err)
		return false
	}
	c.sender = &sender{c: c, file: file}
	s.duplicates++
	return true
}

// endSender ends the sender of c, if there is one.
func (c *conn) endSender() {
	if c.sender != nil {
		_ = c.sender.file.Close()
		c.sender = nil
		c.server.duplicates--
	}
}

// unsent is how many bytes of answers wait for the socket.
func (c *conn) unsent() int64 {
	n := int64(len(c.out))
	if c.sender != nil {
		n += c.sender.left.Load()
	}
	return n
}

// halfClose keeps a connection whose client sends nothing more, but waits for
// answers. It reports false when there are none to come. gnet still has the
// socket, for the last time.
func (c *conn) halfClose() bool {
	if c.killed || c.leaving != nil || c.first == len(c.queue) && c.unsent() == 0 {
		return false
	}
	if c.sender == nil && !c.newSender() {
		c.server.o.Logger.Warn("redis: connection cut off: it is half closed, and there is no file descriptor for its answers", "remote", c.remote)
		return false
	}
	c.half = true
	c.wake()
	return true
}

// finish goes on with a half-closed connection. It ends when all requests that
// came whole are answered, and the answers are written.
func (c *conn) finish() {
	n := c.run(c.in)
	c.in = c.in[:copy(c.in, c.in[n:])]
	c.noteWaiting()
	c.drain()
	if c.killed || !c.flush() || c.first == len(c.queue) && c.unsent() == 0 {
		c.server.end(c)
	}
}

// lingerMost is how long a connection that the server ends is read on, so that
// the network does not drop the last answers for the sake of unread requests.
const lingerMost = time.Second

// leave ends a connection whose requests are answered: once the answers are
// written, the client is told that there are no more; when it closes the
// connection, or after lingerMost, the connection is closed.
func (c *conn) leave() gnet.Action {
	switch {
	case c.unsent() > 0:
		return gnet.None
	case c.leaving == nil:
		if closeWrite(c.g) != nil {
			return gnet.Close
		}
		c.leaveAt = c.server.now + lingerMost
		c.leaving = time.AfterFunc(lingerMost, c.wake)
		return gnet.None
	case c.server.now < c.leaveAt:
		return gnet.None
	}
	return gnet.Close
}
