package grpcapi

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"kahuna/internal/wirepb"
)

// batchStream is a stream of requests and their answers.
type batchStream[Q, A any] interface {
	SendHeader(metadata.MD) error
	SetTrailer(metadata.MD)
	Send(*A) error
	Recv() (*Q, error)
	Context() context.Context
}

// dialect is what the two kinds of batch streams differ in.
type dialect[Q, A any] struct {
	// start answers one request: it gives the answer and its size to done, once,
	// before it returns or later. It does not panic and does not wait.
	start func(r *running, q *Q, done func(a *A, size int))
	// id returns the id of a request.
	id func(*Q) int32
	// unpack returns the requests of a message, and the ids of those that are no
	// longer waited for. nil for a kind of stream without packs.
	unpack func(*Q) ([]*Q, []int32)
	pack   func([]*A) *A
}

// batch serves one stream.
//
//	reader ─> the store, or a goroutine for a request that waits ─> outbox ─> writer
//	   └ stops where budget is used up, until the writer has sent
type batch[Q, A any] struct {
	*dialect[Q, A]
	stream  batchStream[Q, A]
	ctx     context.Context // of the requests
	packs   bool            // the client reads packs
	budget  budget
	out     outbox[A]
	running cancels

	mu     sync.Mutex
	closed bool // takes no more requests
	begun  sync.WaitGroup
	// slow is closed when the client has not read an answer for too long.
	patience time.Duration
	slow     chan struct{}
	lost     bool // an answer could not be sent; set by the writer
}

// serveBatch serves a stream until its client ends it, or s drains.
//
// Invariants GRPC-1 and GRPC-2.
func serveBatch[Q, A any](s *Server, stream batchStream[Q, A], d *dialect[Q, A]) error {
	b := &batch[Q, A]{dialect: d, stream: stream, ctx: s.opts.Context, patience: s.opts.Patience, slow: make(chan struct{})}
	asked, _ := metadata.FromIncomingContext(stream.Context())
	b.packs = d.unpack != nil && len(asked.Get(wirepb.PackHeader)) > 0
	var header metadata.MD
	if d.unpack != nil {
		header = metadata.Pairs(wirepb.PackHeader, "1")
	}
	// At once: a client that has seen no headers sends what it sent before again
	// when the stream breaks, executed or not.
	if err := stream.SendHeader(header); err != nil {
		return err
	}
	b.budget.init(s.opts.InFlight, s.opts.InFlightBytes)
	b.out.init()
	written := make(chan struct{})
	go func() {
		defer close(written)
		b.write()
	}()
	read := make(chan error, 1)
	s.streams.Add(1)
	go func() {
		defer s.streams.Done()
		read <- b.read()
	}()
	var err error
	select {
	case err = <-read:
	case <-s.draining:
		err = status.Error(codes.Unavailable, "the server is ending")
	case <-b.slow:
	}
	ended := make(chan struct{})
	s.streams.Go(func() {
		defer close(ended)
		b.end()
		<-written
	})
	select {
	case <-ended:
	case <-b.slow:
		// The end of the stream would stand behind the answers: only the end of the
		// connection ends it.
		s.opts.Logger.Warn("a client is cut off: it does not read its answers", "protocol", "grpc", "for", b.patience.String())
		if p, ok := peer.FromContext(stream.Context()); ok && s.listener != nil {
			s.listener.cut(p.Addr.String())
		}
		return status.Error(codes.Unavailable, "the answers of this stream are not read")
	}
	if !b.lost { // the client may send again what has no answer
		stream.SetTrailer(metadata.Pairs(wirepb.AnsweredTrailer, "1"))
	}
	if errors.Is(err, io.EOF) {
		return nil // the client has half-closed
	}
	return err
}

// end waits until what is under way is answered, and the writer has no more to
// come.
func (b *batch[Q, A]) end() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.budget.end() // of a reader that waits for it
	b.begun.Wait()
	b.out.end()
}

// read takes requests until the stream ends, and returns why.
func (b *batch[Q, A]) read() error {
	for {
		m, err := b.stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.running.all() // nobody reads the answers
			}
			return err
		}
		size := int64(proto.Size(any(m).(proto.Message)))
		if b.unpack == nil {
			if !b.start1(m, size) {
				return io.EOF // the stream is ending; nobody did it
			}
			continue
		}
		list, left := b.unpack(m)
		for _, q := range list {
			if !b.start1(q, size/int64(len(list))) {
				return io.EOF
			}
		}
		for _, id := range left {
			b.running.cancel(id)
		}
	}
}

