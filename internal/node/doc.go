// Package node wires the parts of a store together and owns everything that
// is not pure: goroutines, the clock, the disk.
//
//	callers ──run──> partition ──batch──> group (replica) ──append──> raftlog
//	   ^                 ^ answer            ^      │                    │
//	   └─────────────────┴── committed ──────┘<─────┼──── durable ───────┘
//	                                                └─apply─> applier ─> store
//
// Goroutines, each with its owner: the log's writer and janitor (raftlog),
// Pebble's (store), and of the node itself the applier, the ticker and the
// sweeper; Close stops them all and waits.
//
// The applier lets entries gather for some milliseconds, since nobody waits for
// it, and applies them together and in the order of their keys.
//
// Locks, in the order in which they may be held together: group.mu, then the
// partition's (its mutex, its line), then those of log, applier queue and store. A caller holds
// none of them while it waits.
//
// # Directory
//
//	DIR/rows   the materialised rows (Pebble)
//	DIR/log    the Raft log, the only log
//	DIR/LOCK   locked by the process that has the directory open
//	DIR/owner  which process that is, for error messages
//
// Two names are there only while something is made, and tell a later Open that
// it was not finished: rows.new, of a store that is created, which Open makes
// again, and rows.restore, of one that is restored, which Open refuses.
//
// # Backup
//
// Backup waits until the applier has applied what was acknowledged before, and
// writes a snapshot of the store as a stream of package backup. Restore makes
// the rows of such a stream under another name; the new store has no log yet
// and begins one, like a store that was just created.
package node
