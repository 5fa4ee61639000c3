package partition

import (
	"errors"
	"fmt"
	"sync"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
	"kahuna/script"
)

// Options bound a partition. Every field must be set; the node has the
// defaults.
type Options struct {
	CacheBytes     int64 // rows of the persistent space kept in memory
	EphemeralBytes int64 // the whole ephemeral space
	BatchBytes     int   // an open batch at least this long takes no more scripts
	UnappliedBytes int64 // ordered but not applied: above it writers wait
	FastSteps      int64 // steps a script may take in the executor
	FastRows       int   // rows one bucket or prefix read may visit there
	RetentionMs    int64 // how long ended rows and old versions are kept
	ResultMs       int64 // how long results of idempotency keys are kept
	WrittenKeys    int   // keys one interactive transaction may write
	WrittenBytes   int64 // and bytes

	Faults Faults // 0 but in tests
}

// Partition is one partition's executor. Its methods may be called from any
// goroutine; none of them waits for the disk's log, and none blocks longer
// than the running script's budget.
type Partition struct {
	opts  Options
	store *store.Store

	// mu guards everything below. It is a leaf but for the store's own locks:
	// nothing else is locked while it is held.
	mu    sync.Mutex
	clock hlc.Clock

	leading bool
	term    uint64
	stopped error // why nothing can be written; reads may go on

	rows    map[string]*cell // persistent cells, by key
	recent  lru              // those that may be evicted
	overlay ordered          // those the store does not show yet
	eph     ephemeral
	locks   lockTable
	// elsewhere is when something without a cell was touched last.
	elsewhere hlc.Timestamp
	// extended is when a row last got another expiry and nothing else.
	extended hlc.Timestamp
	running  map[string]chan struct{} // idempotency keys whose script runs now
	results  map[string]*pendingResult

	open     *Batch // takes writes; nil when there is none
	inflight *Batch // proposed, not yet committed
	lastSeq  uint64 // newest batch opened
	durable  uint64 // newest batch committed
	applied  uint64 // newest batch the store shows
	// waiting holds the batches after durable, oldest first: the one on its
	// way and the open one.
	waiting []*Batch
	// unapplied counts the bytes of the batches after applied; room is closed
	// and replaced when it shrinks.
	unapplied int64
	room      chan struct{}

	txs   []*Tx // free list
	stats Stats
}

// Stats are counters since the partition was opened, and present sizes.
type Stats struct {
	Fast, Slow, Restarts    uint64 // scripts by path; runs started over
	LockWaits               uint64
	Batches, BatchedScripts uint64
	CacheHits, CacheMisses  uint64
	CacheRows, CacheBytes   int64
	EphemeralRows           int64
	EphemeralBytes          int64
	Evictions, Expired      uint64 // ephemeral rows
	Purged, Pruned          uint64 // persistent rows and histories collected
	UnappliedBytes          int64
	Locks                   int64 // requests for locks, waiting ones included
}

// Batch is the writes of the scripts that ran while the one before it was
// being written: one entry of the log.
type Batch struct {
	Seq  uint64
	Term uint64
	// Data is the entry. Ops are the same effects in memory, with hints.
	Data []byte
	Ops  []kv.Op
	// Stored and Dropped are the idempotency results in it.
	Stored  []kv.StoredResult
	Dropped []string
	Time    hlc.Timestamp

	// Done is closed when the batch is durable or failed; Err is valid then.
	Done chan struct{}
	Err  error

	enc      kv.Encoder
	olds     []kv.Row // what Ops' hints point to
	cells    []*cell
	scripts  int
	proposed bool
	bytes    int64
}

// New returns a partition over st that leads nothing yet.
func New(st *store.Store, opts Options) *Partition {
	p := &Partition{
		opts: opts, store: st,
		stopped: ErrNotLeading,
		rows:    map[string]*cell{}, overlay: newOrdered(),
		eph:   newEphemeral(opts.EphemeralBytes),
		locks: newLockTable(), running: map[string]chan struct{}{}, results: map[string]*pendingResult{},
		room: make(chan struct{}),
	}
	p.locks.noRanges = p.faulty(FaultPhantoms)
	return p
}