// start1 starts a request, and reports false when the stream is ending.
func (b *batch[Q, A]) start1(q *Q, size int64) bool {
	if !b.budget.take(size) || !b.begin() {
		return false
	}
	r := &running{ctx: b.ctx}
	if b.packs {
		r.in, r.id = &b.running, b.id(q)
	}
	b.start(r, q, func(a *A, answer int) {
		r.end()
		b.budget.answered(int64(answer))
		b.out.put(reply[A]{a, answer, size})
		b.begun.Done()
	})
	return true
}

// begin reports whether another request may begin.
func (b *batch[Q, A]) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.begun.Add(1)
	return true
}

// write sends the answers. When the client has gone, or was too slow, nobody waits
// for them, but what has begun ends.
func (b *batch[Q, A]) write() {
	late := time.AfterFunc(b.patience, func() { close(b.slow) })
	late.Stop()
	var list []reply[A]
	for more := true; more; {
		list, more = b.out.take(list)
		for rest := list; len(rest) > 0; {
			n, m := b.message(rest)
			if !b.lost {
				late.Reset(b.patience)
				b.lost = b.stream.Send(m) != nil || !late.Stop()
			}
			bytes := int64(0)
			for i := range rest[:n] {
				bytes += rest[i].request + int64(rest[i].size)
			}
			b.budget.give(n, bytes)
			rest = rest[n:]
		}
	}
}

// message returns a message with the answer to as many requests as it may have.
func (b *batch[Q, A]) message(list []reply[A]) (n int, m *A) {
	if !b.packs || len(list) == 1 {
		return 1, list[0].answer
	}
	var pack []*A
	bytes := 0
	for n < len(list) && n < wirepb.PackMost {
		if bytes += list[n].size; n > 0 && bytes > wirepb.PackBytesMost {
			break
		}
		pack = append(pack, list[n].answer)
		n++
	}
	if n == 1 {
		return 1, pack[0]
	}
	return n, b.pack(pack)
}

// reply is an answer with its bytes and those of its request.
type reply[A any] struct {
	answer  *A
	size    int
	request int64
}

// outbox has the answers that wait for the writer. The budget of its stream
// bounds it.
type outbox[A any] struct {
	mu    sync.Mutex
	some  sync.Cond
	list  []reply[A]
	ended bool
}

func (o *outbox[A]) init() { o.some.L = &o.mu }

func (o *outbox[A]) put(r reply[A]) {
	o.mu.Lock()
	o.list = append(o.list, r)
	o.mu.Unlock()
	o.some.Signal()
}

// take waits for answers and returns them, in the place of those taken before.
// more is false when these are the last ones.
func (o *outbox[A]) take(before []reply[A]) (list []reply[A], more bool) {
	clear(before)
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.list) == 0 && !o.ended {
		o.some.Wait()
	}
	list, o.list = o.list, before[:0]
	return list, !o.ended
}

func (o *outbox[A]) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.some.Signal()
}

// running is a request under way.
type running struct {
	ctx context.Context
	in  *cancels // nil when the client cannot cancel it
	id  int32
}

// context returns the context of the request, for one that may take long.
func (r *running) context() context.Context {
	if r.in != nil {
		r.ctx = r.in.begin(r.ctx, r.id)
	}
	return r.ctx
}

func (r *running) end() {
	if r.in != nil {
		r.in.end(r.id)
	}
}

// cancels can end the contexts of the requests of a stream.
type cancels struct {
	mu   sync.Mutex
	byID map[int32]context.CancelFunc
}

func (c *cancels) begin(ctx context.Context, id int32) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[int32]context.CancelFunc{}
	}
	c.byID[id] = cancel
	return ctx
}

func (c *cancels) cancel(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.byID[id]; cancel != nil {
		cancel()
	}
}

func (c *cancels) end(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.byID[id]; cancel != nil {
		cancel()
		delete(c.byID, id)
	}
}

func (c *cancels) all() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.byID {
		cancel()
	}
}

// budget bounds what is under way in one stream.
type budget struct {
	mu    sync.Mutex
	freed sync.Cond
	count int
	bytes int64
	most  int
	mostB int64
	ended bool
}

func (g *budget) init(most int, bytes int64) {
	g.freed.L = &g.mu
	g.most, g.mostB = most, bytes
}

// take waits until there is room for a request of that size; one that is larger
// than all there is may be alone. It reports false when the stream has ended.
func (g *budget) take(size int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.ended && g.count > 0 && (g.count >= g.most || g.bytes+size > g.mostB) {
		g.freed.Wait()
	}
	g.count++
	g.bytes += size
	return !g.ended
}

// answered adds the bytes of an answer, which are there until it is sent.
func (g *budget) answered(bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes += bytes
}

func (g *budget) give(n int, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count -= n
	g.bytes -= bytes
	g.freed.Signal()
}

func (g *budget) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.freed.Broadcast()
}

// observed times one call for Options.Observe.
func (s *Server) observed(call string, start time.Time, result string) {
	s.opts.Observe(call, result, time.Since(start))
}
