package partition

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

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
	FastMisses     int   // rows a script may read there that are not in memory
	RetentionMs    int64 // how long ended rows and old versions are kept
	ResultMs       int64 // how long results of idempotency keys are kept
	ResultBytes    int64 // about what they may take; above it new keys are refused
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

	// mu guards everything below but what line does. While it is held only line
	// and the store's own locks are taken.
	mu    sync.Mutex
	clock hlc.Clock

	// term is that whose speculative state this is, 0 when no script may run.
	// A transaction keeps the one in which it began: see runnableIn.
	term    uint64
	stopped error // why nothing can be written; reads may go on

	rows    map[string]*cell // persistent cells, by key
	recent  recency          // those that may be evicted
	overlay overlay          // those the store does not show yet
	eph     ephemeral
	locks   lockTable
	// elsewhere is when something without a cell was touched last.
	elsewhere hlc.Timestamp
	// extended is when a row last got another expiry and nothing else.
	extended hlc.Timestamp
	running  map[string]chan struct{} // idempotency keys whose script runs now
	results  map[string]*pendingResult
	// unsure holds the keys of requests whose batch Stop gave up on after it
	// was proposed, with what to say of them: as many as one batch holds.
	unsure map[string]error
	// fetching has the keys without a cell that are being read from the store
	// without the mutex, each with the number of the fetch that began it. What
	// could make their result outdated removes them.
	fetching map[string]uint64
	fetches  uint64
	// pruning has the keys whose history is pruned by a batch that is not applied
	// yet, with its number.
	pruning map[string]uint64
	// resultBytes counts the bytes of results, which the store does not yet.
	resultBytes int64

	applied uint64 // newest batch the store shows
	// unapplied counts the bytes of the batches after applied.
	unapplied int64
	// spare is the memory of batches that are applied, for those to come.
	spare []effects

	tx    Tx // of the run in the executor
	stats Stats

	checks []*check     // those under way
	parts  []*rangeRead // parts of ranges that are being read
	gaps   gaps

	// untidy says that rows are left to evict: see tidy.
	untidy atomic.Bool

	// held is one more than the time from which on the history is held, 0 for none.
	held atomic.Int64

	// inLine counts those who wait in lock: a run outside the executor, which
	// takes mu again and again, gives way to them.
	inLine atomic.Int32

	// rangeCheck holds one token. A transaction that validates the ranges it has
	// read takes it out, before it takes mu, until it has committed: two that did
	// so at once would both give way.
	rangeCheck chan struct{}

	// line guards what follows: the batches on their way into the log. It is
	// locked after mu, for moments only: Committed must not stand in line with
	// all those who want to run, or the disk would wait for them.
	line     sync.Mutex
	open     *Batch // takes writes, under both locks; nil when there is none
	inflight *Batch // proposed, and not committed or, when settling, followed
	settling bool   // inflight is committed; Next has not been called
	lastSeq  uint64 // newest batch opened
	durable  uint64 // newest batch committed
	// waiting holds the batches after durable, oldest first: the one on its
	// way and the open one.
	waiting []*Batch
	// room is closed and replaced when writers that had to wait may go on.
	room chan struct{}
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
	// Ops are the effects, with hints.
	Ops []kv.Op
	// Stored are the idempotency results in it, Forget the time of those that go.
	Stored []kv.StoredResult
	Forget kv.Period
	Time   hlc.Timestamp

	// Done is closed when the batch is durable or failed; then Err says why to
	// who wrote in it, and ReadErr to who only read what it wrote.
	Done    chan struct{}
	Err     error
	ReadErr error

	size     int      // of the entry, about
	olds     []kv.Row // what Ops' hints point to
	cells    []*cell
	pruned   []string
	scripts  int
	proposed bool
	bytes    int64
}

// Entry returns the effects of a batch that takes no more of them. It shares
// their memory.
func (b *Batch) Entry() *kv.Batch {
	return &kv.Batch{Time: b.Time, Ops: b.Ops, Forget: b.Forget, Results: b.Stored}
}

