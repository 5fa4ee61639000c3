package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Config says what a Replica is made of. ID, Group and Storage are needed, the
// rest has defaults.
type Config struct {
	ID    uint64 // this replica; not 0, never used again after it left the group
	Group uint64 // for the log only

	// Voters are the first members, the same list at each of them. They are
	// used when the log is empty and ignored otherwise; a replica that joins an
	// existing group has none.
	Voters []uint64

	// Storage is the log. Its InitialState returns the last hard state written
	// and the membership as of Applied.
	Storage raft.Storage
	// Applied is the index up to which the state machine is durable.
	Applied uint64

	ElectionTicks  int // silence of the leader until it is given up; default 10
	HeartbeatTicks int // between signs of life of the leader; default 1
	// Seed randomises elections; different at each replica, best random.
	Seed uint64

	MaxSizePerMsg    uint64 // bytes of entries per message; default 1 MiB
	MaxInflight      int    // messages to one follower not answered; default 256
	MaxInflightBytes uint64 // the same in bytes; default 64 MiB
	// MaxUncommitted is how many bytes of proposals may be on their way before
	// Propose returns ErrProposalDropped; default 64 MiB. A single larger
	// proposal is accepted.
	MaxUncommitted uint64
	// MaxApplying is how many bytes of entries may be handed out for apply and
	// not yet Applied; default 16 MiB.
	MaxApplying uint64

	Logger *slog.Logger // default: discards
}

