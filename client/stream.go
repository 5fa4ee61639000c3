package client

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"

	"kahuna/internal/wirepb"
)

// stream is a batch stream to a server. Its requests go in packs, when the server
// reads those: what is waiting when the writer is free goes, and nobody waits for
// a pack to be full.
//
//	callers ─> queue ─> writer ─> server ─> reader ─> callers
type stream struct {
	grpc   grpc.BidiStreamingClient[wirepb.BatchClientKeyValueRequest, wirepb.BatchClientKeyValueResponse]
	packs  bool
	cancel func()
	slots  chan struct{} // has a token for each call under way
	wake   chan struct{} // tells the writer that there is work
	ended  chan struct{} // closed at the end

	mu       sync.Mutex // guards the rest
	queue    []*waiting
	pending  map[int32]*waiting // sent
	canceled []int32
	last     int32 // id
	why      error // of the end
	answered bool  // at the end, all that the server had begun was answered
}

// waiting is a call that waits for its answer.
type waiting struct {
	q    *wirepb.BatchClientKeyValueRequest
	size int
	// answer gets one answer; nil when the stream has ended.
	answer chan *wirepb.BatchClientKeyValueResponse
	sent   bool
}

func newStream(g grpc.BidiStreamingClient[wirepb.BatchClientKeyValueRequest, wirepb.BatchClientKeyValueResponse], packs bool, inFlight int, cancel func()) *stream {
	s := &stream{grpc: g, packs: packs, cancel: cancel, slots: make(chan struct{}, inFlight), wake: make(chan struct{}, 1),
		ended: make(chan struct{}), pending: map[int32]*waiting{}}
	go s.write()
	go s.read()
	return s
}

// stop ends the stream. The reader fails the calls under way.
func (s *stream) stop() { s.cancel() }

func (s *stream) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

var errNotSent = errors.New("the request was not sent")

// ask sends q and returns its answer. The error is a *brokenError when the stream
// has ended; when ctx has ended it is that of ctx, or errNotSent.
func (s *stream) ask(ctx context.Context, q *wirepb.BatchClientKeyValueRequest) (*wirepb.BatchClientKeyValueResponse, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, errNotSent
	case <-s.ended:
		return nil, &brokenError{why: s.why}
	}
	w := &waiting{q: q, size: sizeOf(q), answer: make(chan *wirepb.BatchClientKeyValueResponse, 1)}
	if !s.enqueue(w) {
		return nil, &brokenError{why: s.why}
	}
	select {
	case a := <-w.answer:
		if a == nil {
			return nil, &brokenError{s.why, w.sent && !s.answered}
		}
		return a, nil
	case <-ctx.Done():
		if s.leave(w) {
			return nil, ctx.Err()
		}
		return nil, errNotSent
	}
}

// enqueue gives w to the writer. It reports false when the stream has ended.
func (s *stream) enqueue(w *waiting) bool {
	s.mu.Lock()
	if s.why != nil {
		s.mu.Unlock()
		return false
	}
	s.last++
	w.q.RequestId = s.last
	s.queue = append(s.queue, w)
	s.mu.Unlock()
	s.signal()
	return true
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// leave takes w back, whose caller does not wait any longer, and reports whether
// it was sent: then the server is told.
func (s *stream) leave(w *waiting) (sent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.sent {
		for i := range s.queue {
			if s.queue[i] == w {
				s.queue = append(s.queue[:i], s.queue[i+1:]...)
				break
			}
		}
		return false
	}
	if s.pending[w.q.RequestId] == w {
		delete(s.pending, w.q.RequestId)
		if s.packs {
			s.canceled = append(s.canceled, w.q.RequestId)
			s.signal()
		}
	}
	return true
}

// write sends what is waiting.
func (s *stream) write() {
	for {
		select {
		case <-s.wake:
		case <-s.ended:
			return
		}
		for m := s.message(); m != nil; m = s.message() {
			if s.grpc.Send(m) != nil {
				return // the reader learns why
			}
		}
	}
}

// message returns the next message, nil when nothing is waiting.
func (s *stream) message() *wirepb.BatchClientKeyValueRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < len(s.queue) && n < wirepb.PackMost {
		w := s.queue[n]
		if bytes += w.size; n > 0 && (bytes > wirepb.PackBytesMost || !s.packs) {
			break
		}
		w.sent = true
		s.pending[w.q.RequestId] = w
		n++
	}
	if n == 0 && len(s.canceled) == 0 {
		return nil
	}
	var m *wirepb.BatchClientKeyValueRequest
	if n == 1 && len(s.canceled) == 0 {
		m = s.queue[0].q
	} else {
		m = &wirepb.BatchClientKeyValueRequest{Canceled: s.canceled, Pack: make([]*wirepb.BatchClientKeyValueRequest, n)}
		for i := range m.Pack {
			m.Pack[i] = s.queue[i].q
		}
		s.canceled = nil
	}
	rest := copy(s.queue, s.queue[n:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	return m
}

// read gives the answers to those who wait, until the stream ends.
func (s *stream) read() {
	for {
		m, err := s.grpc.Recv()
		if err != nil {
			s.fail(err, len(s.grpc.Trailer().Get(wirepb.AnsweredTrailer)) > 0)
			return
		}
		s.deliver(m)
	}
}

// deliver gives the answers of a message.
func (s *stream) deliver(m *wirepb.BatchClientKeyValueResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(m.Pack) == 0 {
		s.give(m)
		return
	}
	for _, a := range m.Pack {
		s.give(a)
	}
}

// give gives one answer. Nobody may wait for it any longer. Held: mu.
func (s *stream) give(a *wirepb.BatchClientKeyValueResponse) {
	if w := s.pending[a.RequestId]; w != nil {
		delete(s.pending, a.RequestId)
		w.answer <- a
	}
}

// fail ends all calls with the stream.
func (s *stream) fail(why error, answered bool) {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why, s.answered = why, answered
	close(s.ended)
	for _, w := range s.pending {
		w.answer <- nil
	}
	for _, w := range s.queue {
		w.answer <- nil
	}
	s.pending, s.queue = nil, nil
}
