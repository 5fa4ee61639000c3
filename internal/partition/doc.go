// Package partition is the serial executor of one partition of the key space
// and everything that orders scripts in it: the speculative state, the open
// batch, the ephemeral space, the lock table, remembered results.
//
// # Guarantee
//
// Scripts are strictly serializable: each sees the effects of all scripts
// before it, in an order that agrees with real time, in both spaces, also for
// reads that find nothing and for buckets and prefixes. A script takes effect
// whole or not at all. Nobody is answered before what the answer depends on
// is durable. Exceptions, by definition of the language: at and as of read
// the past and take no part in the order; ephemeral rows can be evicted.
//
// # How
//
// The caller's goroutine takes the partition's mutex and runs its script
// against the speculative state: committed rows, and over them the writes of
// scripts already ordered but not yet durable (early lock release, as in
// Aether). A successful script's writes become part of the speculative state
// and of the open batch in one step. When the batch on its way has committed,
// its callers are answered; they may come again before the open one is proposed
// (Next), and go with it. Callers wait for their batch without the mutex.
//
//	           caller                         log                    applier
//	run ─ publish ─┬─> open batch ─ Take ─> in flight ─ Committed ─> store.Apply ─ Applied
//	               └─ wait ·························┘answer             │
//	 speculative state:  rows (cache) + overlay (not yet applied) <─┘unpin
//
// A script that can not run so, because it sleeps or takes more steps than the
// executor grants, runs outside under locks (Slow): it reads row by row,
// buffers its writes and publishes them at the end exactly like a fast one.
// What it could not lock beforehand, since the key was not known, is validated
// at the end; when it changed, the run is void and is started over with these
// keys locked too. So is one that time has overtaken: it saw a row live that
// has ended since, and somebody has seen that (touch.go). What is long in that, a
// range (cursor.go) or many reads to validate (check.go, ranges.go), is done a
// few rows at a time. A fast script that meets a locked key queues for
// its whole footprint and then runs; everything else flows on.
//
// Nobody waits for the disk with the mutex, but for few rows. A run in the
// executor that needs a row, a range (rangeread.go) or an old version (past.go)
// from the store ends; that is read without the mutex, and the run is done again
// (fetch.go). Rows in the overlay go into order a few at a time.
//
// # What is pure
//
// The package performs no I/O but reads of the store, starts no goroutine and
// reads no clock: physical time comes with each call. The node proposes what
// Take and Next return and reports back.
//
// There are two locks: the executor's mutex, which whoever runs a script holds,
// and inside it, for moments, that of the line of batches, so that the log does
// not wait for scripts. A third one, outside of both, has those transactions
// stand in line that validate ranges.
//
// Invariants are numbered as in docs/invariants.md: PART-1 (Take), PART-2
// (Stop), PART-3 (Lead), PART-4 (Committed), PART-6 (validate), PART-7
// (endFetch), PART-8 (runnableIn), PART-9 (gaps), LOCK-1 and LOCK-2 (the lock table). Built with the tag
// "invariants", broken ones panic.
package partition
