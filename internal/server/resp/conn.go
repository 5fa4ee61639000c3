package resp

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"kahuna"
)

// conn is one connection. It belongs to the event loop; of its fields only
// woken, held, flooded and what a slot has are touched elsewhere.
type conn struct {
	server *Server
	g      gnet.Conn
	loop   gnet.EventLoop
	id     int64
	remote string
	local  string
	closed bool

	parser parser
	in     []byte // what has come and was not run
	// waiting is its length and that of what MULTI has queued and WATCH watches,
	// as the server's input counts it.
	waiting int
	queue   []*slot
	first   int // of queue
	out     []byte
	// moved is a request that runs off the loop: the next waits for it.
	moved *slot
	// closing closes the connection when all answers are given; killed at once.
	closing, killed bool

	// The request that runs: its command, its arguments, and when it began.
	cmd   *command
	args  [][]byte
	begun time.Duration

	v3    bool
	space int
	multi *multi
	watch []watched
	// watchBytes are those of the keys in watch.
	watchBytes int
	about      about

	woken   atomic.Bool
	held    atomic.Int64 // bytes of answers that wait for those before them
	flooded atomic.Bool  // held is over the bound, so that answers were dropped
	output  outputWatch
	sender  *sender // nil while the socket takes all answers at once
	retry   *time.Timer

	// half tells that the client sends nothing more, so that gnet does not have the
	// socket any more, but sender has.
	half bool
	// leaving is set when everything is answered and written; the connection is
	// closed by the client, or at leaveAt.
	leaving *time.Timer
	leaveAt time.Duration

	// socket is that of a parked connection, which gnet does not have; returning
	// tells that it is on its way back.
	socket    *os.File
	returning bool
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
	a     answer
	reply func(w *writer, a *answer)
	cmd   *command
	begun time.Duration
	note  note // of the request, when it was not answered at once
	after func()
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
	s.onRun = func(res *kahuna.Result, err error) { s.a.res, s.a.err = res, err; s.finish() }
	s.onGet = func(e kahuna.Entry, found bool, err error) { s.a.entry, s.a.found, s.a.err = e, found, err; s.finish() }
	s.onWrite = func(r kahuna.WriteResult, err error) { s.a.write, s.a.err = r, err; s.finish() }
	return s
}}

// newSlot adds a slot for the request that runs to the end of the queue.
func (c *conn) newSlot(reply func(*writer, *answer)) *slot {
	s := slots.Get().(*slot)
	s.c, s.reply, s.cmd, s.begun = c, reply, c.cmd, c.begun
	s.state.Store(slotStarting)
	s.w.b, s.w.v3, s.w.code, s.w.stopped = s.w.b[:0], c.v3, "", nil
	c.queue = append(c.queue, s)
	return s
}

// free ends s, whose answer was taken.
func (s *slot) free() {
	if cap(s.w.b) > 16<<10 {
		s.w.b = nil
	}
	s.c, s.reply, s.cmd, s.after, s.note = nil, nil, nil, nil, s.note[:0]
	slots.Put(s)
}

// finish encodes the answer s.a, on any goroutine.
func (s *slot) finish() {
	if s.a.err != nil {
		s.a.err = s.c.server.cause(s.a.err)
	}
	s.reply(&s.w, &s.a)
	s.a = answer{}
	s.done()
}

// done tells the loop that s.w has the answer. Answers that would take too much
// memory until those before them are there are dropped, and the connection cut
// off.
func (s *slot) done() {
	c, n := s.c, int64(len(s.w.b))
	if held, all := c.held.Add(n), c.server.held.Add(n); held > c.server.o.OutputBytes ||
		all > c.server.o.AllOutputBytes && held > c.server.share(c.server.o.AllOutputBytes) {
		c.held.Add(-n)
		c.server.held.Add(-n)
		s.w.b = nil
		c.flooded.Store(true)
	}
	if s.state.Swap(slotDone) == slotWaiting {
		c.wake()
	}
}

// started tells that starting s is over. ran says that the next request may be
// started.
func (c *conn) started(s *slot, ran bool) {
	if s.state.Load() == slotDone {
		if !ran && s.after != nil {
			c.moved = s // what comes next is to see what it leaves behind
		}
		return
	}
	s.note = s.note.of(c.cmd, c.args)
	if s.state.CompareAndSwap(slotStarting, slotWaiting) && !ran {
		c.moved = s
	}
}

// traffic runs what has come, and writes the answers that are there.
func (c *conn) traffic(data []byte) gnet.Action {
	c.woken.Store(false)
	s := c.server
	s.tick()
	if c.leaving != nil {
		return c.leave()
	}
	if len(data) > 0 {
		c.about.active = s.now
	}
	c.borrow()
	c.drain()
	c.feed(data)
	grows := c.noteWaiting()
	c.drain()
	switch {
	case c.killed || !c.flush():
		return gnet.Close
	case grows && c.floods():
		return gnet.Close
	case c.ends():
		return c.leave()
	case c.tooEarly() && c.park():
		return gnet.Close
	}
	return gnet.None
}

