package rest

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// The bounds of interactive transactions.
const (
	sessionsMost = 1000
	// endedMost is how many that have ended are remembered, so that the answer of a
	// commit can be asked for again, and endedFor is for how long.
	endedMost = 20_000
	endedFor  = time.Minute
	// rememberedMost bounds the bytes of all answers that are remembered.
	rememberedMost = 64 << 20
	// idleDefault and timeoutDefault are those of kahuna.TxOptions; grace is how much later a
	// transaction is given up here than in the store, which says why.
	idleDefault    = 10 * time.Second
	timeoutDefault = time.Minute
	grace          = time.Second
)

// remember keeps the answer to the last operation. Held: turn.
func (s *session) remember(r reply) {
	a := &s.all.remembered
	if s.tx == nil { // an end is short
		s.answer, s.lost = r, false
		return
	}
	a.Add(-int64(len(s.answer.body)))
	s.answer, s.lost = r, false
	if a.Add(int64(len(r.body))) > rememberedMost {
		a.Add(-int64(len(r.body)))
		s.answer, s.lost = reply{}, true
	}
}

// sessions are the interactive transactions of a Handler.
type sessions struct {
	remembered atomic.Int64 // bytes of answers of those that are open

	mu     sync.Mutex // guards the rest
	byID   map[string]*session
	open   int
	ended  list.List // of *session, the first ended first
	closed bool
}

// session is one interactive transaction, or what is remembered of one.
type session struct {
	all *sessions
	id  string
	// ctx is that of its operations, which go on when their request is gone.
	ctx    context.Context
	cancel context.CancelFunc
	idle   time.Duration
	// turn has one token: who uses what follows has taken it out.
	turn  chan struct{}
	tx    kahuna.Tx         // nil once it has ended
	why   *restwire.Problem // then the answer to all that comes
	timer *time.Timer       // gives it up
	used  time.Time

	// The last operation that has a number.
	last   int64
	digest [sha256.Size]byte
	answer reply
	lost   bool // its answer was too large to be remembered
}

// reply is the answer to an operation: a problem, or a body.
type reply struct {
	problem *restwire.Problem
	body    []byte
}

// begin makes a session, whose operations run in ctx. It returns nil when there
// are too many.
func (a *sessions) begin(ctx context.Context, store kahuna.Store, o *kahuna.TxOptions) (*session, error) {
	a.mu.Lock()
	full := a.open >= sessionsMost || a.closed
	if !full {
		a.open++
	}
	a.mu.Unlock()
	if full {
		return nil, nil
	}
	s := &session{all: a, id: rand.Text(), idle: min(cmp.Or(o.Idle, idleDefault), cmp.Or(o.Timeout, timeoutDefault)), turn: make(chan struct{}, 1), used: time.Now()}
	s.ctx, s.cancel = context.WithCancel(ctx)
	var err error
	if s.tx, err = store.Begin(s.ctx, o); err != nil {
		s.cancel()
		a.mu.Lock()
		a.open--
		a.mu.Unlock()
		return nil, err
	}
	s.timer = time.AfterFunc(s.idle+grace, s.expire)
	a.mu.Lock()
	a.byID[s.id] = s
	a.mu.Unlock()
	s.give()
	return s, nil
}

func (a *sessions) get(id string) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byID[id]
}

// take waits for the turn.
func (s *session) take(ctx context.Context) error {
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) give() { s.turn <- struct{}{} }

// rest ends an operation. Held: turn.
func (s *session) rest() {
	if s.tx != nil {
		s.used = time.Now()
		s.timer.Reset(s.idle + grace)
	}
}

// expire gives up a session that nobody uses, or forgets one that has ended.
func (s *session) expire() {
	<-s.turn
	defer s.give()
	if left := s.idle + grace - time.Since(s.used); s.tx != nil && left > 0 {
		s.timer.Reset(left) // it was used while the timer fired
		return
	}
	if s.tx != nil {
		s.end(restwire.ProblemOf(&kahuna.Error{Code: kahuna.CodeTimeout, Retry: true,
			Message: "transaction rolled back: not used for " + s.idle.String()}))
		return
	}
	s.all.forget(s)
}

// end rolls back what is not committed, and remembers why the session has ended.
// Held: turn.
func (s *session) end(why *restwire.Problem) {
	s.tx.Rollback()
	a := s.all
	a.remembered.Add(-int64(len(s.answer.body)))
	s.tx, s.why, s.answer = nil, why, reply{problem: why}
	s.cancel()
	s.timer.Reset(endedFor)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.ended.PushBack(s)
	for a.ended.Len() > endedMost {
		a.drop(a.ended.Front())
	}
}

// forget forgets a session that has ended, and those that ended before.
func (a *sessions) forget(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byID[s.id] != s {
		return
	}
	for e := a.ended.Front(); e != nil; e = a.ended.Front() {
		gone := e.Value.(*session)
		a.drop(e)
		if gone == s {
			return
		}
	}
}

// drop forgets a session that has ended. Held: mu.
func (a *sessions) drop(e *list.Element) {
	s := a.ended.Remove(e).(*session)
	s.timer.Stop()
	delete(a.byID, s.id)
}

// close rolls back all transactions, and waits for their operations.
func (a *sessions) close() {
	a.mu.Lock()
	a.closed = true
	var all []*session
	for _, s := range a.byID {
		all = append(all, s)
	}
	a.mu.Unlock()
	for _, s := range all {
		s.cancel()
		<-s.turn
		s.timer.Stop()
		if s.tx != nil {
			s.tx.Rollback()
			s.tx, s.why = nil, noTransaction()
		}
		s.give()
	}
}

func noTransaction() *restwire.Problem {
	return restwire.NewProblem(restwire.CodeNoTransaction, "the transaction is unknown: it was rolled back long ago, or with the server that had it",
		"run it again from its beginning")
}