// New returns a partition over st that leads nothing yet.
func New(st *store.Store, opts Options) *Partition {
	p := &Partition{
		opts: opts, store: st,
		stopped: ErrNotLeading,
		rows:    map[string]*cell{}, overlay: newOverlay(),
		locks: newLockTable(), running: map[string]chan struct{}{}, results: map[string]*pendingResult{},
		unsure: map[string]error{}, pruning: map[string]uint64{}, fetching: map[string]uint64{},
		room: make(chan struct{}), rangeCheck: make(chan struct{}, 1),
	}
	p.rangeCheck <- struct{}{}
	p.eph = newEphemeral(opts.EphemeralBytes, p.noteDrop)
	p.tx.p = p
	p.locks.noRanges = p.faulty(FaultPhantoms)
	return p
}

// lock locks mu for those whom others wait for.
func (p *Partition) lock() {
	if !p.mu.TryLock() {
		p.inLine.Add(1)
		p.mu.Lock()
		p.inLine.Add(-1)
	}
}

// giveWay lets those go first who wait for mu: whom letting go of it has woken
// would find it taken again, for a millisecond, after which sync.Mutex hands it
// over. It tries for some microseconds.
func (p *Partition) giveWay() {
	for i := 0; i < 16 && p.inLine.Load() > 0; i++ {
		runtime.Gosched()
	}
}

// ErrNotLeading refuses scripts where this node does not lead the partition
// (or not yet). Nothing happened.
var ErrNotLeading error = &script.Error{Code: script.CodeRetry, Message: "the partition has no leader here yet", Retry: true}

// errLocked says that a script met a key that somebody else has locked.
var errLocked = errors.New("partition: key is locked")

// errRestart says that what a script read has changed under it.
var errRestart = errors.New("partition: start over")

// Lead makes the partition run scripts in term, with clock readings above
// hwm. The caller has applied every entry of earlier terms. It reports false,
// and changes nothing, after a storage error and after Close: these are final.
//
// Invariant PART-3: a new leader runs nothing before that.
func (p *Partition) Lead(term uint64, hwm hlc.Timestamp) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Lock()
	defer p.line.Unlock()
	if isFinal(p.stopped) {
		return false
	}
	assert(len(p.waiting) == 0 && p.open == nil, "PART-3: lead with batches pending")
	p.locks.reset()
	// What was cached before belongs to another term.
	p.rows, p.recent, p.overlay = map[string]*cell{}, recency{}, newOverlay()
	p.eph = newEphemeral(p.opts.EphemeralBytes, p.noteDrop)
	// Batches that Stop has dropped count as settled: nothing refers to them.
	p.durable, p.applied, p.unapplied = p.lastSeq, p.lastSeq, 0
	p.clock.Observe(hwm)
	p.elsewhere, p.extended = p.clock.Last(), p.clock.Last()
	// What the ephemeral rows of earlier terms were is not known any more.
	p.eph.horizon = p.clock.Last()
	p.term, p.stopped = term, nil
	clear(p.unsure)
	clear(p.pruning)
	clear(p.fetching)
	p.voidParts()
	return true
}

// Stop ends leadership or, with a storage error, all writing: the speculative
// suffix is dropped and its callers are told. All locks end, and their waiters
// run on to be told too. After a storage error transactions that read only
// what is durable go on; else every transaction under way is refused.
//
// Invariant PART-2: batches never proposed are not applied; of those that
// were, nobody knows.
func (p *Partition) Stop(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Lock()
	defer p.line.Unlock()
	p.stop(cause)
}