// ErrNotLeading refuses scripts where this node does not lead the partition
// (or not yet). Nothing happened.
var ErrNotLeading error = &script.Error{Code: script.CodeRetry, Message: "the partition has no leader here yet", Retry: true}

// errLocked says that a script met a key that somebody else has locked.
var errLocked = errors.New("partition: key is locked")

// errRestart says that what a script read has changed under it.
var errRestart = errors.New("partition: start over")

// Lead makes the partition run scripts in term, with clock readings above
// hwm. The caller has applied every entry of earlier terms.
//
// Invariant PART-3: a new leader runs nothing before that.
func (p *Partition) Lead(term uint64, hwm hlc.Timestamp) {
	p.mu.Lock()
	defer p.mu.Unlock()
	assert(len(p.waiting) == 0 && p.open == nil, "PART-3: lead with batches pending")
	// What was cached before belongs to another term.
	p.rows, p.recent, p.overlay = map[string]*cell{}, lru{}, newOrdered()
	p.eph = newEphemeral(p.opts.EphemeralBytes)
	p.applied, p.unapplied = p.durable, 0
	p.clock.Observe(hwm)
	p.elsewhere, p.extended = p.clock.Last(), p.clock.Last()
	p.leading, p.term, p.stopped = true, term, nil
}

// Stop ends leadership or, with a storage error, all writing: the speculative
// suffix is dropped and its callers are told.
//
// Invariant PART-2: batches never proposed are not applied; of those that
// were, nobody knows.
func (p *Partition) Stop(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil {
		p.stopped = cause
	}
	p.leading = false
	for _, b := range p.waiting {
		b.Err = failure(b, cause)
		for _, c := range b.cells {
			p.revert(c)
		}
		for i := range b.Stored {
			delete(p.results, b.Stored[i].Key)
		}
		p.unapplied -= b.bytes
		close(b.Done)
	}
	p.waiting, p.open, p.inflight = nil, nil, nil
	p.dropUnsure()
	p.signalRoom()
}

func failure(b *Batch, cause error) error {
	if !b.proposed {
		var known *script.Error
		if errors.As(cause, &known) {
			e := *known
			return &e
		}
		return &script.Error{Code: script.CodeRetry, Message: "the leader was lost before the write was proposed", Retry: true, Err: cause}
	}
	return &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: cause,
		Message: fmt.Sprintf("the write was interrupted while committing (%v); the outcome is unknown", cause),
		Hint:    "read the keys again, or resend with an idempotency key"}
}

// revert takes back a persistent cell to its newest durable version.
func (p *Partition) revert(c *cell) {
	if c.seq <= p.durable {
		return
	}
	p.overlay.Delete(c)
	for len(c.older) > 0 && c.older[0].seq > p.durable {
		c.older = c.older[1:]
	}
	if len(c.older) == 0 {
		p.touchElsewhere(c.touched)
		delete(p.rows, c.key)
		p.recent.remove(c)
		return
	}
	c.row, c.seq = c.older[0].row, c.older[0].seq
	c.older = c.older[1:]
	c.exists = true
	p.overlay.Set(c)
}

// dropUnsure evicts the ephemeral rows that depend on a lost batch.
func (p *Partition) dropUnsure() {
	for _, c := range p.eph.cells {
		if c.seq > p.durable {
			p.eph.drop(c, p.clock.Last())
		}
	}
}

// openBatch returns the batch that takes the next write.
func (p *Partition) openBatch() *Batch {
	if p.open != nil {
		return p.open // full keeps writers away once it is long enough
	}
	p.lastSeq++
	b := &Batch{Seq: p.lastSeq, Term: p.term, Done: make(chan struct{})}
	p.open = b
	p.waiting = append(p.waiting, b)
	p.stats.Batches++
	return b
}

// Take returns the open batch for proposing, or nil when there is nothing to
// propose or one is still on its way. The caller must propose what it got.
//
// Invariant PART-1: batches are proposed in the order they were executed, in
// the term they were executed in: there is only ever one on its way.
func (p *Partition) Take() *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take()
}

