// Package txn runs scripts and calls in a partition to their end: it chooses
// the path, takes locks where they are needed, starts over what was void, and
// waits until the answer is durable.
//
// The usual job runs once, in the executor, on the caller's goroutine. One
// that has to wait gets a watcher for its time-out and its caller's context,
// and goes round this loop:
//
//	lock what is known of its keys  ->  run  ->  done
//	        ^                            |
//	        +-- met a locked key, read what changed, another request
//	            of its idempotency key runs, no room: add to the locks or wait
//
// What goes on the slow path is admitted first (internal/admission), before it
// has any lock; whatever it waits for afterwards, it gives its place up meanwhile
// (Invariant ADM-1).
//
// All locks of a run are requested at once and granted in order, so there is
// no deadlock (Invariant LOCK-1). A script whose keys are only known while it
// runs is started over with the keys it met; after 16 runs that were void or met
// a locked key it locks the whole partition, so it always ends. The time-out
// covers all of this, but not the wait for admission, nor that for durability:
// what is ordered can no longer be taken back.
package txn
