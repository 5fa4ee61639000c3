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
)

// batchStream is a stream of requests and their answers.
type batchStream[Q, A any] interface {
	SendHeader(metadata.MD) error
	Send(*A) error
	Recv() (*Q, error)
	Context() context.Context
}

// batch serves one stream. answer answers one request; it does not panic.
//
//	reader ─> one goroutine per request ─> writer
//	   └ stops where budget is used up, until the writer has sent
type batch[Q, A any] struct {
	stream batchStream[Q, A]
	answer func(*Q) *A
	budget budget
	out    chan reply[A]

	mu      sync.Mutex
	closed  bool // takes no more requests
	running sync.WaitGroup
	// slow is closed when the client has not read an answer for too long.
	patience time.Duration
	slow     chan struct{}
}

// reply is an answer with the bytes of its request.
type reply[A any] struct {
	answer *A
	bytes  int64
}

// outQueue is how many answers wait for the writer.
const outQueue = 64

// serveBatch serves a stream until its client ends it, or s drains.
//
// Invariants GRPC-1 and GRPC-2.
func serveBatch[Q, A any](s *Server, stream batchStream[Q, A], answer func(*Q) *A) error {
	// At once: a client that has seen no headers sends what it sent before again
	// when the stream breaks, executed or not.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	b := &batch[Q, A]{stream: stream, answer: answer, out: make(chan reply[A], outQueue),
		patience: s.opts.Patience, slow: make(chan struct{})}
	b.budget.init(s.opts.InFlight, s.opts.InFlightBytes)
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
	b.running.Wait()
	close(b.out)
}

// read takes requests until the stream ends, and returns why.
func (b *batch[Q, A]) read() error {
	for {
		q, err := b.stream.Recv()
		if err != nil {
			return err
		}
		size := int64(proto.Size(any(q).(proto.Message)))
		if !b.budget.take(size) || !b.begin() {
			return io.EOF // the stream is ending; nobody did it
		}
		go func() {
			defer b.running.Done()
			b.out <- reply[A]{b.answer(q), size}
		}()
	}
}

// begin reports whether another request may begin.
func (b *batch[Q, A]) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	return true
}

// write sends the answers. When the client has gone, or was too slow, nobody waits
// for them, but what has begun ends.
func (b *batch[Q, A]) write() {
	broken := false
	late := time.AfterFunc(b.patience, func() { close(b.slow) })
	late.Stop()
	for r := range b.out {
		if !broken {
			late.Reset(b.patience)
			broken = b.stream.Send(r.answer) != nil || !late.Stop()
		}
		b.budget.give(r.bytes)
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

func (g *budget) give(size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.bytes -= size
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
