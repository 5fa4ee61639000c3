package raftlog

import (
	"sync"

	"go.etcd.io/raft/v3/raftpb"
)

// Write is what one group wants on disk, whole or not at all. Its parts take
// effect in the order Drop, Reset, HardState, Entries.
type Write struct {
	// Group is the number of the group.
	Group uint64

	// Drop forgets the group: hard state, entries and mark.
	Drop bool

	// Reset, if Index is not 0, makes the group's log begin behind it, without
	// entries: a snapshot up to there is being installed.
	Reset Mark

	// HardState is the new hard state; nil or empty when unchanged.
	HardState *raftpb.HardState

	// Entries are consecutive, and begin at most one behind the group's last
	// index. They replace existing entries from their first index on. Those
	// already compacted are skipped. They are kept in memory for readers, and
	// must not be modified any more.
	Entries []*raftpb.Entry

	// MustSync asks for a sync also if nothing but the commit index is new.
	// All else is always synced before Done.
	MustSync bool

	// Done, unless nil, is called once, in the order of Append and Enqueue, on
	// the log's goroutine. It must be quick, and must not call Append, which
	// could wait for room that only Done's return makes, nor Close; Enqueue is
	// for it. The error is nil, or wraps ErrFailed (unknown whether written),
	// ErrClosed, ErrInvalidWrite or ErrTooLarge (not written).
	Done func(error)
}

// pending is a write on its way.
type pending struct {
	Write
	group *Group
	bytes int64 // at most what it takes in a frame
	runs  []*run
	err   error
}

func (w *Write) bytesMax() int64 {
	n := int64(4 * recordBytes)
	data := int64(0)
	for _, e := range w.Entries {
		data += int64(len(e.GetData())) + entryBytes
	}
	return n + data + (data/runMaxBytes*2+1)*recordBytes
}

// queue holds the writes that wait for the writer.
type queue struct {
	mu      sync.Mutex
	work    sync.Cond // for the writer: items, flushing or closing
	room    sync.Cond // for Append: bytes fell, closing, or failed
	items   []pending
	bytes   int64 // queued or being written
	max     int64
	flushes bool // a frame is wanted even without writes
	closing bool
	failed  bool
}

func (q *queue) init(max int64) {
	q.work.L, q.room.L = &q.mu, &q.mu
	q.max = max
}

// put adds p; with wait, when there is room. It reports false when the log is
// closing.
func (q *queue) put(p pending, wait bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for wait && q.bytes > 0 && q.bytes+p.bytes > q.max && !q.closing && !q.failed {
		q.room.Wait()
	}
	if q.closing {
		return false
	}
	q.bytes += p.bytes
	q.items = append(q.items, p)
	q.work.Signal()
	return true
}

// take waits for work and returns what is queued, in the memory of spare, up
// to about batchMaxBytes. more is false when the log is closing and nothing is
// left.
func (q *queue) take(spare []pending) (batch []pending, flush, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.flushes && !q.closing {
		q.work.Wait()
	}
	flush, q.flushes = q.flushes, false
	n, bytes := 0, int64(0)
	for n < len(q.items) && (n == 0 || bytes+q.items[n].bytes <= batchMaxBytes) {
		bytes += q.items[n].bytes
		n++
	}
	if n == len(q.items) {
		batch, q.items = q.items, spare[:0]
	} else {
		batch = append(spare[:0], q.items[:n]...)
		k := copy(q.items, q.items[n:])
		clear(q.items[k:])
		q.items = q.items[:k]
	}
	return batch, flush, n > 0 || flush
}

// release makes room for bytes.
func (q *queue) release(bytes int64) {
	q.mu.Lock()
	q.bytes -= bytes
	q.room.Broadcast()
	q.mu.Unlock()
}

// flush asks for a frame.
func (q *queue) flush() {
	q.mu.Lock()
	q.flushes = true
	q.work.Signal()
	q.mu.Unlock()
}

// fail lets everybody in: the writer answers with the error.
func (q *queue) fail() {
	q.mu.Lock()
	q.failed = true
	q.room.Broadcast()
	q.mu.Unlock()
}

// close refuses later writes. It reports false if that was already so.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return false
	}
	q.closing = true
	q.room.Broadcast()
	q.work.Signal()
	return true
}