// stop is Stop. Held: mu, line.
func (p *Partition) stop(cause error) {
	if p.stopped == nil || isFinal(cause) && !isFinal(p.stopped) {
		p.stopped = cause
	}
	if !isStorage(cause) {
		p.term = 0
	}
	p.locks.reset()
	p.voidParts()
	for _, b := range p.waiting {
		b.Err, b.ReadErr = failure(b, cause), dropped(cause)
		for _, c := range b.cells {
			p.revert(c)
		}
		for i := range b.Stored {
			p.dropResult(b.Stored[i].Key)
			if b.proposed {
				p.unsure[b.Stored[i].Key] = b.Err
			}
		}
		p.unapplied -= b.bytes
		close(b.Done)
	}
	p.waiting, p.open, p.inflight, p.settling = nil, nil, nil, false
	p.dropUnsure()
	p.signalRoom()
}

// dropped is the answer of who wrote nothing that may remain.
func dropped(cause error) error {
	var known *script.Error
	if errors.As(cause, &known) {
		e := *known
		return &e
	}
	return &script.Error{Code: script.CodeRetry, Message: "the leader was lost before the write was proposed", Retry: true, Err: cause}
}

func failure(b *Batch, cause error) error {
	if !b.proposed {
		return dropped(cause)
	}
	return &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: cause,
		Message: fmt.Sprintf("the write was interrupted while committing (%v); the outcome is unknown", cause),
		Hint:    "read the keys again, or resend with an idempotency key"}
}

// revert takes back a persistent cell to its newest durable version. Held: line.
func (p *Partition) revert(c *cell) {
	if c.seq <= p.durable {
		return
	}
	p.overlay.remove(c)
	var v version
	for v.seq = c.seq; v.seq > p.durable; v = c.pop() {
		if len(c.past()) == 0 {
			p.dropCell(c)
			return
		}
	}
	c.row, c.seq = v.row, v.seq
	c.exists = c.row.Revision >= 0 // else it was purged before
	p.overlay.add(c)
}

// dropUnsure evicts the ephemeral rows that depend on a lost batch. Held: line.
func (p *Partition) dropUnsure() {
	for _, c := range p.eph.cells {
		if c.seq > p.durable {
			p.eph.drop(c, p.clock.Last())
		}
	}
}

// openBatch returns the batch that takes the next write. Held: line.
func (p *Partition) openBatch() *Batch {
	if p.open != nil {
		return p.open // full keeps writers away once it is long enough
	}
	p.lastSeq++
	b := &Batch{Seq: p.lastSeq, Term: p.term, Done: make(chan struct{})}
	if n := len(p.spare); n > 0 {
		b.use(p.spare[n-1])
		p.spare[n-1] = effects{}
		p.spare = p.spare[:n-1]
	}
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
	p.line.Lock()
	defer p.line.Unlock()
	return p.take()
}

// take is Take. Held: line.
func (p *Partition) take() *Batch {
	if p.inflight != nil || p.open == nil {
		return nil
	}
	b := p.open
	p.open = nil
	p.inflight = b
	b.proposed = true
	if b.size >= p.opts.BatchBytes {
		p.signalRoom()
	}
	assert(b.Seq == p.durable+1, "PART-1: batch out of order")
	return b
}

// Refused tells that the batch Take returned was not proposed: the executor
// stops. A batch that Stop has given up on belongs to an earlier term, and
// changes nothing.
func (p *Partition) Refused(b *Batch, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Lock()
	defer p.line.Unlock()
	if p.inflight != b {
		return
	}
	b.proposed = false
	p.stop(cause)
}

// Postponed tells that the batch Take returned could not be proposed now. It
// stays the next one to propose: the caller tries again, after Resume.
func (p *Partition) Postponed(b *Batch) {
	p.line.Lock()
	defer p.line.Unlock()
	b.proposed = false
}

// Resume reports whether a batch that was postponed must still be proposed: not
// when Stop has given up on it.
func (p *Partition) Resume(b *Batch) bool {
	p.line.Lock()
	defer p.line.Unlock()
	b.proposed = p.inflight == b
	return b.proposed
}

// Committed tells that the next proposed entry of term is durable. It answers
// the callers of its batch, and returns that batch, to be applied. An entry that
// Stop has given up on has no batch. The caller must call Next soon.
//
// Invariant PART-4: nobody is answered before.
func (p *Partition) Committed(term uint64) *Batch {
	p.line.Lock()
	defer p.line.Unlock()
	b := p.inflight
	if b == nil || b.Term != term || p.settling {
		return nil
	}
	p.settling = true
	p.durable = b.Seq
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	close(b.Done)
	return b
}

