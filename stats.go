package kahuna

import (
	"time"

	"kahuna/internal/txn"
)

// Stats tell how a store is doing. Counters count since Open, sizes are those
// of this moment, in bytes.
type Stats struct {
	// FastPath and SlowPath are the scripts and calls that ended on each path;
	// Restarts are runs that were void and started over. Transactions are
	// the interactive ones that were committed, Conflicts those that lost
	// against another one.
	FastPath, SlowPath, Restarts uint64
	Transactions, Conflicts      uint64
	// LockWaits is how often one had to wait for a lock; Locks are requests
	// for locks that wait now, and scripts and transactions that hold some.
	LockWaits uint64
	Locks     int64

	// How long callers have waited, each of them counted when it is over: for
	// locks; for room, when too much waits to be written or applied; for the
	// script that runs with the same idempotency key; and for the answer to
	// become durable, of which the time is the disk's (see Fsyncs) and that
	// of the batch before.
	LockWait, RoomWait, RequestWait, DurableWait Wait
	// AdmissionWait is the same for scripts that waited to be let on the slow
	// path, GaveWay for those on it, when they waited for a turn or paused for
	// the garbage they made.
	AdmissionWait, GaveWay Wait
	// SlowScripts are under way on the slow path now, SlowWaiting wait to be
	// admitted to it; AdmissionRefused were refused.
	SlowScripts, SlowWaiting int
	AdmissionRefused         uint64
	// Executor is the time calls spent in the executor, waiting for it and
	// running, measured on one call of 256, picked at random.
	Executor Wait

	// Batches are the entries written to the log, with BatchedScripts in
	// them; Fsyncs of the log, the last of which took LastFsync, the slowest
	// MaxFsync, and all of them FsyncTime.
	Batches, BatchedScripts, Fsyncs uint64
	LastFsync, MaxFsync, FsyncTime  time.Duration
	// UnappliedBytes wait to be applied to the rows, LogQueueBytes to be
	// written to the log.
	UnappliedBytes, LogQueueBytes int64

	// Rows of the persistent space, those that have ended and are not yet
	// collected included.
	Rows int64
	// RowsBytes and LogBytes are on disk.
	RowsBytes, LogBytes int64
	// Purged rows and Pruned histories were collected.
	Purged, Pruned uint64

	// IdempotencyKeys that are remembered, and about what their results take.
	IdempotencyKeys, IdempotencyBytes int64

	// The cache of rows that scripts read and write.
	RowCacheRows, RowCacheBytes  int64
	RowCacheHits, RowCacheMisses uint64
	// The cache of blocks of the row files.
	BlockCacheBytes                  int64
	BlockCacheHits, BlockCacheMisses int64
	// Flushes and Compactions of the row files that were made, and the bytes
	// CompactionDue. Stalls is how often writing waited for them.
	Flushes, Compactions, CompactionDue, Stalls int64

	// The ephemeral space: rows and bytes now; Evicted for lack of memory,
	// Expired rows that were collected.
	EphemeralRows, EphemeralBytes      int64
	EphemeralEvicted, EphemeralExpired uint64
}

// Wait is how long callers have waited for something: how many of them, for
// how long in all, and the longest one.
type Wait struct {
	Count      uint64
	Total, Max time.Duration
}

func waitOf(w *txn.Wait) (s Wait) {
	s.Count, s.Total, s.Max = w.Sum()
	return s
}

// Stats returns the present state. It is cheap enough to be called every
// second, and may be called at any time before Close.
func (db *DB) Stats() Stats {
	p, rows, log := db.node.Stats()
	w := &db.node.Runner.Waits
	a := db.node.Runner.Admission.Stats()
	return Stats{
		FastPath: p.Fast, SlowPath: p.Slow, Restarts: p.Restarts, LockWaits: p.LockWaits, Locks: p.Locks,
		Transactions: w.Committed.Load(), Conflicts: w.Conflicts.Load(),
		LockWait: waitOf(&w.Locks), RoomWait: waitOf(&w.Room), RequestWait: waitOf(&w.Requests),
		DurableWait: waitOf(&w.Durable), Executor: waitOf(&w.Executor),
		AdmissionWait: waitOf(&w.Admission), GaveWay: waitOf(&w.GaveWay),
		SlowScripts: a.UnderWay, SlowWaiting: a.Waiting, AdmissionRefused: a.Refused,
		Batches: p.Batches, BatchedScripts: p.BatchedScripts,
		Fsyncs: log.Syncs, LastFsync: log.LastSync, MaxFsync: log.MaxSync, FsyncTime: log.SyncTime,
		UnappliedBytes: p.UnappliedBytes, LogQueueBytes: log.QueueBytes,
		Rows: rows.Rows, RowsBytes: rows.DiskBytes, LogBytes: log.DiskBytes,
		Purged: p.Purged, Pruned: p.Pruned,
		IdempotencyKeys: rows.Results, IdempotencyBytes: rows.ResultBytes,
		RowCacheRows: p.CacheRows, RowCacheBytes: p.CacheBytes, RowCacheHits: p.CacheHits, RowCacheMisses: p.CacheMisses,
		BlockCacheBytes: rows.CacheBytes, BlockCacheHits: rows.CacheHits, BlockCacheMisses: rows.CacheMisses,
		Flushes: rows.Flushes, Compactions: rows.Compactions, CompactionDue: rows.CompactionDebtBytes, Stalls: rows.Stalls,
		EphemeralRows: p.EphemeralRows, EphemeralBytes: p.EphemeralBytes,
		EphemeralEvicted: p.Evictions, EphemeralExpired: p.Expired,
	}
}
