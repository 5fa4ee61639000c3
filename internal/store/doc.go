// Package store keeps the rows of a node: the materialised result of its
// replicated logs, on one Pebble instance that all groups of the node share.
//
// # What it guarantees
//
//   - Apply makes a whole kv.Batch and the fact that it was applied visible to
//     readers at once, and they survive a crash together or not at all.
//     Applying is deterministic and idempotent by index (Invariant PART-5).
//   - What was applied in one order is lost, if at all, from the end of that
//     order: after a crash the store is as it was after some Apply, at or
//     after FlushedIndex, and Applied tells which one (Invariant STORE-1).
//   - FlushedIndex never names an index that a crash could still lose
//     (Invariant STORE-2). Everything above it has to be in the log.
//   - After a failed write to the disk, nothing in the directory changes any
//     more until it is opened again (Invariant STORE-3).
//
// # What it does not
//
// It has no log of its own: Pebble's is off, Apply does not sync, and what was
// not flushed is gone after a crash. The Raft log is the log; whoever owns it
// applies it again from Applied. The store reads no clock: every time in it
// comes from a batch. It knows nothing of transactions; a reader that needs
// several keys of one moment keeps the writers out itself.
//
// # Rows
//
// Keys are cut into bucket and rest at their last slash and ordered by (bucket,
// rest); a marker keeps the key "a", which has no slash, apart from "a/".
//
//	L space bucket 0 marker rest                 newest version, and older ones of its block
//	H space bucket 0 marker rest 0 ^revision     an older version, newest first
//	H space bucket 0 marker rest 0 ^revision ff  a block of older versions, by its last revision
//	H space bucket 0 marker rest 0               marks a key whose L row has older versions
//	X milliseconds space key                     expiry or deletion of the newest version
//	I idempotency-key                            result of a finished script
//	J time idempotency-key                       the same results by age, with their length
//	R kind group                                 applied index, clock, membership, ...
//
// Versions with a value of up to 128 bytes are kept in blocks of eight
// revisions: 0 to 7, 8 to 15 and so on. The block of the newest version is in its
// L row, so that most writes are one row and nothing else; when the newest
// version goes on to the next block, the block before becomes an H row. One with
// a value of up to 1 KiB moves from L to an H row of its own when a newer one
// supersedes it. A larger one is in H from the beginning, and its L row says so:
// superseding a version never copies a large value, which bounds what a batch of
// small deletes can cost. Therefore the history of a key is the block in its L
// row and the H rows with a revision below that of its L row, as far as the kept
// number goes: a block is dropped when all of it is beyond that (Invariant
// STORE-4). The expiry of a large version can change after its H row was written
// (kv.Touch); its last expiry then stands in the row of the version that
// superseded it.
//
// A hint (kv.Op.Old, kv.Op.Tail) tells what is in the L row of a key, so that
// the leader, who knows it anyway, never has to read a row in order to write it.
//
// # Copies
//
// Export hands out all rows as they are at one moment, and Build makes a store
// of them, without what belongs to the log they came from: a backup.
//
// # Failure
//
// A full or broken disk stops the store for good: Failed is closed, Err and
// every later Apply return the reason. Reads go on. Nothing is lost by that,
// since the log has everything above FlushedIndex; free some space and open
// the directory again.
//
// # Concurrency
//
// All methods may be called concurrently. Apply and the other writers take
// turns. The visit functions are called without any lock of the store and may
// call it again.
package store
