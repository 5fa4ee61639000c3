// Package wire is the meaning of the original system's protocol: calls on keys,
// scripts, interactive transactions with their locks, and snapshot holds. The
// packages grpcapi and origrest put it on gRPC and on REST; requests and answers
// are the messages of package wirepb in both.
//
// A call never fails: what became of it is in its answer, also when the request
// makes no sense. Beside the Type of the original, an answer has a Detail with
// the code, the outcome, and all else that is known of an error.
//
// # Transactions
//
// An interactive transaction is an optimistic one of the store: it takes no
// locks there, and commits only if nobody has changed what it read or wrote. The
// locks of the original, on keys, prefixes and ranges, are kept here. They are
// leases, they keep writers of this package away, and they spare a transaction
// the conflict. They are not what makes it serializable: a lease may end, and a
// caller of another protocol does not see them; then commit says Aborted.
//
// Who meets a lock waits a short while and is refused: writes with MustRetry,
// lock requests with AlreadyLocked, scripts with Aborted. Reads do not wait.
//
//	start ─> operations, each at most once under its id ─> commit or rollback
//	             │ writes take the point lock of their key
//	             └ locks: table.go
//
// Invariants:
//
//   - WIRE-1: an operation id takes effect at most once, and an answer of
//     MustRetry is not remembered under it.
//   - WIRE-2: a transaction's locks end with it.
package wire
