// Package model is the store as docs/language.md describes it, written to be
// obviously right and nothing else. It is the oracle of the property, crash and
// conformance tests: an engine is correct when it answers as the model does. It
// shares no code with the engine, keeps every version for ever in plain slices,
// searches them from end to end, and knows nothing of disks, threads or
// partitions.
//
// # What a store is
//
// For each space and key a list of versions, oldest first. A version is a
// value or a tombstone, with its revision, its commit time and its expiry.
// From the list follows everything else:
//
//   - the counter of a key is the revision of its last version, -1 without one;
//   - a key is live when its last version is neither a tombstone nor expired;
//   - a version is kept, that is readable by "at" and "as of", unless it was
//     written with norev and superseded, or is an ephemeral one older than the
//     newest KeepEphemeral of those;
//   - the version visible at a time is the newest one committed by then; "as
//     of" answers with it when it is kept, and fails when it is not.
//
// # What a transaction is
//
// A Tx is a list of pending changes, at most one for each key, laid over the
// store. Commit appends them to the store, Rollback forgets them. It is one
// transaction at a time: the model has no conflicts because whoever uses it
// commits or rolls back one Tx before beginning the next, in the order that
// the system under test claims to have executed.
//
// # Choices where the language leaves room
//
//   - The time to live of an extend starts at commit, like that of a set. A
//     row written or extended by the transaction itself never expires inside
//     it.
//   - A time to live that ends beyond the last int64 ends there.
//   - "as of" a time after Now reads what is visible now: a row whose time to
//     live ends between now and then is still shown.
//   - A norev version that the transaction itself has superseded is no longer
//     readable by "at" in that transaction.
//
// Nothing here is safe for concurrent use.
package model
