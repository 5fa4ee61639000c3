package replica

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Tick moves time on by one tick: about a tenth of the time after which a
// silent leader is replaced.
func (r *Replica) Tick() {
	if r.failed != nil {
		return
	}
	var err error // kept in r.failed
	defer r.guard(&err)
	r.sync()
	if r.st.IsLeader {
		r.touch()
		r.rn.Tick()
		r.leaveJoint()
		return
	}
	forget, campaign := r.timer.tick()
	if forget && r.st.Leader != raft.None {
		r.touch()
		// The error can only be a misconfiguration of Raft; the leader is then
		// forgotten when we campaign.
		_ = r.rn.ForgetLeader()
	}
	if campaign && votes(r.conf, r.cfg.ID) {
		r.timer.reset()
		if r.role != raft.StateFollower && r.appends.len() > 0 {
			// Our own vote is not durable yet. Starting over would make it void,
			// and on a disk slower than an election nobody would ever be elected.
			return
		}
		r.elect()
	}
}

// leaveJoint makes sure that a joint membership that is to be left at once is
// left. Raft proposes that when it applies an entry, but drops it during a
// transfer of leadership, and in a group without writes would not try again.
func (r *Replica) leaveJoint() {
	if r.sync(); !r.st.CaughtUp || !r.conf.GetAutoLeave() {
		r.jointTicks = 0
		return
	}
	if r.jointTicks++; r.jointTicks%r.cfg.ElectionTicks == 0 {
		// If it is on its way after all, this becomes an empty entry.
		_ = r.rn.ProposeConfChange(&raftpb.ConfChangeV2{})
	}
}

// Campaign asks for an election in which this replica is the candidate, now or,
// while it still has committed membership changes to apply, as soon as they
// are. It does nothing at a leader, and at a replica without a vote. The
// return value is Err.
func (r *Replica) Campaign() (err error) {
	if r.failed != nil {
		return r.failed
	}
	defer r.guard(&err)
	r.campaign = true
	r.tryCampaign()
	return nil
}

// tryCampaign follows the wish of Campaign if Raft takes it now.
func (r *Replica) tryCampaign() {
	r.sync()
	if !r.campaign || r.st.IsLeader {
		r.campaign = false
		return
	}
	if !votes(r.conf, r.cfg.ID) {
		// Either never, or after the entries that make us a voter.
		r.campaign = r.st.Applied < r.st.Commit
		return
	}
	r.elect()
	r.sync()
	r.campaign = r.role == raft.StateFollower && r.st.Applied < r.st.Commit
}

// elect asks Raft for an election, which it may put off.
func (r *Replica) elect() {
	r.touch()
	r.asking = true
	_ = r.rn.Campaign() // not an error when it is not possible now
	r.asking = false
}

// Propose asks for data to become the next entry of the log, in this term.
//
// It returns ErrNotLeader if the replica is not the leader in exactly this
// term, ErrNotCaughtUp (see Status), ErrEmptyProposal, or ErrProposalDropped if
// too much is uncommitted, leadership is being transferred, or this leader is
// about to leave the group: then the data is not in the log and never will be
// (Invariant REP-1). After nil the data comes back in an
// Apply of the same term, or the term ends and its fate is open.
//
// data must not be changed afterwards.
func (r *Replica) Propose(term uint64, data []byte) (err error) {
	if r.failed != nil {
		return r.failed
	}
	if len(data) == 0 {
		return ErrEmptyProposal
	}
	defer r.guard(&err)
	r.sync()
	if !r.st.IsLeader || r.st.Term != term {
		return ErrNotLeader
	}
	if !r.st.CaughtUp {
		return ErrNotCaughtUp
	}
	if !slices.Contains(r.handed.GetVoters(), r.cfg.ID) {
		// Others may not know yet that we left and still need our vote. They
		// get it only if our log does not go on past the change.
		return ErrProposalDropped
	}
	r.dirty = true // but not stale: a proposal changes neither term nor role
	return proposed(r.rn.Propose(data))
}

func proposed(err error) error {
	if errors.Is(err, raft.ErrProposalDropped) {
		return ErrProposalDropped
	}
	return err
}

