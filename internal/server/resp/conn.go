package resp

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"kahuna"
)

// conn is one connection. It belongs to its event loop; of its fields only
// woken, held and what a slot has are touched elsewhere.
type conn struct {
	server *Server
	g      gnet.Conn
	id     int64
	opened time.Time
	remote string
	local  string
	name   string
	closed bool

	parser parser
	in     []byte // what has come and was not run
	queue  []*slot
	first  int // of queue
	out    []byte
	// moved is a request that runs off the loop: the next waits for it.
	moved *slot
	// closing closes the connection when all answers are given.
	closing bool

	v3    bool
	space int
	multi *multi
	watch []watched

	woken atomic.Bool
	held  atomic.Int64 // bytes of answers that wait for those before them
}

// The states of a slot.
const (
	slotStarting int32 = iota // the loop has not returned from starting it
	slotWaiting
	slotDone
)

// slot is the place of one request's answer.
type slot struct {
	c     *conn
	state atomic.Int32
	w     writer
	reply func(w *writer, a *answer)
	// What the store calls, made once.
	onRun   func(*kahuna.Result, error)
	onGet   func(kahuna.Entry, bool, error)
	onWrite func(kahuna.WriteResult, error)
}

// answer is what the store answered, of which a part is set.
type answer struct {
	res   *kahuna.Result
	entry kahuna.Entry
	found bool
	write kahuna.WriteResult
	err   error
}

var slots = sync.Pool{New: func() any {
	s := new(slot)
	s.onRun = func(res *kahuna.Result, err error) { s.finish(&answer{res: res, err: err}) }
	s.onGet = func(e kahuna.Entry, found bool, err error) { s.finish(&answer{entry: e, found: found, err: err}) }
	s.onWrite = func(r kahuna.WriteResult, err error) { s.finish(&answer{write: r, err: err}) }
	return s
}}

// newSlot adds a slot to the end of the queue.
func (c *conn) newSlot(reply func(*writer, *answer)) *slot {
	s := slots.Get().(*slot)
	s.c, s.reply = c, reply
	s.state.Store(slotStarting)
	s.w.b, s.w.v3 = s.w.b[:0], c.v3
	c.queue = append(c.queue, s)
	return s
}

// finish encodes the answer, on any goroutine.
func (s *slot) finish(a *answer) {
	s.reply(&s.w, a)
	s.done()
}

// done tells the loop that s.w has the answer.
func (s *slot) done() {
	c := s.c
	c.held.Add(int64(len(s.w.b)))
	if s.state.Swap(slotDone) == slotWaiting {
		c.wake()
	}
}

// begun tells that starting s is over. ran says that the next request may be
// started.
func (c *conn) begun(s *slot, ran bool) {
	if !s.state.CompareAndSwap(slotStarting, slotWaiting) {
		return
	}
	if !ran {
		c.moved = s
	}
}

// wake has the loop call traffic.
func (c *conn) wake() {
	if c.woken.Swap(true) {
		return
	}
	s := c.server
	s.wakes.RLock()
	defer s.wakes.RUnlock()
	if !s.stopped {
		_ = c.g.Wake(nil) // fails when the loop has ended
	}
}

// traffic runs what has come, and writes the answers that are there.
func (c *conn) traffic(data []byte) gnet.Action {
	c.woken.Store(false)
	s := c.server
	c.drain()
	before := len(c.in)
	if before > 0 {
		c.in = append(c.in, data...)
		n := c.run(c.in)
		c.in = c.in[:copy(c.in, c.in[n:])]
	} else {
		n := c.run(data)
		c.in = append(c.in[:0], data[n:]...)
	}
	if len(c.in) == 0 && cap(c.in) > 64<<10 {
		c.in = nil
	}
	all := s.input.Add(int64(len(c.in) - before))
	c.drain()
	if !c.flush() {
		return gnet.Close
	}
	if len(c.in) > before && (int64(len(c.in)) > s.o.InputBytes || all > s.o.AllInputBytes) {
		s.o.Logger.Warn("redis: connection cut off: it sends faster than its requests can be run", "remote", c.remote,
			"waiting", len(c.in), "all", all, "moved", c.moved != nil)
		return gnet.Close
	}
	if (c.closing || s.draining.Load()) && c.first == len(c.queue) {
		return gnet.Close
	}
	return gnet.None
}

// run starts the requests in, as far as they may be started, and returns how
// much of it that was.
func (c *conn) run(in []byte) (n int) {
	s := c.server
	for !c.closing && !s.draining.Load() {
		if c.moved != nil || len(c.queue)-c.first >= s.o.Pipeline || c.held.Load() > s.o.OutputBytes/2 {
			break
		}
		args, used, err := c.parser.next(in[n:])
		if err != nil {
			s.o.Logger.Warn("redis: connection closed", "remote", c.remote, "error", err)
			c.answer(func(w *writer) { w.fail("ERR " + err.Error()) })
			c.closing = true
			return len(in)
		}
		if used == 0 {
			break
		}
		n += used
		if len(args) > 0 {
			s.requests.Add(1)
			c.exec(args)
		}
		c.drain()
		if len(c.out) > 256<<10 && !c.flush() {
			c.closing = true
		}
	}
	if c.closing || s.draining.Load() {
		return len(in)
	}
	return n
}

// answer gives an answer that is known at once.
func (c *conn) answer(f func(w *writer)) {
	if c.first == len(c.queue) {
		w := writer{c.out, c.v3}
		f(&w)
		c.out = w.b
		return
	}
	s := c.newSlot(nil)
	f(&s.w)
	s.done()
}

// drain moves the answers that are there, in their order, to the output.
func (c *conn) drain() {
	for c.first < len(c.queue) {
		s := c.queue[c.first]
		if s.state.Load() != slotDone {
			break
		}
		c.out = append(c.out, s.w.b...)
		c.held.Add(-int64(len(s.w.b)))
		c.queue[c.first] = nil
		c.first++
		if c.moved == s {
			c.moved = nil
		}
		if cap(s.w.b) > 16<<10 {
			s.w.b = nil
		}
		s.c, s.reply = nil, nil
		slots.Put(s)
	}
	if c.first == len(c.queue) {
		c.queue, c.first = c.queue[:0], 0
	} else if c.first > 64 && c.first > len(c.queue)/2 {
		n := copy(c.queue, c.queue[c.first:])
		clear(c.queue[n:])
		c.queue, c.first = c.queue[:n], 0
	}
}

// flush writes the output. It reports false when the other side does not read
// it, or is gone.
func (c *conn) flush() bool {
	if len(c.out) > 0 {
		_, err := c.g.Write(c.out)
		if cap(c.out) > 64<<10 {
			c.out = nil
		}
		c.out = c.out[:0]
		if err != nil {
			return false
		}
	}
	if n := c.g.OutboundBuffered(); int64(n) > c.server.o.OutputBytes {
		c.server.o.Logger.Warn("redis: connection cut off: it does not read its answers", "remote", c.remote, "waiting", n)
		return false
	}
	return true
}