// feed runs what has waited and data. The loop's scratch joins the two, so that a
// connection keeps memory for nothing but the rest.
func (c *conn) feed(data []byte) {
	s := c.server
	switch {
	case len(c.in) == 0:
		n := c.run(data)
		if n < len(data) {
			c.in = append(c.in, data[n:]...)
		}
	case len(c.in) <= scratchMost:
		s.scratch = append(append(s.scratch[:0], c.in...), data...)
		n := c.run(s.scratch)
		c.in = append(c.in[:0], s.scratch[n:]...)
	default:
		c.in = append(c.in, data...)
		n := c.run(c.in)
		c.in = c.in[:copy(c.in, c.in[n:])]
	}
	if len(c.in) == 0 && cap(c.in) > keepMost {
		c.in = nil
	}
}

const (
	scratchMost = 64 << 10 // of a rest that is copied to run it
	keepMost    = 1 << 10  // of a buffer that a connection keeps while it rests
)

// noteWaiting counts what waits to be run, and reports whether it is more than
// before.
func (c *conn) noteWaiting() bool {
	n := len(c.in) + c.watchBytes
	if c.multi != nil {
		n += c.multi.bytes
	}
	before := c.waiting
	c.waiting = n
	c.server.input.Add(int64(n - before))
	return n > before
}

// floods reports whether c has sent more than may wait to be run.
func (c *conn) floods() bool {
	s := c.server
	if n, all := int64(c.waiting), s.input.Load(); n > s.o.InputBytes || all > s.o.AllInputBytes && n > s.share(s.o.AllInputBytes) {
		s.o.Logger.Warn("redis: connection cut off: it sends faster than its requests can be run", "remote", c.remote,
			"waiting", n, "all", all, "moved", c.moved != nil)
		return true
	}
	return false
}

// run starts the requests in, as far as they may be started, and returns how
// much of it that was.
func (c *conn) run(in []byte) (n int) {
	s := c.server
	c.output.paused = false
	for !c.closing && !c.killed && !s.draining.Load() {
		if c.moved != nil || len(c.queue)-c.first >= s.o.Pipeline || c.output.full(c) {
			break
		}
		args, used, err := c.parser.next(in[n:])
		if err != nil {
			s.o.Logger.Warn("redis: connection closed", "remote", c.remote, "error", err)
			c.cmd, c.args, c.begun = nil, nil, s.now
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
			c.args, c.begun = args, s.now
			c.exec(args)
			c.drain()
			clear(args) // the parser's: what comes next may be short, and would keep the rest alive
			c.args = nil
		}
		if len(c.out) > flushBytes && c.sender == nil {
			if c.away() {
				break
			}
			c.killed = !c.flush()
			c.borrow()
		}
	}
	if c.closing || c.killed || s.draining.Load() {
		return len(in)
	}
	return n
}

// flushBytes is how much output is written while there are more requests to run.
const flushBytes = 256 << 10

// ends reports whether c is to end, since it runs nothing more, and everything is
// answered.
func (c *conn) ends() bool {
	return (c.closing || c.server.draining.Load()) && c.first == len(c.queue)
}

// answer gives an answer that is known at once.
func (c *conn) answer(f func(w *writer)) {
	if c.first == len(c.queue) {
		w := writer{b: c.out, v3: c.v3}
		f(&w)
		c.out = w.b
		c.server.tick()
		c.count(c.cmd, c.begun, w.code, nil)
		return
	}
	s := c.newSlot(nil)
	f(&s.w)
	s.done()
}

// drain moves the answers that are there, in their order, to the output.
func (c *conn) drain() {
	if c.first == len(c.queue) || c.queue[c.first].state.Load() != slotDone {
		return
	}
	c.server.tick()
	for c.first < len(c.queue) {
		s := c.queue[c.first]
		if s.state.Load() != slotDone {
			break
		}
		c.count(s.cmd, s.begun, s.w.code, s.note)
		c.out = append(c.out, s.w.b...)
		c.unhold(s)
		c.queue[c.first] = nil
		c.first++
		if c.moved == s {
			c.moved = nil
		}
		if s.after != nil {
			s.after()
		}
		s.free()
	}
	if c.first == len(c.queue) {
		c.queue, c.first = c.queue[:0], 0
		if cap(c.queue) > 128 {
			c.queue = nil
		}
	} else if c.first > 64 && c.first > len(c.queue)/2 {
		n := copy(c.queue, c.queue[c.first:])
		clear(c.queue[n:])
		c.queue, c.first = c.queue[:n], 0
	}
}

// unhold counts the answer of s no more.
func (c *conn) unhold(s *slot) {
	n := int64(len(s.w.b))
	c.held.Add(-n)
	c.server.held.Add(-n)
}

// forget drops the answers that are there of a connection that has ended.
func (c *conn) forget() {
	for ; c.first < len(c.queue) && c.queue[c.first].state.Load() == slotDone; c.first++ {
		c.unhold(c.queue[c.first])
		c.queue[c.first].free()
	}
}

// borrow takes the buffer for output that connections share, if c has none.
func (c *conn) borrow() {
	if c.out == nil {
		c.out, c.server.spareOut = c.server.spareOut[:0], nil
	}
}

// giveBack leaves the buffer, which is written, to the next connection.
func (c *conn) giveBack() {
	if n := cap(c.out); n > cap(c.server.spareOut) && n <= spareMost {
		c.server.spareOut = c.out[:0]
	}
	c.out = nil
}

const spareMost = 1 << 20

// flush writes the output. It reports false when the client does not read it, or
// is gone.
func (c *conn) flush() bool { return c.write() && c.output.check(c) }
