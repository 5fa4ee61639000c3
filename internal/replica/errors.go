package replica

import "errors"

// Errors of inputs. They change nothing: the input is as if never made.
var (
	// ErrNotLeader: this replica is not the leader, or not in the term asked for.
	ErrNotLeader = errors.New("replica: not the leader in this term")
	// ErrProposalDropped: the leader takes no proposal now, since too much is
	// uncommitted, leadership is being transferred, or it left the group.
	ErrProposalDropped = errors.New("replica: proposal dropped")
	// ErrEmptyProposal: a proposal without data could not be told from the
	// entry that Raft itself adds at the start of a term.
	ErrEmptyProposal = errors.New("replica: empty proposal")
	// ErrNotCaughtUp: the leader has not yet committed an entry of its term.
	ErrNotCaughtUp = errors.New("replica: leader not caught up")
	// ErrConfChangePending: an earlier membership change is not yet applied.
	ErrConfChangePending = errors.New("replica: membership change pending")
	// ErrBadConfChange: the membership change cannot be made from here.
	ErrBadConfChange = errors.New("replica: invalid membership change")
	// ErrUnknownPeer: the named replica is not a member (or not a voter, where
	// one is needed).
	ErrUnknownPeer = errors.New("replica: unknown peer")
	// ErrBadMessage: a message from the network is malformed or of a type that
	// does not travel.
	ErrBadMessage = errors.New("replica: bad message")
	// ErrBusy: a snapshot arrived while entries are being applied. The sender
	// should be told that it failed, and tries again.
	ErrBusy = errors.New("replica: busy applying, snapshot refused")
	// ErrOutOfOrder: Appended or Applied was called with something else than
	// the oldest one outstanding. A programming error of the owner.
	ErrOutOfOrder = errors.New("replica: completion out of order")
)

// Errors that say this replica must not go on.
var (
	// ErrLogBehind: the log ends before an index that is known to be committed
	// or acknowledged: the disk lost writes it had reported durable. Voting with
	// it could lose committed entries.
	ErrLogBehind = errors.New("replica: log lost durable entries")
	// ErrRowsBehind: the log begins behind an index that is not applied: the
	// entries between are nowhere. Only a snapshot has what they did.
	ErrRowsBehind = errors.New("replica: state machine older than the log")
	// ErrFailed: the state machine stopped; Err has the reason. It is final.
	ErrFailed = errors.New("replica: failed")
)