// ProposeConfChange asks for a change of the membership. It becomes effective
// when the Apply that holds it is Applied.
//
// It returns ErrNotLeader, ErrNotCaughtUp, ErrProposalDropped,
// ErrConfChangePending while an earlier change or the leader's first entry is
// not yet applied, and ErrBadConfChange if the change cannot be made from the
// present membership, or takes this leader's own vote: transfer the leadership
// first. After nil, as for Propose, the change may still be lost with the
// leader's term.
//
// A replica that is no member any more must be kept running until the others
// have applied the change that removed it: they may need its vote to get there.
func (r *Replica) ProposeConfChange(change raftpb.ConfChangeI) (err error) {
	if r.failed != nil {
		return r.failed
	}
	defer r.guard(&err)
	r.sync()
	switch {
	case !r.st.IsLeader:
		return ErrNotLeader
	case !r.st.CaughtUp:
		return ErrNotCaughtUp
	case r.confProposed || r.handed != r.conf || r.st.Applied < r.termStart:
		return ErrConfChangePending
	}
	// Raft replaces a change it does not like by an empty entry without a word,
	// so what it would check is checked here.
	v2 := change.AsV2()
	if r.conf.GetAutoLeave() {
		return ErrConfChangePending // Raft is about to leave the joint state
	}
	if joint(r.conf) != v2.LeaveJoint() {
		return fmt.Errorf("%w: joint membership %v, leaves it %v", ErrBadConfChange, joint(r.conf), v2.LeaveJoint())
	}
	for _, one := range v2.GetChanges() {
		if one.GetNodeId() == raft.None {
			return fmt.Errorf("%w: replica id 0", ErrBadConfChange)
		}
	}
	after, err := changed(r.conf, v2)
	if err != nil {
		return err
	}
	if !slices.Contains(after.GetVoters(), r.cfg.ID) {
		return fmt.Errorf("%w: the leader would lose its vote", ErrBadConfChange)
	}
	r.touch()
	if err := proposed(r.rn.ProposeConfChange(change)); err != nil {
		return err
	}
	r.confProposed = true
	return nil
}

// TransferLeadership asks the leader to make voter to the leader. Until that is
// done, or given up after ElectionTicks, proposals are dropped. It returns
// ErrNotLeader, or ErrUnknownPeer if to is no voter; it does nothing when to is
// this replica.
func (r *Replica) TransferLeadership(to uint64) (err error) {
	if r.failed != nil {
		return r.failed
	}
	defer r.guard(&err)
	r.sync()
	if !r.st.IsLeader {
		return ErrNotLeader
	}
	if !slices.Contains(r.conf.GetVoters(), to) {
		return ErrUnknownPeer
	}
	if to == r.cfg.ID {
		return nil
	}
	r.touch()
	r.rn.TransferLeader(to)
	return nil
}

// ReadIndex asks whether this replica is still the leader. The answer is a
// ReadState with the same ctx in a later Ready: when its index is applied, a
// read of the state machine sees everything that was committed when ReadIndex
// was called. With a single voter it is in the next Ready.
//
// It returns ErrNotLeader or ErrNotCaughtUp. There is no answer when leadership
// is lost; the owner sees that in the Status. ctx must not be changed
// afterwards.
func (r *Replica) ReadIndex(ctx []byte) (err error) {
	if r.failed != nil {
		return r.failed
	}
	defer r.guard(&err)
	r.sync()
	if !r.st.IsLeader {
		return ErrNotLeader
	}
	if !r.st.CaughtUp {
		// Raft would answer a single voter with the commit index it has, which
		// after a restart can be behind what was acknowledged.
		return ErrNotCaughtUp
	}
	r.reads++
	r.dirty = true
	r.rn.ReadIndex(ctx)
	return nil
}

// ReportUnreachable says that messages to the replica id are not delivered: it
// is probed until it answers.
func (r *Replica) ReportUnreachable(id uint64) {
	if r.failed != nil {
		return
	}
	var err error // kept in r.failed
	defer r.guard(&err)
	r.touch()
	r.rn.ReportUnreachable(id)
}

// ReportSnapshot says what became of a MsgSnap sent to the replica id. Without
// it the leader sends nothing more there.
func (r *Replica) ReportSnapshot(id uint64, ok bool) {
	if r.failed != nil {
		return
	}
	var err error // kept in r.failed
	defer r.guard(&err)
	r.touch()
	status := raft.SnapshotFinish
	if !ok {
		status = raft.SnapshotFailure
	}
	r.rn.ReportSnapshot(id, status)
}
