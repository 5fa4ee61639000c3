// Package replica is one Raft group of a node: batches of writes go in, a log
// that all replicas agree on comes out.
//
// It is a pure state machine over go.etcd.io/raft/v3. It has no clock, no
// goroutine, and does no I/O: time comes in as [Replica.Tick], the network as
// [Replica.Step], finished disk writes as [Replica.Appended] and finished
// state machine work as [Replica.Applied]; what is to be done comes out of
// [Replica.Ready]. Under the same inputs and the same [Config.Seed] two
// Replicas return the same outputs, which is what lets the tests replay a
// cluster under a seed.
//
// A Replica is NOT safe for concurrent use. Its owner serialises all calls.
// What Ready returned (entries, messages, data) may be read by other goroutines
// at any time, and must not be changed by anybody.
//
// # Life of a batch
//
//	Propose(term, data)            refused unless leader in exactly that term
//	Ready -> Messages              to the followers, at once
//	      -> Append #7             to the local log; #5 and #6 may still be
//	                               on their way, order is all that counts
//	Appended(#7)                   durable here: our own vote for the entry
//	Step(MsgAppResp)               durable there
//	Ready -> Apply                 a quorum has it: answer, write the rows
//	Applied
//
// Messages to ourselves never leave the package. A write that Raft orders only
// to delay a message (nothing to store) is not handed out either: the messages
// wait for the last Append in flight, or go at once when there is none.
//
// # What the owner must do
//
//   - Write Appends in the order they came, each whole or not at all after a
//     crash (or else entries and snapshot no later than the hard state), and
//     call Appended in that order. If MustSync is set, only when it and all
//     before it are durable. Entries overwrite those at and above their first
//     index. Config.Storage must show an Append no later than its Appended.
//   - Install a snapshot so that a crash leaves all of it or nothing, after a
//     restart at the latest: log and state machine are two things, and New
//     takes neither a log that begins behind the state machine nor one that
//     ends before it. Have the new state machine complete on disk first, beside
//     the old one; then reset the log; then replace the state machine; and
//     finish that before New when a crash came between.
//   - Apply entries in order, keep the applied index and the ConfState with the
//     rows they belong to, and hand both to New after a restart. Entries above
//     it come again.
//   - Send Messages any time after Ready; no order, loss and repetition are
//     fine. After sending a MsgSnap, call ReportSnapshot.
//   - Call Ready until it says no after every input.
//
// # Guarantees
//
//   - REP-1 Propose puts data into the log in the term it was asked for, or
//     returns an error and never puts it there (the half of Invariant PART-1
//     and PART-2 that belongs here). Proposals of one term are applied in the
//     order they were made. There is no forwarding to another leader.
//   - REP-2 An entry is handed out for apply only when a quorum has it durable,
//     in order, once per life of the Replica, at every replica the same.
//   - REP-3 Status.CaughtUp is set only after an entry of the leader's own term
//     was handed out for apply, so after everything of earlier terms
//     (Invariant PART-3).
//   - REP-4 Nothing that promises durability (a vote, an acknowledged append)
//     leaves before the Append it is about, and all before it, are reported
//     durable.
//   - REP-5 A membership change takes effect only after the commit index that
//     covers it is durable here. Else a restart could bring back a membership
//     several changes old, with a quorum of its own, and two leaders.
//   - REP-6 A snapshot is handed out only while no Apply is; no Apply is handed
//     out while a snapshot is being installed.
//   - REP-7 No message from the network makes the Replica panic. Malformed
//     ones are refused with ErrBadMessage before Raft sees them. Should Raft
//     stop on an inconsistency all the same, or because Storage failed to read,
//     the Replica fails for good (Err) and does nothing any more: one group
//     stops, not the process.
//
// # Shrinking a group
//
// Raft as implemented here uses a membership when it is applied, so those who
// stay may need the vote of one who left to learn that it did. A removed
// replica must run on until the others have applied its removal. If those who
// stay were no majority before (two replicas become one), they can also be
// stopped for good by a crash at that very moment that takes entries from them
// which the removed one has. So remove few at a time, and take a backup before
// two become one. The leader is never removed; transfer the leadership first.
//
// A snapshot is of use to a new member only if its membership names it: take
// one after the change was applied.
//
// # What it does not do
//
// It does not authenticate messages: a peer that lies within the protocol (a
// false acknowledgement of an index that exists, say) breaks agreement, as in
// every Raft. A proposal that Propose accepted is not promised to be committed:
// when the leader loses its term its fate is unknown. Lost reads (ReadIndex)
// are not reported; the owner fails its readers when the Status changes.
package replica
