package wire

import (
	"context"
	"sync"
	"time"

	"kahuna"
	"kahuna/internal/wirepb"
)

const (
	timeoutDefault = 5 * time.Second
	timeoutMost    = 5 * time.Minute
	// grace is how long a transaction can still be used, and ended, when its time
	// is over.
	grace = 15 * time.Second
	// LongestLife is how long the store must let a transaction live
	// (kahuna.Limits.TimeoutMax), or the longest ones have less than their grace.
	LongestLife = timeoutMost + 2*grace
	// An outcome is remembered for outcomeAge, and of outcomesMost transactions.
	outcomeAge   = 5 * time.Minute
	outcomesMost = 10_000

	admissionDefault = 5 * time.Second
	admissionMost    = 30 * time.Second

	// operationsAtOnce bounds the operations of one transaction under way.
	operationsAtOnce = 256
)

// ending is how a transaction ended.
type ending uint8

const (
	open ending = iota
	committed
	rolledBack
	abortedEnding
	unknownEnding // whether its commit took effect is not known
)

func (e ending) String() string {
	return [...]string{"open", "committed", "rolled back", "aborted", "interrupted while committing"}[e]
}

// session is an interactive transaction.
type session struct {
	s           *Service
	id          timestamp
	coordinator string
	policy      wirepb.ConflictPolicy
	// durable refuses writes to the ephemeral space.
	durable  bool
	readAt   timestamp // of all its reads, or none
	deadline time.Time // after it, it has its grace
	timer    *time.Timer
	tx       kahuna.Tx

	mu         sync.Mutex
	operations map[opID]*operation
	running    int
	points     []point // that it has leases on, or had
	// committing is set while the store commits: only who commits says then how the
	// transaction has ended.
	committing bool
	ended      ending
	why        string
	endedAt    time.Time
	// finish is held by who commits or rolls back.
	finish sync.Mutex
}

// sessions are the transactions, those that have ended not long ago included.
type sessions struct {
	mu    sync.Mutex
	all   map[timestamp]*session
	ended []*session // in the order of their ends
	last  timestamp
	slots chan struct{}
	done  bool
}

func (ss *sessions) init(most int) {
	ss.all = map[timestamp]*session{}
	ss.slots = make(chan struct{}, most)
}

func (ss *sessions) close() {
	ss.mu.Lock()
	ss.done = true
	var live []*session
	for _, x := range ss.all {
		live = append(live, x)
	}
	ss.mu.Unlock()
	for _, x := range live {
		x.end(abortedEnding, "the server has ended")
	}
}

// find returns a transaction, open or remembered, or nil.
func (ss *sessions) find(id timestamp, coordinator string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	x := ss.all[id]
	if x == nil || x.coordinator != coordinator {
		return nil
	}
	return x
}

// add gives x its id. It reports whether there are sessions at all.
func (ss *sessions) add(x *session) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.done {
		return false
	}
	now := timestamp{nodeID, time.Now().UnixMilli(), 0}
	if now.physical <= ss.last.physical {
		now.physical, now.counter = ss.last.physical, ss.last.counter+1
	}
	ss.last, x.id = now, now
	ss.all[now] = x
	return true
}

// remember keeps x, which has ended, for a while.
func (ss *sessions) remember(x *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.ended = append(ss.ended, x)
	n := 0
	for n < len(ss.ended) && (len(ss.ended)-n > outcomesMost || time.Since(ss.ended[n].endedAt) > outcomeAge) {
		delete(ss.all, ss.ended[n].id)
		ss.ended[n] = nil
		n++
	}
	ss.ended = ss.ended[n:]
	<-ss.slots
}

