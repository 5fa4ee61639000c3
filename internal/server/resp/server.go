package resp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"kahuna"
)

// Options say how a Server works. A field that is 0 has its default.
type Options struct {
	// Limits are those of the store.
	Limits kahuna.Limits
	// Connections bounds how many there are at once: 10,000. Together they have up to
	// DescriptorsOf(Connections) file descriptors.
	Connections int
	// Arguments bounds those of one request: 65,536.
	Arguments int
	// Pipeline bounds the requests of a connection that wait for their answers:
	// 4096. More are read when answers have been given.
	Pipeline int
	// InputBytes bounds what a connection has sent that could not be run yet: 64
	// MiB, or two of the longest requests. AllInputBytes bounds it for all connections
	// together: 256 MiB, or four such. Who exceeds them is cut off.
	InputBytes, AllInputBytes int64
	// OutputBytes bounds the answers that a connection does not read: 64 MiB, or
	// two of the longest requests. AllOutputBytes bounds them for all connections
	// together: 256 MiB, or four such. A reader that is slower is cut off.
	OutputBytes, AllOutputBytes int64
	// Patience is how long a connection may read nothing while half of its bound
	// waits: 30 s. It is cut off then.
	Patience time.Duration
	// Scripts and ScriptBytes bound what EVAL and SCRIPT LOAD keep for EVALSHA:
	// 10,000, and 64 MiB. The ones not used for the longest time go.
	Scripts     int
	ScriptBytes int
	// Context ends what has to be stopped: transactions, and commands that read
	// many keys. Its cause, when it is a *kahuna.Error, is what they answer. nil is
	// one that does not end.
	Context context.Context
	// Logger gets what an operator should know; nil logs nothing.
	Logger *slog.Logger
}

// DescriptorsOf returns how many file descriptors that many connections have at
// most: some have two.
func DescriptorsOf(connections int) int { return connections + connections/8 + 1 + enrolling }

// slackBytes is what a request may have beside one value.
const slackBytes = 1 << 20

