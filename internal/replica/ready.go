package replica

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Ready is what the owner has to do. All parts may be done at the same time,
// and while the parts of earlier Readys are still being done; only the order
// among Appends and among Applies counts.
type Ready struct {
	Append   *Append           // to be written; nil: nothing
	Apply    *Apply            // to be applied; nil: nothing
	Messages []*raftpb.Message // to be sent to the replica in To

	// ReadStates answer ReadIndex, in the order of the calls.
	ReadStates []raft.ReadState

	Status Status
	// StatusChanged: something but Commit and Applied differs from the Status
	// of the Ready before.
	StatusChanged bool
}

// Append is one write to the log. It is complete when everything in it is
// stored; the owner then calls Appended.
type Append struct {
	// Entries overwrite the log from the index of the first one.
	Entries []*raftpb.Entry
	// HardState replaces the last one; nil: unchanged.
	HardState *raftpb.HardState
	// Snapshot replaces the log and the state machine; nil: none. Entries, if
	// any, follow it. It is installed when Appended is called: its index is
	// then the applied one.
	Snapshot *raftpb.Snapshot
	// MustSync: Appended may be called only when this and all earlier Appends
	// are durable. Without it the Append holds no more than a newer commit
	// index, which a crash may lose.
	MustSync bool

	responses []*raftpb.Message // released by Appended
	commit    uint64            // of the last hard state handed out
}

// Apply is a run of committed entries.
type Apply struct {
	Entries []Entry // never empty, consecutive
	// ConfState is the membership after the last entry if the run changed it,
	// else nil. It is to be stored together with the applied index.
	ConfState *raftpb.ConfState

	response *raftpb.Message
	after    uint64 // sequence number of the Append it waits for
}

// Entry is a committed entry. Data is what was proposed; it is empty for
// entries of Raft itself, which only move the applied index.
type Entry struct {
	Index, Term uint64
	Data        []byte
	Conf        *Conf // a membership change, or nil
}

// Conf is a membership change.
type Conf struct {
	Change *raftpb.ConfChangeV2 // as proposed, with its Context
	State  *raftpb.ConfState    // the membership after it
}

// Ready returns what there is to do, or false if that is nothing. What it
// returned once it does not return again.
func (r *Replica) Ready() (rd Ready, ok bool) {
	if r.failed != nil || !r.dirty {
		return Ready{}, false
	}
	var err error // kept in r.failed
	defer func() {
		if r.failed != nil {
			rd, ok = Ready{}, false
		}
	}()
	defer r.guard(&err)

	rd.Messages, r.outbox = r.outbox, nil
	// An Append takes all that Raft has. Without one, messages to ourselves were
	// delivered at once and may have made more.
	for rd.Append == nil && r.rn.HasReady() {
		r.take(&rd)
	}
	r.dirty = false
	if r.queue.len() > 0 && r.queue.front().after <= r.appendedSeq {
		rd.Apply = r.queue.pop()
		r.applies.push(rd.Apply)
		r.dirty = r.queue.len() > 0
		r.noteHanded(rd.Apply)
	}
	r.sync()
	rd.Status = r.st
	rd.StatusChanged = statusChanged(&r.st, &r.reported)
	r.reported = r.st
	ok = rd.Append != nil || rd.Apply != nil || len(rd.Messages) > 0 || len(rd.ReadStates) > 0 || rd.StatusChanged
	return rd, ok
}

// noteHanded notes what Status.CaughtUp and ProposeConfChange need of an Apply
// that is handed out.
func (r *Replica) noteHanded(a *Apply) {
	for i := len(a.Entries) - 1; i >= 0 && a.Entries[i].Term > r.handedTerm; i-- {
		if i == 0 || a.Entries[i-1].Term < a.Entries[i].Term {
			r.handedTerm, r.termStart = a.Entries[len(a.Entries)-1].Term, a.Entries[i].Index
			r.stale = true
			return
		}
	}
}

func statusChanged(a, b *Status) bool {
	return a.Term != b.Term || a.Leader != b.Leader || a.IsLeader != b.IsLeader || a.CaughtUp != b.CaughtUp ||
		!slices.Equal(a.Voters, b.Voters) || !slices.Equal(a.Learners, b.Learners)
}

// take takes one Ready of Raft apart.
func (r *Replica) take(rd *Ready) {
	raw := r.rn.Ready()
	rd.ReadStates = append(rd.ReadStates, raw.ReadStates...)

	var responses []*raftpb.Message
	var apply *Apply
	// Raft appends the two storage messages at the end; what is left of the
	// slice is for others.
	out := raw.Messages
	for n := len(out); n > 0; n = len(out) {
		m := out[n-1]
		if m.GetTo() == raft.LocalAppendThread {
			responses = m.GetResponses()
		} else if m.GetTo() == raft.LocalApplyThread {
			apply = r.newApply(m)
		} else {
			break
		}
		out[n-1] = nil
		out = out[:n-1]
	}
	if rd.Messages == nil {
		rd.Messages = out
	} else {
		rd.Messages = append(rd.Messages, out...)
	}

	a := r.newAppend(&raw, responses)
	if apply != nil {
		if apply.ConfState != nil {
			a = r.syncCommit(a, apply)
		} else if r.queue.len() > 0 {
			apply.after = r.queue.back().after
		}
		r.queue.push(apply)
	}
	if a != nil {
		r.appendSeq++
		r.appends.push(a)
		rd.Append = a
	} else if r.appends.len() > 0 {
		last := r.appends.back()
		last.responses = append(last.responses, responses...)
	} else {
		// All they wait for is durable. Invariant REP-4.
		r.deliver(responses, &rd.Messages)
	}
}

