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
// Locks, in the order in which they may be held together: group.mu, then the
// partition's mutex, then those of log, applier queue and store. A caller holds
// none of them while it waits.
//
// # Directory
//
//	DIR/rows   the materialised rows (Pebble)
//	DIR/log    the Raft log, the only log
//	DIR/owner  which process has the directory open, for error messages
package node
