package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Step takes a message from the network. The message must not be changed
// afterwards.
//
// It returns ErrBadMessage for what no replica sends (see check),
// ErrUnknownPeer for an answer of a replica that is no member, ErrBusy for a
// snapshot that comes while entries are being applied, ErrLogBehind if the
// leader counts on entries that are not here. The message is then ignored,
// which Raft copes with as with any loss, except for ErrLogBehind: this replica
// must not go on.
func (r *Replica) Step(m *raftpb.Message) (err error) {
	if r.failed != nil {
		return r.failed
	}
	defer r.guard(&err)
	r.sync()
	if err := r.check(m); err != nil {
		return err
	}
	if m.GetType() == raftpb.MsgSnap && r.applies.len()+r.queue.len() > 0 {
		return ErrBusy // Invariant REP-6
	}
	r.touch()
	if err := r.rn.Step(m); err != nil {
		if errors.Is(err, raft.ErrStepPeerNotFound) {
			return ErrUnknownPeer
		}
		return err
	}
	r.sync()
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if m.GetTerm() == r.st.Term {
			r.timer.hear()
		}
	case raftpb.MsgVote:
		if m.GetTerm() == r.st.Term && m.GetFrom() == r.vote {
			r.timer.hear()
		}
	}
	return nil
}

func bad(m *raftpb.Message, why string) error {
	return fmt.Errorf("%w: %v from %d in term %d: %s", ErrBadMessage, m.GetType(), m.GetFrom(), m.GetTerm(), why)
}

// check refuses what would make Raft panic, or believe what cannot be:
//
//   - types that are for inside a replica, or ask a leader to propose for
//     another one;
//   - senders and receivers that are not replicas, and messages "from us":
//     these could fake our own durability;
//   - a missing term, which Raft takes for a message from inside;
//   - entries that are not one run, or of impossible terms;
//   - acknowledgements of entries and reads that were never sent;
//   - snapshots without position or with an impossible membership;
//   - a commit index beyond our log.
func (r *Replica) check(m *raftpb.Message) error {
	switch {
	case m == nil:
		return fmt.Errorf("%w: nil", ErrBadMessage)
	case m.GetTo() != r.cfg.ID:
		return bad(m, "not for this replica")
	case m.GetFrom() == raft.None || m.GetFrom() == r.cfg.ID || raft.IsLocalMsgTarget(m.GetFrom()):
		return bad(m, "not from another replica")
	case m.GetTerm() == 0 || m.GetTerm() > math.MaxInt64:
		return bad(m, "impossible term")
	case len(m.GetResponses()) > 0:
		return bad(m, "carries responses")
	case m.GetType() != raftpb.MsgApp && len(m.GetEntries()) > 0:
		return bad(m, "carries entries")
	}
	switch m.GetType() {
	case raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp, raftpb.MsgTimeoutNow:
		return nil
	case raftpb.MsgApp:
		return checkEntries(m)
	case raftpb.MsgSnap:
		return checkSnapshot(m)
	case raftpb.MsgHeartbeat:
		if n := len(m.GetContext()); n != 0 && n != 8 {
			return bad(m, "context")
		}
		if m.GetTerm() >= r.st.Term && m.GetCommit() > r.last {
			return fmt.Errorf("%w: leader %d has %d acknowledged here, log ends at %d", ErrLogBehind, m.GetFrom(), m.GetCommit(), r.last)
		}
		return nil
	case raftpb.MsgHeartbeatResp:
		switch n := len(m.GetContext()); {
		case n != 0 && n != 8:
			return bad(m, "context")
		case n == 8 && r.st.IsLeader && m.GetTerm() == r.st.Term && binary.LittleEndian.Uint64(m.GetContext()) > r.reads:
			return bad(m, "confirms reads never asked for")
		}
		return nil
	case raftpb.MsgAppResp:
		if r.st.IsLeader && m.GetTerm() == r.st.Term && !m.GetReject() && m.GetIndex() > r.last {
			return bad(m, "acknowledges entries never sent")
		}
		return nil
	}
	return bad(m, "type does not travel")
}

func checkEntries(m *raftpb.Message) error {
	index, term := m.GetIndex(), m.GetLogTerm()
	if index > math.MaxInt64 || term > m.GetTerm() {
		return bad(m, "impossible position")
	}
	if (index == 0) != (term == 0) {
		return bad(m, "position without term")
	}
	for _, e := range m.GetEntries() {
		index++
		switch {
		case e == nil || e.GetIndex() != index:
			return bad(m, "entries are not consecutive")
		case e.GetTerm() < term || e.GetTerm() == 0 || e.GetTerm() > m.GetTerm():
			return bad(m, "entries with impossible terms")
		case e.GetType() < raftpb.EntryNormal || e.GetType() > raftpb.EntryConfChangeV2:
			return bad(m, "entry of unknown type")
		}
		term = e.GetTerm()
	}
	return nil
}

func checkSnapshot(m *raftpb.Message) error {
	meta := m.GetSnapshot().GetMetadata()
	switch {
	case meta.GetIndex() == 0 || meta.GetIndex() > math.MaxInt64:
		return bad(m, "snapshot without position")
	case meta.GetTerm() == 0 || meta.GetTerm() > m.GetTerm():
		return bad(m, "snapshot of an impossible term")
	case len(meta.GetConfState().GetVoters()) == 0:
		return bad(m, "snapshot without voters")
	}
	if _, err := changer(meta.GetConfState()); err != nil {
		return bad(m, err.Error())
	}
	return nil
}