// Start starts an interactive transaction.
func (s *Service) Start(ctx context.Context, r *wirepb.StartTransactionRequest) *wirepb.StartTransactionResponse {
	fail := func(f *failure) *wirepb.StartTransactionResponse {
		return &wirepb.StartTransactionResponse{Type: f.kind, Detail: f.detail}
	}
	at := readAt(r)
	switch {
	case r.CoordinatorKey == "":
		return fail(invalid("a transaction needs a coordinator key"))
	case r.LockingType < 0 || r.LockingType > wirepb.Locking_LOCKING_OPTIMISTIC:
		return fail(invalid("the locking type is 0 for pessimistic or 1 for optimistic"))
	case r.ReadValidation < 0 || r.ReadValidation > wirepb.ReadValidation_READ_VALIDATION_TRACK_AND_VALIDATE:
		return fail(invalid("the read validation is 0 for none or 1 to track and validate"))
	case r.DecisionDurability < 0 || r.DecisionDurability > wirepb.DecisionDurability_DECISION_DURABILITY_DURABLE:
		return fail(invalid("the decision durability is 0 for best effort or 1 for durable"))
	case !at.none() && r.ReadValidation == wirepb.ReadValidation_READ_VALIDATION_TRACK_AND_VALIDATE:
		return fail(invalid("reads of the past cannot be validated"))
	}
	if !s.admit(ctx, r.AdmissionWaitMs) {
		return fail(&failure{wirepb.KvType_KV_TYPE_ADMISSION_REFUSED,
			words2detail(kahuna.CodeAdmission, "too many transactions are open", "start it again after a pause", true)})
	}
	timeout := time.Duration(r.Timeout) * time.Millisecond
	if timeout <= 0 {
		timeout = timeoutDefault
	}
	timeout = min(timeout, timeoutMost)
	life := timeout + grace
	tx, err := s.db.Begin(s.working, &kahuna.TxOptions{Optimistic: true, Idle: life + grace, Timeout: life + grace})
	if err != nil {
		<-s.sessions.slots
		return fail(failed(err))
	}
	x := &session{s: s, coordinator: r.CoordinatorKey, policy: r.Conflicts, readAt: at, tx: tx, deadline: time.Now().Add(timeout),
		durable: r.DecisionDurability == wirepb.DecisionDurability_DECISION_DURABILITY_DURABLE, operations: map[opID]*operation{}}
	x.mu.Lock() // the timer waits until there is one
	x.timer = time.AfterFunc(life, func() { x.end(abortedEnding, "the time of the transaction is over") })
	x.mu.Unlock()
	s.open.Add(1)
	if !s.sessions.add(x) {
		x.end(abortedEnding, "the server has ended")
		return fail(mustRetry("the server is ending"))
	}
	return &wirepb.StartTransactionResponse{Type: wirepb.KvType_KV_TYPE_SET, TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter}
}

// admit waits until there is room for another transaction.
func (s *Service) admit(ctx context.Context, waitMs int32) bool {
	select {
	case s.sessions.slots <- struct{}{}:
		return true
	default:
	}
	wait := time.Duration(waitMs) * time.Millisecond
	if wait <= 0 {
		wait = admissionDefault
	}
	timer := time.NewTimer(min(wait, admissionMost))
	defer timer.Stop()
	select {
	case s.sessions.slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	case <-s.working.Done():
	}
	return false
}

// end ends the transaction, unless it has ended: it rolls back what is left of
// it, and gives up its locks.
func (x *session) end(how ending, why string) {
	x.mu.Lock()
	if x.ended != open || x.committing {
		x.mu.Unlock()
		return
	}
	x.over(how, why)
}

// over is end of a transaction that has not ended. Held: mu, which it gives back.
func (x *session) over(how ending, why string) {
	x.ended, x.why, x.endedAt = how, why, time.Now()
	x.timer.Stop()
	points := x.points
	x.points, x.operations = nil, nil
	x.mu.Unlock()
	x.tx.Rollback()
	x.s.locks.release(x, points)
	x.s.open.Add(-1)
	x.s.sessions.remember(x)
}

// state returns how the transaction ended, and why.
func (x *session) state() (ending, string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ended, x.why
}

// Commit makes what a transaction wrote take effect.
func (s *Service) Commit(_ context.Context, r *wirepb.CommitTransactionRequest) *wirepb.CommitTransactionResponse {
	answer := func(f *failure) *wirepb.CommitTransactionResponse {
		return &wirepb.CommitTransactionResponse{Type: f.kind, Detail: f.detail}
	}
	x, f := s.toEnd(r.CoordinatorKey, idOf(r))
	if f != nil {
		return answer(f)
	}
	x.finish.Lock()
	defer x.finish.Unlock()
	if x.isOpen() {
		x.commit()
	}
	switch how, why := x.state(); how {
	case committed:
		return answer(&failure{kind: wirepb.KvType_KV_TYPE_COMMITTED})
	case unknownEnding:
		return answer(fault(why))
	case rolledBack:
		return answer(aborted("the transaction was rolled back"))
	default:
		return answer(aborted(why))
	}
}