// Next returns the batch to propose after the one that was committed, if any.
// Between the two those who were answered may come again: what they ask for
// goes with it.
func (p *Partition) Next() *Batch {
	p.line.Lock()
	defer p.line.Unlock()
	if p.settling {
		p.settling, p.inflight = false, nil
	}
	return p.take()
}

// Applied tells that the store shows the batches, which it no longer needs:
// nothing must use them afterwards.
func (p *Partition) Applied(batches []*Batch) {
	p.applyAll(batches)
	p.tidy()
}

func (p *Partition) applyAll(batches []*Batch) {
	p.lock()
	defer p.mu.Unlock()
	before := p.unapplied
	for _, b := range batches {
		p.apply(b)
	}
	if p.unapplied < p.opts.UnappliedBytes && before >= p.opts.UnappliedBytes {
		p.line.Lock()
		p.signalRoom()
		p.line.Unlock()
	}
	p.evict()
}

// apply notes that the store shows b.
func (p *Partition) apply(b *Batch) {
	p.applied = b.Seq
	if b.Term == p.term { // else Lead has begun anew
		for _, c := range b.cells {
			p.settle(c)
		}
	}
	for _, key := range b.pruned {
		delete(p.fetching, key) // it may have read what was there before
		if p.pruning[key] == b.Seq {
			delete(p.pruning, key)
		}
	}
	for i := range b.Stored {
		if r := p.results[b.Stored[i].Key]; r != nil && r.seq == b.Seq {
			p.dropResult(b.Stored[i].Key)
		}
	}
	p.unapplied -= b.bytes
	if len(p.spare) < spareMax && len(b.Ops) > 0 && cap(b.Ops) <= spareOps {
		p.spare = append(p.spare, b.effects())
	}
}

// signalRoom wakes the writers that wait for room. Held: line.
func (p *Partition) signalRoom() {
	close(p.room)
	p.room = make(chan struct{})
}

// settle drops from a cell what the store shows by now.
func (p *Partition) settle(c *cell) {
	if c.gone {
		return
	}
	if c.seq > p.applied {
		n, past := 0, c.past()
		for n < len(past) && past[n].seq <= p.applied {
			n++
		}
		c.forgetOldest(n)
		return
	}
	c.older, c.from = nil, 0
	if p.overlay.remove(c) || !c.counted {
		p.recent.add(c)
	}
}

// Close refuses scripts from now on with cause and returns the newest batch
// that still has to become durable, or nil.
func (p *Partition) Close(cause error) *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.term, p.stopped = 0, cause
	p.line.Lock()
	defer p.line.Unlock()
	if n := len(p.waiting); n > 0 {
		return p.waiting[n-1]
	}
	return nil
}

// batchOf returns the batch with number seq when it is not durable yet. Held:
// line.
func (p *Partition) batchOf(seq uint64) *Batch {
	if seq <= p.durable {
		return nil
	}
	return p.waiting[seq-p.durable-1]
}

// lost reports whether Stop has dropped the batch with number seq: what was
// read of it must not be answered. Held: line.
func (p *Partition) lost(seq uint64) bool { return seq > p.durable+uint64(len(p.waiting)) }

// Ran returns how many scripts and calls have run in the executor.
func (p *Partition) Ran() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats.Fast
}

// Stats returns a copy of the counters.
func (p *Partition) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.CacheRows, s.CacheBytes = int64(p.recent.len), p.recent.bytes
	s.EphemeralRows, s.EphemeralBytes = int64(len(p.eph.cells)), p.eph.use.bytes
	s.Evictions, s.Expired = p.eph.evictions, p.eph.expired
	s.UnappliedBytes = p.unapplied
	s.Locks = int64(len(p.locks.active))
	return s
}
