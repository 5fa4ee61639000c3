package replica

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// changer returns a Changer that stands on membership cs.
func changer(cs *raftpb.ConfState) (confchange.Changer, error) {
	for _, ids := range [][]uint64{cs.GetVoters(), cs.GetLearners(), cs.GetVotersOutgoing(), cs.GetLearnersNext()} {
		for _, id := range ids {
			if id == raft.None || raft.IsLocalMsgTarget(id) {
				return confchange.Changer{}, fmt.Errorf("%w: replica id %d", ErrBadConfChange, id)
			}
		}
	}
	c := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: 1}
	cfg, progress, err := confchange.Restore(c, cs)
	if err != nil {
		return c, fmt.Errorf("%w: %v", ErrBadConfChange, err)
	}
	c.Tracker.Config, c.Tracker.Progress = cfg, progress
	if err := cs.Equivalent(c.Tracker.ConfState()); err != nil {
		return c, fmt.Errorf("%w: %v", ErrBadConfChange, err)
	}
	return c, nil
}

// changed returns the membership after change, without touching cs. It decides
// exactly as Raft does when the change is applied, except that Raft panics
// where changed returns ErrBadConfChange.
func changed(cs *raftpb.ConfState, change *raftpb.ConfChangeV2) (*raftpb.ConfState, error) {
	c, err := changer(cs)
	if err != nil {
		return nil, err
	}
	for _, one := range change.GetChanges() {
		if raft.IsLocalMsgTarget(one.GetNodeId()) {
			return nil, fmt.Errorf("%w: replica id %d", ErrBadConfChange, one.GetNodeId())
		}
	}
	if t := change.GetTransition(); t < raftpb.ConfChangeTransitionAuto || t > raftpb.ConfChangeTransitionJointExplicit {
		return nil, fmt.Errorf("%w: transition %d", ErrBadConfChange, t)
	}
	if change.LeaveJoint() {
		c.Tracker.Config, c.Tracker.Progress, err = c.LeaveJoint()
	} else if autoLeave, ok := change.EnterJoint(); ok {
		c.Tracker.Config, c.Tracker.Progress, err = c.EnterJoint(autoLeave, change.GetChanges()...)
	} else {
		c.Tracker.Config, c.Tracker.Progress, err = c.Simple(change.GetChanges()...)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBadConfChange, err)
	}
	return c.Tracker.ConfState(), nil
}

// decodeConfChange reads the change in an entry, nil for an ordinary entry.
func decodeConfChange(e *raftpb.Entry) (*raftpb.ConfChangeV2, error) {
	switch e.GetType() {
	case raftpb.EntryConfChange:
		cc := &raftpb.ConfChange{}
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrBadConfChange, err)
		}
		return cc.AsV2(), nil
	case raftpb.EntryConfChangeV2:
		cc := &raftpb.ConfChangeV2{}
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrBadConfChange, err)
		}
		return cc, nil
	}
	return nil, nil
}

// joint reports whether two quorums rule together.
func joint(cs *raftpb.ConfState) bool { return len(cs.GetVotersOutgoing()) > 0 }

// votes reports whether id has a vote in cs.
func votes(cs *raftpb.ConfState, id uint64) bool {
	return slices.Contains(cs.GetVoters(), id) || slices.Contains(cs.GetVotersOutgoing(), id)
}

// voters returns all who have a vote, sorted. In a joint membership these are
// the members of both quorums.
func voters(cs *raftpb.ConfState) []uint64 {
	all := slices.Concat(cs.GetVoters(), cs.GetVotersOutgoing())
	slices.Sort(all)
	return slices.Compact(all)
}
