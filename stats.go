package kahuna

import "time"

// Stats tell how a store is doing. Counters count since Open.
type Stats struct {
	// Scripts and calls by the path they ended on, and runs that were void
	// and started over.
	FastPath, SlowPath, Restarts uint64
	// LockWaits is how often one had to wait for a lock; Locks are requests
	// for locks that are held or waiting now.
	LockWaits uint64
	Locks     int64

	// Batches are the entries written to the log, with BatchedScripts in
	// them; Fsyncs of the log, the last of which took LastFsync, and the
	// slowest MaxFsync.
	Batches, BatchedScripts, Fsyncs uint64
	LastFsync, MaxFsync             time.Duration
	// UnappliedBytes wait to be applied to the rows.
	UnappliedBytes int64

	// Rows of the persistent space, those that have ended and are not yet
	// collected included.
	Rows int64
	// RowsBytes and LogBytes are on disk.
	RowsBytes, LogBytes int64
	// Purged rows and Pruned histories were collected.
	Purged, Pruned uint64

	// IdempotencyKeys that are remembered, and about what their results take.
	IdempotencyKeys, IdempotencyBytes int64

	// The cache of rows that scripts read and write, and the cache of blocks.
	RowCacheRows, RowCacheBytes         int64
	RowCacheHits, RowCacheMisses        uint64
	BlockCacheBytes                     int64
	BlockCacheHits, BlockCacheMisses    int64
	Flushes, Compactions, CompactionDue int64 // CompactionDue in bytes

	// The ephemeral space: rows and bytes now; Evicted for lack of memory,
	// Expired rows that were collected.
	EphemeralRows, EphemeralBytes      int64
	EphemeralEvicted, EphemeralExpired uint64
}

// Stats returns the present state. It is cheap enough to be called every
// second, and may be called at any time before Close.
func (db *DB) Stats() Stats {
	p, rows, log := db.node.Stats()
	return Stats{
		FastPath: p.Fast, SlowPath: p.Slow, Restarts: p.Restarts, LockWaits: p.LockWaits, Locks: p.Locks,
		Batches: p.Batches, BatchedScripts: p.BatchedScripts,
		Fsyncs: log.Syncs, LastFsync: log.LastSync, MaxFsync: log.MaxSync,
		UnappliedBytes: p.UnappliedBytes,
		Rows:           rows.Rows, RowsBytes: rows.DiskBytes, LogBytes: log.DiskBytes,
		Purged: p.Purged, Pruned: p.Pruned,
		IdempotencyKeys: rows.Results, IdempotencyBytes: rows.ResultBytes,
		RowCacheRows: p.CacheRows, RowCacheBytes: p.CacheBytes, RowCacheHits: p.CacheHits, RowCacheMisses: p.CacheMisses,
		BlockCacheBytes: rows.CacheBytes, BlockCacheHits: rows.CacheHits, BlockCacheMisses: rows.CacheMisses,
		Flushes: rows.Flushes, Compactions: rows.Compactions, CompactionDue: rows.CompactionDebtBytes,
		EphemeralRows: p.EphemeralRows, EphemeralBytes: p.EphemeralBytes,
		EphemeralEvicted: p.Evictions, EphemeralExpired: p.Expired,
	}
}