func (p *Partition) take() *Batch {
	if p.inflight != nil || p.open == nil {
		return nil
	}
	b := p.open
	p.open = nil
	p.inflight = b
	b.proposed = true
	b.Data = b.enc.Bytes()
	if b.enc.Len() >= p.opts.BatchBytes {
		p.signalRoom()
	}
	assert(b.Seq == p.durable+1, "PART-1: batch out of order")
	return b
}

// Refused tells that the batch Take returned was not proposed: the executor
// stops.
func (p *Partition) Refused(b *Batch, cause error) {
	p.mu.Lock()
	b.proposed = false
	p.mu.Unlock()
	p.Stop(cause)
}

// Committed tells that the next proposed entry of term is durable. It answers
// the callers of its batch, and returns that batch, to be applied, and the next
// one to propose, if any. An entry that Stop has given up on has no batch.
//
// Invariant PART-4: nobody is answered before.
func (p *Partition) Committed(term uint64) (committed, next *Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.inflight
	if b == nil || b.Term != term {
		return nil, nil
	}
	p.inflight = nil
	p.durable = b.Seq
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	close(b.Done)
	return b, p.take()
}

// Applied tells that the store shows b, which it no longer needs: nothing
// must use b afterwards.
func (p *Partition) Applied(b *Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = b.Seq
	for _, c := range b.cells {
		p.settle(c)
	}
	for i := range b.Stored {
		if r := p.results[b.Stored[i].Key]; r != nil && r.seq == b.Seq {
			delete(p.results, b.Stored[i].Key)
		}
	}
	p.unapplied -= b.bytes
	if p.unapplied < p.opts.UnappliedBytes && p.unapplied+b.bytes >= p.opts.UnappliedBytes {
		p.signalRoom()
	}
	p.evict()
}

// signalRoom wakes the writers that wait for room.
func (p *Partition) signalRoom() {
	close(p.room)
	p.room = make(chan struct{})
}

// settle drops from a cell what the store shows by now.
func (p *Partition) settle(c *cell) {
	if p.rows[c.key] != c {
		return
	}
	if c.seq > p.applied {
		n := len(c.older)
		for n > 0 && c.older[n-1].seq <= p.applied {
			n--
		}
		clear(c.older[n:])
		c.older = c.older[:n]
		return
	}
	c.older = nil
	if _, pinned := p.overlay.Delete(c); pinned || !c.listed {
		p.recent.front(c)
	}
}

// evict brings the row cache below its bound.
func (p *Partition) evict() {
	for p.recent.bytes > p.opts.CacheBytes && p.recent.tail != nil {
		c := p.recent.tail
		p.recent.remove(c)
		p.touchElsewhere(c.touched)
		delete(p.rows, c.key)
	}
}

// Close refuses scripts from now on with cause and returns the newest batch
// that still has to become durable, or nil.
func (p *Partition) Close(cause error) *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leading, p.stopped = false, cause
	if n := len(p.waiting); n > 0 {
		return p.waiting[n-1]
	}
	return nil
}

// batchOf returns the batch with number seq when it is not durable yet.
func (p *Partition) batchOf(seq uint64) *Batch {
	if seq <= p.durable {
		return nil
	}
	return p.waiting[seq-p.durable-1]
}

// lost returns why a run that has read the batch with number seq can not be
// answered, or nil: that batch is neither durable nor on its way any more.
func (p *Partition) lost(seq uint64) error {
	if seq <= p.durable || seq-p.durable <= uint64(len(p.waiting)) {
		return nil
	}
	if p.stopped == nil {
		return ErrNotLeading
	}
	return refusal(p.stopped)
}

// Stats returns a copy of the counters.
func (p *Partition) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.CacheRows, s.CacheBytes = int64(p.recent.len), p.recent.bytes
	s.EphemeralRows, s.EphemeralBytes = int64(len(p.eph.cells)), p.eph.lru.bytes
	s.Evictions, s.Expired = p.eph.evictions, p.eph.expired
	s.UnappliedBytes = p.unapplied
	s.Locks = int64(len(p.locks.active))
	return s
}