// newAppend returns the write in a Ready of Raft, nil if there is nothing to
// store.
func (r *Replica) newAppend(raw *raft.Ready, responses []*raftpb.Message) *Append {
	snapshot := raw.Snapshot
	if raft.IsEmptySnap(snapshot) {
		snapshot = nil
	}
	if len(raw.Entries) == 0 && raft.IsEmptyHardState(raw.HardState) && snapshot == nil {
		return nil
	}
	a := &Append{
		Entries:   raw.Entries,
		Snapshot:  snapshot,
		MustSync:  raw.MustSync || snapshot != nil, // Raft's flag knows no snapshots
		responses: responses,
	}
	if !raft.IsEmptyHardState(raw.HardState) {
		a.HardState = raw.HardState
		r.hard = raw.HardState
	}
	a.commit = r.hard.GetCommit()
	if snapshot != nil {
		meta := snapshot.GetMetadata()
		r.view.reset()
		r.last = meta.GetIndex()
		r.handedTerm, r.termStart = meta.GetTerm(), meta.GetIndex()
		// Raft has changed the membership when it took the snapshot.
		r.conf = meta.GetConfState()
		r.handed = r.conf
		r.setMembers()
	}
	if n := len(raw.Entries); n > 0 {
		r.view.append(raw.Entries)
		r.last = raw.Entries[n-1].GetIndex()
	}
	return a
}

// newApply returns the entries in a MsgStorageApply, with the memberships they
// lead to.
func (r *Replica) newApply(m *raftpb.Message) *Apply {
	ents := m.GetEntries()
	a := &Apply{Entries: make([]Entry, len(ents)), response: m.GetResponses()[0]}
	for i, e := range ents {
		a.Entries[i] = Entry{Index: e.GetIndex(), Term: e.GetTerm()}
		if e.GetType() == raftpb.EntryNormal {
			a.Entries[i].Data = e.GetData()
			continue
		}
		// A change that cannot be made is one that all replicas see at this
		// index with this membership before it: all of them pass over it.
		change, err := decodeConfChange(e)
		if err != nil {
			continue
		}
		state, err := changed(r.handed, change)
		if err != nil {
			continue
		}
		a.Entries[i].Conf = &Conf{Change: change, State: state}
		a.ConfState, r.handed = state, state
	}
	r.view.applied(ents[len(ents)-1].GetIndex())
	return a
}

// syncCommit makes apply, which changes the membership, wait until a commit
// index that covers it is durable, by having the Append of the same Ready
// synced, or one made for it. Invariant REP-5.
func (r *Replica) syncCommit(a *Append, apply *Apply) *Append {
	if r.durableCommit >= apply.Entries[len(apply.Entries)-1].Index {
		if r.queue.len() > 0 {
			apply.after = r.queue.back().after
		}
		return a
	}
	if a == nil {
		a = &Append{}
	}
	if a.HardState == nil {
		a.HardState = r.hard
	}
	a.commit = r.hard.GetCommit()
	a.MustSync = true
	apply.after = r.appendSeq + 1
	return a
}

// deliver hands messages that waited for an Append to Raft or to out, in order.
func (r *Replica) deliver(responses []*raftpb.Message, out *[]*raftpb.Message) {
	for _, m := range responses {
		if m.GetTo() != r.cfg.ID {
			*out = append(*out, m)
			continue
		}
		r.stale = true
		// It can only fail when we are no member any more, and then our vote
		// does not count.
		_ = r.rn.Step(m)
	}
}

// Appended says that a, the oldest Append not yet Appended, is written, and
// durable as its MustSync asks. It returns ErrOutOfOrder, and does nothing, for
// any other Append, and Err.
func (r *Replica) Appended(a *Append) (err error) {
	if r.failed != nil {
		return r.failed
	}
	if r.appends.len() == 0 || r.appends.front() != a {
		return ErrOutOfOrder
	}
	defer r.guard(&err)
	r.appends.pop()
	r.appendedSeq++
	if a.MustSync {
		r.durableCommit = max(r.durableCommit, a.commit)
	}
	r.dirty = true
	r.deliver(a.responses, &r.outbox)
	a.responses = nil
	return nil
}

// Applied says that a, the oldest Apply not yet Applied, is applied; it need
// not be durable. Membership changes in it take effect here. It returns
// ErrOutOfOrder, and does nothing, for any other Apply, and Err.
func (r *Replica) Applied(a *Apply) (err error) {
	if r.failed != nil {
		return r.failed
	}
	if r.applies.len() == 0 || r.applies.front() != a {
		return ErrOutOfOrder
	}
	defer r.guard(&err)
	r.applies.pop()
	if a.ConfState != nil {
		for i := range a.Entries {
			if conf := a.Entries[i].Conf; conf != nil {
				got := r.rn.ApplyConfChange(conf.Change)
				if err := got.Equivalent(conf.State); err != nil {
					panic(fmt.Sprintf("membership at %d is not as computed: %v", a.Entries[i].Index, err))
				}
				r.conf = conf.State
			}
		}
		r.setMembers()
		r.confProposed = false
	}
	r.touch()
	// Never refused: it comes from our apply thread.
	_ = r.rn.Step(a.response)
	if r.campaign {
		r.tryCampaign()
	}
	return nil
}