func (x *session) isOpen() bool {
	how, _ := x.state()
	return how == open
}

// commit commits. Held: finish.
func (x *session) commit() {
	x.mu.Lock()
	if x.ended != open {
		x.mu.Unlock()
		return
	}
	x.committing = true
	x.mu.Unlock()
	err := x.tx.Commit(x.s.working)
	how, why := committed, ""
	if err != nil {
		f := failed(err)
		how, why = unknownEnding, text(f.detail)
		if f.detail.Outcome == wirepb.Outcome_OUTCOME_NOT_APPLIED {
			how = abortedEnding
		}
	}
	x.mu.Lock()
	x.over(how, why)
}

// Rollback ends a transaction without effect.
func (s *Service) Rollback(_ context.Context, r *wirepb.RollbackTransactionRequest) *wirepb.RollbackTransactionResponse {
	answer := func(f *failure) *wirepb.RollbackTransactionResponse {
		return &wirepb.RollbackTransactionResponse{Type: f.kind, Detail: f.detail}
	}
	x, f := s.toEnd(r.CoordinatorKey, idOf(r))
	if f != nil {
		return answer(f)
	}
	x.finish.Lock()
	defer x.finish.Unlock()
	x.end(rolledBack, "the transaction was rolled back")
	switch how, why := x.state(); how {
	case committed:
		return answer(errored("the transaction was committed before"))
	case unknownEnding:
		return answer(fault(why))
	}
	return answer(&failure{kind: wirepb.KvType_KV_TYPE_ROLLED_BACK})
}

// toEnd returns the transaction that is to end.
func (s *Service) toEnd(coordinator string, id timestamp) (*session, *failure) {
	if coordinator == "" {
		return nil, invalid("the coordinator key is missing")
	}
	if id.none() {
		return nil, invalid("the transaction id is missing")
	}
	x := s.sessions.find(id, coordinator)
	if x == nil {
		return nil, errored("there is no such transaction, or it ended long ago")
	}
	return x, nil
}

// write does a write in the transaction, which takes the lock of the key.
func (x *session) write(key string, d wirepb.Durability, do func(context.Context, target) (wrote, error)) (wrote, *failure) {
	if f := x.lockToWrite(key, d); f != nil {
		return wrote{}, f
	}
	w, err := do(x.s.working, inside(x.tx, d))
	if err != nil {
		return wrote{}, x.failed(err)
	}
	w.modified = timestamp{} // not known before commit
	return w, nil
}

// lockToWrite takes the lock of a key until the time of the transaction is over,
// unless it has it.
func (x *session) lockToWrite(key string, d wirepb.Durability) *failure {
	if x.durable && d == wirepb.Durability_DURABILITY_EPHEMERAL {
		const words = "a transaction whose decision is to be durable cannot write the ephemeral space"
		x.end(abortedEnding, words)
		return aborted(words)
	}
	if c := x.lockKey(point{d, key}, x.deadline, true); c != nil {
		return mustRetry(c.words())
	}
	return nil
}

// lockKey takes the lock of a key.
func (x *session) lockKey(p point, ends time.Time, keep bool) *conflict {
	fresh, c := x.s.locks.lockPoint(x.s.working, x.s.patience(x.policy), x, p, ends, keep)
	if c != nil || !fresh {
		return c
	}
	x.mu.Lock()
	over := x.ended != open
	if !over {
		x.points = append(x.points, p)
	}
	x.mu.Unlock()
	if over { // meanwhile
		x.s.locks.release(x, []point{p})
	}
	return nil
}

// failed is an error of an operation, which ends the transaction if it is one
// that does.
func (x *session) failed(err error) *failure {
	f, over := failedInside(err)
	if over {
		x.end(abortedEnding, text(f.detail))
	}
	return f
}

// get reads a key in the transaction.
func (x *session) get(w which) (version, *failure) {
	if w.at.none() && w.revision < 0 {
		w.at = x.readAt
	}
	v, err := inside(x.tx, w.durability).get(x.s.working, w)
	if err != nil {
		return version{}, x.failed(err)
	}
	return v, nil
}