func (c *Config) fill() {
	c.ElectionTicks = defaulted(c.ElectionTicks, 10)
	c.HeartbeatTicks = defaulted(c.HeartbeatTicks, 1)
	c.MaxSizePerMsg = defaulted(c.MaxSizePerMsg, 1<<20)
	c.MaxInflight = defaulted(c.MaxInflight, 256)
	c.MaxInflightBytes = max(defaulted(c.MaxInflightBytes, 64<<20), c.MaxSizePerMsg)
	c.MaxUncommitted = defaulted(c.MaxUncommitted, 64<<20)
	c.MaxApplying = defaulted(c.MaxApplying, 16<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func defaulted[T int | uint64](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Status is what a Replica knows of itself.
type Status struct {
	Term     uint64
	Leader   uint64 // 0 when none is known
	IsLeader bool   // Leader is this replica, in Term
	// CaughtUp: the leader has committed an entry of its own term and handed it
	// out for apply. Everything of earlier terms was handed out before it, so an
	// owner that applies in order may start to run scripts when it has applied
	// what Ready returned so far (Invariant PART-3).
	CaughtUp bool
	// Commit is the highest index known to be committed, Applied the highest
	// one reported with Applied (or installed by a snapshot).
	Commit, Applied uint64
	// The members, sorted; not to be changed. While a joint change is under way
	// Voters are those of both quorums.
	Voters, Learners []uint64
}

// Replica is one replica of one Raft group. See the package comment for the
// contract. It is not safe for concurrent use.
type Replica struct {
	cfg    Config
	rn     *raft.RawNode
	view   *view
	timer  electionTimer
	failed error

	dirty bool // an input came since Ready last said no
	stale bool // st and vote may be behind rn

	st       Status
	reported Status // as of the last Ready
	vote     uint64
	role     raft.StateType

	conf   *raftpb.ConfState // in effect
	handed *raftpb.ConfState // after the last Apply made, maybe not yet Applied

	last       uint64 // index of the last entry handed out to be appended
	handedTerm uint64 // term of the last entry handed out for apply
	termStart  uint64 // index of the first entry of handedTerm handed out

	hard          *raftpb.HardState // last one handed out
	appends       fifo[*Append]     // handed out, not Appended
	appendSeq     uint64            // of the last one handed out
	appendedSeq   uint64            // of the last one Appended
	durableCommit uint64            // commit index that a restart finds at least

	queue   fifo[*Apply] // made, not handed out: waiting for a durable commit index
	applies fifo[*Apply] // handed out, not Applied

	outbox []*raftpb.Message // to others, released by an Append

	confProposed bool   // a membership change of this term is not yet applied
	jointTicks   int    // since a joint membership that ends by itself was seen
	reads        uint64 // ReadIndex calls in this term
	campaign     bool   // Campaign was called and Raft was not ready for it
	asking       bool   // Raft is being asked for an election
}

// New returns the replica that cfg.Storage holds, or a new one.
//
// It returns ErrLogBehind if the log ends before what is known to be committed
// or applied, ErrRowsBehind if it begins behind what was applied, which is so
// after half of an installed snapshot too, and other errors for a bad configuration or a Storage that cannot
// be read.
func New(cfg Config) (r *Replica, err error) {
	cfg.fill()
	r = &Replica{cfg: cfg, dirty: true, stale: true}
	defer func() {
		if err != nil {
			r = nil
		}
	}()
	defer r.guard(&err)
	if cfg.ID == raft.None || raft.IsLocalMsgTarget(cfg.ID) {
		return nil, fmt.Errorf("replica: id %d is reserved", cfg.ID)
	}
	if cfg.Storage == nil {
		return nil, errors.New("replica: no storage")
	}
	boot, err := r.open()
	if err != nil {
		return nil, err
	}
	r.timer = electionTimer{
		rng:  rand.New(rand.NewPCG(cfg.Seed^cfg.Group, cfg.ID)),
		base: cfg.ElectionTicks,
	}
	r.timer.reset()
	r.rn, err = raft.NewRawNode(&raft.Config{
		ID:                        cfg.ID,
		ElectionTick:              cfg.ElectionTicks,
		HeartbeatTick:             cfg.HeartbeatTicks,
		Storage:                   r.view,
		Applied:                   cfg.Applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             cfg.MaxSizePerMsg,
		MaxCommittedSizePerReady:  cfg.MaxApplying,
		MaxUncommittedEntriesSize: cfg.MaxUncommitted,
		MaxInflightMsgs:           cfg.MaxInflight,
		MaxInflightBytes:          cfg.MaxInflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		Logger:                    raftLogger{cfg.Logger.With("group", cfg.Group, "replica", cfg.ID), &r.asking},
		// A batch belongs to the leader and term it was executed in.
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	})
	if err != nil {
		return nil, err
	}
	if len(boot) > 0 {
		peers := make([]raft.Peer, len(boot))
		for i, id := range boot {
			peers[i].ID = id
		}
		if err := r.rn.Bootstrap(peers); err != nil {
			return nil, err
		}
		r.conf = &raftpb.ConfState{Voters: boot}
		r.handed = r.conf
	}
	r.setMembers()
	r.sync()
	return r, nil
}

// open reads the initial state into r.view and repairs what a crash may leave
// behind: the commit index is written without sync, so it may be older than
// what was applied or compacted, which can only have been committed entries.
// It returns the members to bootstrap with, if that is to be done.
func (r *Replica) open() (boot []uint64, err error) {
	s := r.cfg.Storage
	hard, conf, err := s.InitialState()
	if err != nil {
		return nil, fmt.Errorf("replica: initial state: %w", err)
	}
	first, err := s.FirstIndex()
	if err != nil {
		return nil, fmt.Errorf("replica: first index: %w", err)
	}
	last, err := s.LastIndex()
	if err != nil {
		return nil, fmt.Errorf("replica: last index: %w", err)
	}
	lastTerm, err := s.Term(last)
	if err != nil {
		return nil, fmt.Errorf("replica: last term: %w", err)
	}
	if conf == nil {
		conf = &raftpb.ConfState{}
	}
	if _, err := changer(conf); err != nil {
		return nil, err
	}
	if last == 0 && raft.IsEmptyHardState(hard) && len(conf.GetVoters()) == 0 && len(r.cfg.Voters) > 0 {
		boot = slices.Compact(slices.Sorted(slices.Values(r.cfg.Voters)))
		if _, err := changer(&raftpb.ConfState{Voters: boot}); err != nil {
			return nil, err
		}
		if !slices.Contains(boot, r.cfg.ID) {
			return nil, fmt.Errorf("replica: %d is not among the first voters %v", r.cfg.ID, boot)
		}
	}
	commit := max(hard.GetCommit(), r.cfg.Applied, first-1)
	if commit > last {
		return nil, fmt.Errorf("%w: log ends at %d, committed %d, applied %d", ErrLogBehind, last, hard.GetCommit(), r.cfg.Applied)
	}
	// Invariant SNAP-1. A state machine that has applied nothing is no exception: Raft would take
	// all that the log does not have for applied.
	if r.cfg.Applied < first-1 {
		return nil, fmt.Errorf("%w: log starts at %d, applied %d: entries between are missing", ErrRowsBehind, first, r.cfg.Applied)
	}
	if hard.GetTerm() < lastTerm {
		return nil, fmt.Errorf("%w: term %d, last entry of term %d", ErrLogBehind, hard.GetTerm(), lastTerm)
	}
	term, vote := hard.GetTerm(), hard.GetVote()
	r.hard = &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}
	r.durableCommit = commit
	r.view = &view{Storage: s, hard: r.hard, conf: conf, sizeMax: int(min(r.cfg.MaxApplying, 1<<30))}
	r.conf, r.handed, r.last = conf, conf, last
	return boot, nil
}

// guard turns a panic of Raft, which is how it reports an inconsistency or a
// Storage that cannot be read, into the final error of this replica.
// Invariant REP-7.
func (r *Replica) guard(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if cause, ok := p.(error); ok {
		r.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
	} else {
		r.failed = fmt.Errorf("%w: %v", ErrFailed, p)
	}
	r.cfg.Logger.Error("replica stopped", "group", r.cfg.Group, "replica", r.cfg.ID, "cause", r.failed, "stack", string(debug.Stack()))
	r.st.IsLeader, r.st.CaughtUp, r.st.Leader = false, false, 0
	*err = r.failed
}

// Err returns nil, or why this replica stopped for good; it wraps ErrFailed.
// A stopped replica is no leader, every input returns this error, and Ready
// returns nothing.
func (r *Replica) Err() error { return r.failed }

// Status returns what the replica knows of itself after all inputs so far.
func (r *Replica) Status() Status {
	r.sync()
	return r.st
}

// touch notes that an input may have changed anything.
func (r *Replica) touch() { r.dirty, r.stale = true, true }

// sync brings st up to date with Raft, and notices changes of term and role.
func (r *Replica) sync() {
	if !r.stale || r.failed != nil {
		return
	}
	r.stale = false
	b := r.rn.BasicStatus()
	if b.GetTerm() != r.st.Term || b.RaftState != r.role {
		r.timer.reset()
		r.confProposed, r.reads = false, 0
	}
	if b.Lead != raft.None {
		r.campaign = false
	}
	r.role, r.vote = b.RaftState, b.GetVote()
	r.st.Term, r.st.Commit, r.st.Applied = b.GetTerm(), b.GetCommit(), b.Applied
	r.st.Leader = b.Lead
	r.st.IsLeader = b.RaftState == raft.StateLeader
	r.st.CaughtUp = r.st.IsLeader && r.handedTerm == r.st.Term
}

// setMembers puts the membership in effect into the status. It makes new
// slices: the old ones may be in the owner's hands.
func (r *Replica) setMembers() {
	r.st.Voters = voters(r.conf)
	r.st.Learners = slices.Sorted(slices.Values(r.conf.GetLearners()))
}