func (o Options) withDefaults() Options {
	if o.Limits.ValueBytes == 0 {
		o.Limits.ValueBytes = kahuna.DefaultLimits().ValueBytes
	}
	request := int64(o.Limits.ValueBytes + slackBytes)
	def(&o.Connections, 10_000)
	def(&o.Arguments, 1<<16)
	def(&o.Pipeline, 4096)
	def(&o.InputBytes, max(64<<20, 2*request))
	def(&o.AllInputBytes, max(256<<20, 4*request))
	def(&o.OutputBytes, max(64<<20, 2*request))
	def(&o.AllOutputBytes, max(256<<20, 4*request))
	def(&o.Patience, 30*time.Second)
	def(&o.Scripts, 10_000)
	def(&o.ScriptBytes, 64<<20)
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func def[T ~int | ~int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Server serves one store. Its methods may be called from any goroutine.
type Server struct {
	gnet.BuiltinEventEngine
	db      *kahuna.DB
	spaces  [2]kahuna.Async // persistent, ephemeral
	o       Options
	bounds  bounds
	scripts *scripts
	own     *ownPrograms
	invalid error // why Listen fails
	cursors cursors
	started time.Time

	listener  net.Listener
	loop      *gnet.Client   // has no connections of its own; set, as listener, before booted is closed
	accepting sync.WaitGroup // who takes connections and gives them to the loop
	booted    chan struct{}
	ended     chan struct{}

	input    atomic.Int64 // bytes of all connections that wait to be run
	output   atomic.Int64 // bytes of answers that they have not read, as far as noted
	held     atomic.Int64 // bytes of answers that wait for those before them
	open     atomic.Int64 // connections
	parked   atomic.Int64 // of them
	requests atomic.Int64
	tallies  [familyCount]tally

	// Of the loop: the time since started, which it reads once for all that it
	// finds answered, and what CLIENT, MONITOR and SLOWLOG know.
	now      time.Duration
	lastID   int64
	monitors []*conn
	// duplicates counts the senders, each of which has a file descriptor.
	duplicates int
	// retrying counts the connections that writeLater has write again.
	retrying int
	slow     slowLog
	// scratch and spareOut are buffers that the connections share, params those of
	// the script that is being started, else empty.
	scratch, spareOut []byte
	params            kahuna.Params

	mu       sync.Mutex
	conns    map[*conn]struct{}
	draining atomic.Bool
	emptied  sync.Once
	empty    chan struct{} // closed when the server drains and has no connection

	woken wakeList
	// wakes keeps the loops from ending while one is being woken.
	wakes   sync.RWMutex
	stopped bool
	senders sync.WaitGroup

	// writeNow is that of the socket; a test may have another.
	writeNow func(g gnet.Conn, b []byte) (int, error)
}

// New returns a server of db that does not listen yet.
func New(db *kahuna.DB, o Options) *Server {
	o = o.withDefaults()
	s := &Server{db: db, o: o, booted: make(chan struct{}), ended: make(chan struct{}), empty: make(chan struct{}),
		spaces:  [2]kahuna.Async{db.Async(), db.Async().Ephemeral()},
		bounds:  bounds{bytes: o.Limits.ValueBytes + slackBytes, args: o.Arguments, inline: 64 << 10},
		scripts: newScripts(o.Scripts, o.ScriptBytes), params: kahuna.Params{}, conns: map[*conn]struct{}{}, started: time.Now(),
		writeNow: writeNow}
	s.woken.loop = gnet.RunnableFunc(s.goOn)
	s.own, s.invalid = newOwnPrograms(db)
	return s
}

// Serve waits until Shutdown or Close.
func (s *Server) Serve() error {
	<-s.ended
	return nil
}

// Close ends everything at once. What was started runs to its end in the store.
func (s *Server) Close() error {
	s.draining.Store(true)
	return s.stop()
}

// Shutdown takes no more requests, waits until those that run are answered, and
// closes all connections. When ctx ends before, it returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	s.noteEmpty()
	for c := range s.conns {
		c.wake()
	}
	s.mu.Unlock()
	select {
	case <-s.empty:
		return s.stop()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the loops, and with them all connections.
func (s *Server) stop() error {
	s.wakes.Lock()
	stopped := s.stopped
	s.stopped = true
	s.wakes.Unlock()
	select {
	case <-s.booted:
	default:
		return nil // it never listened
	}
	if !stopped {
		go func() {
			defer close(s.ended)
			_ = s.listener.Close()
			s.accepting.Wait() // for the loop, as long as there is one
			_ = s.loop.Stop()
		}()
	}
	select {
	case <-s.ended:
		s.endAway()
		s.senders.Wait()
		return nil
	case <-time.After(stopMost):
		return errors.New("the event loop does not end")
	}
}

// endAway ends the connections that gnet does not have. The loop has ended.
func (s *Server) endAway() {
	for _, c := range s.all() {
		s.end(c)
	}
}

// stopMost is how long the loop may take to end what it does.
const stopMost = 5 * time.Second

// cause returns the error of a call that the end of the server has stopped: it
// can be sent again, to the next one. Any other error is returned as it is.
func (s *Server) cause(err error) error {
	var cause *kahuna.Error
	if errors.Is(err, kahuna.ErrCanceled) && errors.As(context.Cause(s.o.Context), &cause) {
		return cause
	}
	return err
}

// OnOpen begins a connection.
func (s *Server) OnOpen(g gnet.Conn) ([]byte, gnet.Action) {
	s.tick()
	if c, ok := g.Context().(*conn); ok {
		return nil, c.returned(g)
	}
	s.lastID++
	c := &conn{server: s, g: g, loop: g.EventLoop(), id: s.lastID, parser: newParser(s.bounds), about: about{opened: s.now, active: s.now}}
	c.remote, c.local = g.RemoteAddr().String(), g.LocalAddr().String()
	s.mu.Lock()
	draining := s.draining.Load()
	if !draining {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if draining {
		return []byte(drainRefusal), gnet.Close
	}
	if a, ok := g.Context().(*arrival); ok {
		a.opened = true
	}
	g.SetContext(c)
	return nil, gnet.None
}

// OnClose ends a connection, unless its client waits for answers. Requests of it
// that run go on.
func (s *Server) OnClose(g gnet.Conn, err error) gnet.Action {
	c, ok := g.Context().(*conn)
	if !ok || c.away() || errors.Is(err, io.EOF) && c.halfClose() {
		return gnet.None
	}
	s.end(c)
	return gnet.None
}

// end ends c.
func (s *Server) end(c *conn) {
	if c.socket != nil {
		_ = c.socket.Close()
		c.socket = nil
		s.parked.Add(-1)
	}
	c.endSender()
	c.endRetry()
	if c.leaving != nil {
		c.leaving.Stop()
	}
	s.input.Add(-int64(c.waiting))
	c.closed, c.in, c.out, c.multi, c.watch, c.waiting = true, nil, nil, nil, nil, 0
	c.output.end(c)
	c.forget()
	s.unmonitor(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		delete(s.conns, c)
		s.open.Add(-1)
	}
	s.noteEmpty()
}

// noteEmpty notes that the server drains and has no connection. Held: mu.
func (s *Server) noteEmpty() {
	if s.draining.Load() && len(s.conns) == 0 {
		s.emptied.Do(func() { close(s.empty) })
	}
}

// tick reads the clock.
func (s *Server) tick() { s.now = time.Since(s.started) }

// OnTraffic runs what has come, and writes the answers that are there.
func (s *Server) OnTraffic(g gnet.Conn) gnet.Action {
	c, ok := g.Context().(*conn)
	if !ok {
		return gnet.Close
	}
	data, _ := g.Next(-1)
	return c.traffic(data)
}

// gnetLogger gives gnet's log to the server's.
type gnetLogger struct{ l *slog.Logger }

func (l gnetLogger) Debugf(string, ...any) {}
func (l gnetLogger) Infof(string, ...any)  {}
func (l gnetLogger) Warnf(format string, args ...any) {
	l.l.Warn("redis: " + fmt.Sprintf(format, args...))
}
func (l gnetLogger) Errorf(format string, args ...any) {
	l.l.Error("redis: " + fmt.Sprintf(format, args...))
}
func (l gnetLogger) Fatalf(format string, args ...any) {
	l.l.Error("redis: " + fmt.Sprintf(format, args...))
}
