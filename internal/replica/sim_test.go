package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// fault is something a simulated disk does and no disk may do.
type fault int

const (
	honest          fault = iota
	losesSynced           // a crash takes entries that were synced
	forgetsVotes          // a crash takes the hard state back
	acksBeforeSync        // Appended before it is durable
	appliesTooEarly       // not the disk: a replica applies what is not committed
)

// sim is a cluster in which everything that can happen is drawn from a seed.
type sim struct {
	rng   *rand.Rand
	fault fault
	hosts []*host // index id-1
	first []uint64
	net   []*raftpb.Message
	cut   []int // the side of a partition each host is on
	seq   int
	stats stats
	check checker
	trace []string
	reads map[string]uint64 // ctx -> index that must be visible
}

type stats struct {
	elections, applied, crashes, refused, snapshots, reads, confs, transfers int
}

func (s stats) add(o stats) stats {
	return stats{s.elections + o.elections, s.applied + o.applied, s.crashes + o.crashes, s.refused + o.refused,
		s.snapshots + o.snapshots, s.reads + o.reads, s.confs + o.confs, s.transfers + o.transfers}
}

// checker watches a whole cluster from outside.
type checker struct {
	leaders  map[uint64]uint64   // term -> replica
	log      map[uint64]position // index -> what was applied there
	last     uint64
	proposed map[string]uint64 // payload -> term
	refused  map[string]bool
	seen     map[string]uint64 // payload -> index
	lastSeq  map[uint64]int    // term -> last proposal applied
}

// position is an applied entry, and the hash of all up to it.
type position struct {
	term uint64
	data string
	hash uint64
}

func newChecker() checker {
	return checker{map[uint64]uint64{}, map[uint64]position{}, 0, map[string]uint64{}, map[string]bool{}, map[string]uint64{}, map[uint64]int{}}
}

// violation is what the checker found.
type violation string

func (v violation) Error() string { return string(v) }

func violated(format string, args ...any) error { return violation(fmt.Sprintf(format, args...)) }

// status: no two leaders in a term.
func (c *checker) status(id uint64, st Status) error {
	if !st.IsLeader {
		return nil
	}
	if other, ok := c.leaders[st.Term]; ok && other != id {
		return violated("term %d has two leaders, %d and %d", st.Term, other, id)
	}
	c.leaders[st.Term] = id
	return nil
}

// handed: an entry is the same wherever it is handed out, was proposed in its
// term, was not refused, comes once and in the order of the proposals.
func (c *checker) handed(id uint64, e Entry) error {
	at := position{term: e.Term, data: string(e.Data)}
	if old, ok := c.log[e.Index]; ok {
		if old.term != at.term || old.data != at.data {
			return violated("replica %d applies %q of term %d at %d, where %q of term %d was committed", id, at.data, at.term, e.Index, old.data, old.term)
		}
		return nil
	}
	if e.Index != c.last+1 {
		return violated("replica %d applies %d, the last one known is %d", id, e.Index, c.last)
	}
	c.last = e.Index
	c.log[e.Index] = at
	if at.data == "" {
		return nil
	}
	if c.refused[at.data] {
		return violated("refused proposal %q committed at %d", at.data, e.Index)
	}
	if term, ok := c.proposed[at.data]; !ok || term != e.Term {
		return violated("%q of term %d committed in term %d", at.data, term, e.Term)
	}
	if old, ok := c.seen[at.data]; ok {
		return violated("%q committed at %d and %d", at.data, old, e.Index)
	}
	c.seen[at.data] = e.Index
	var seq int
	if _, err := fmt.Sscanf(at.data, "p%d", &seq); err != nil || seq <= c.lastSeq[e.Term] {
		return violated("%q applied after p%d of the same term %d", at.data, c.lastSeq[e.Term], e.Term)
	}
	c.lastSeq[e.Term] = seq
	return nil
}

// machine: two state machines at the same index went the same way.
func (c *checker) machine(id uint64, m machine) error {
	if m.applied == 0 {
		return nil
	}
	at, ok := c.log[m.applied]
	switch {
	case !ok:
		return violated("replica %d is at %d, never applied by anybody", id, m.applied)
	case at.hash == 0:
		at.hash = m.hash
		c.log[m.applied] = at
	case at.hash != m.hash:
		return violated("replica %d differs from the others at %d", id, m.applied)
	}
	return nil
}

func newSim(seed uint64, size, voters int, f fault) *sim {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 1)), fault: f, cut: make([]int, size), check: newChecker(), reads: map[string]uint64{}}
	for i := 1; i <= voters; i++ {
		s.first = append(s.first, uint64(i))
	}
	for i := range size {
		h := &host{id: uint64(i + 1), disk: newDisk()}
		if i < voters {
			h.voters = s.first
		}
		s.hosts = append(s.hosts, h)
	}
	return s
}

func (s *sim) chance(percent int) bool { return s.rng.IntN(100) < percent }

func (s *sim) note(format string, args ...any) {
	if s.trace = append(s.trace, fmt.Sprintf(format, args...)); len(s.trace) > 400 {
		s.trace = s.trace[200:]
	}
}

// run lets steps things happen, then heals everything and waits for agreement.
func (s *sim) run(steps int) error {
	for _, h := range s.hosts {
		if err := h.start(s.rng.Uint64()); err != nil {
			return err
		}
	}
	for range steps {
		if err := s.step(); err != nil {
			return err
		}
	}
	return s.settle()
}

func (s *sim) step() error {
	h := s.hosts[s.rng.IntN(len(s.hosts))]
	switch p := s.rng.IntN(1000); {
	case p < 250:
		h.r.Tick()
	case p < 600:
		if err := s.deliver(); err != nil {
			return err
		}
	case p < 750:
		if h.appends.len() > 0 {
			if err := h.writeDone(s.fault != acksBeforeSync); err != nil {
				return err
			}
		}
	case p < 850:
		if h.applies.len() > 0 {
			if err := s.applyDone(h); err != nil {
				return err
			}
		}
	case p < 940:
		s.propose(h)
	case p < 960:
		s.read(h)
	case p < 970:
		h.disk.flush(h.machine, uint64(s.rng.IntN(6)))
	case p < 978:
		s.confChange(h)
	case p < 981:
		if h.r.TransferLeadership(uint64(1+s.rng.IntN(len(s.hosts)))) == nil {
			s.stats.transfers++
		}
	case p < 984:
		s.partition()
	case p < 990:
		if err := s.crash(h); err != nil {
			return err
		}
	case p < 994:
		h.r.ReportUnreachable(uint64(1 + s.rng.IntN(len(s.hosts))))
	case p < 995:
		_ = h.r.Campaign()
	}
	return s.collect(h)
}

// collect takes what h wants done and checks what it says.
func (s *sim) collect(h *host) error {
	for {
		before := h.r.reported
		rd, ok := h.ready()
		if err := h.r.Err(); err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if rd.Status.IsLeader && !before.IsLeader {
			s.stats.elections++
			s.note("%d leads term %d", h.id, rd.Status.Term)
		}
		if err := s.check.status(h.id, rd.Status); err != nil {
			return err
		}
		if rd.Append != nil && s.fault == appliesTooEarly {
			for _, e := range rd.Append.Entries {
				early := Entry{Index: e.GetIndex(), Term: e.GetTerm()}
				if e.GetType() == raftpb.EntryNormal {
					early.Data = e.GetData()
				}
				if err := s.check.handed(h.id, early); err != nil {
					return err
				}
			}
		}
		if rd.Apply != nil {
			for _, e := range rd.Apply.Entries {
				if err := s.check.handed(h.id, e); err != nil {
					return err
				}
				s.stats.applied++
			}
		}
		for _, st := range rd.ReadStates {
			if need := s.reads[string(st.RequestCtx)]; st.Index < need {
				return violated("read at %d at replica %d, %d was committed before", st.Index, h.id, need)
			}
			s.stats.reads++
		}
		for _, m := range rd.Messages {
			if s.net = append(s.net, m); len(s.net) > 200 {
				s.drop(s.rng.IntN(len(s.net)))
			}
		}
	}
}

func (s *sim) drop(i int) *raftpb.Message {
	m := s.net[i]
	s.net[i] = s.net[len(s.net)-1]
	s.net = s.net[:len(s.net)-1]
	if m.GetType() == raftpb.MsgSnap {
		s.hosts[m.GetFrom()-1].r.ReportSnapshot(m.GetTo(), false)
	}
	return m
}

// deliver takes a message off the network, mostly one of the oldest, now and
// then twice, now and then not at all.
func (s *sim) deliver() error {
	if len(s.net) == 0 {
		return nil
	}
	i := s.rng.IntN(len(s.net))
	m := s.net[i]
	if s.chance(5) || s.cut[m.GetFrom()-1] != s.cut[m.GetTo()-1] {
		s.drop(i)
		return nil
	}
	if !s.chance(5) { // else it comes again
		s.net[i] = s.net[len(s.net)-1]
		s.net = s.net[:len(s.net)-1]
	}
	return s.arrive(m)
}

func (s *sim) arrive(m *raftpb.Message) error {
	to, from := s.hosts[m.GetTo()-1], s.hosts[m.GetFrom()-1]
	err := to.r.Step(proto.Clone(m).(*raftpb.Message))
	if m.GetType() == raftpb.MsgSnap {
		from.r.ReportSnapshot(to.id, err == nil)
		s.stats.snapshots++
		if err := s.collect(from); err != nil {
			return err
		}
	}
	switch err {
	case nil, ErrUnknownPeer, ErrBusy:
		return s.collect(to)
	}
	return fmt.Errorf("%v: %w", m, err)
}

func (s *sim) applyDone(h *host) error {
	if err := h.applyDone(); err != nil {
		return err
	}
	if h.applies.len() == 0 {
		return s.check.machine(h.id, h.machine)
	}
	return nil
}

// propose asks anybody, mostly in the right term.
func (s *sim) propose(h *host) {
	st := h.r.Status()
	if !st.IsLeader && !s.chance(10) {
		return
	}
	term := st.Term
	if s.chance(10) {
		term += uint64(s.rng.IntN(3)) - 1
	}
	s.seq++
	data := fmt.Sprintf("p%d-%s", s.seq, strings.Repeat("x", s.rng.IntN(60)))
	if err := h.r.Propose(term, []byte(data)); err != nil {
		s.check.refused[data] = true
		s.stats.refused++
		return
	}
	s.check.proposed[data] = term
}

// read starts a read that has to see all that is committed now.
func (s *sim) read(h *host) {
	s.seq++
	ctx := fmt.Sprint("r", s.seq)
	if h.r.ReadIndex([]byte(ctx)) == nil {
		s.reads[ctx] = s.check.last
	}
}

// confChange makes some voters and learners of those there are. The voters that
// stay are a majority of those before: see "Shrinking a group" in doc.go.
func (s *sim) confChange(h *host) {
	if st := h.r.Status(); !st.IsLeader {
		return
	}
	change := &raftpb.ConfChangeV2{}
	if joint(h.r.conf) && !s.chance(20) {
		if h.r.ProposeConfChange(change) == nil {
			s.stats.confs++
		}
		return
	}
	for range 1 + s.rng.IntN(3) {
		typ := []raftpb.ConfChangeType{raftpb.ConfChangeAddNode, raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode, raftpb.ConfChangeRemoveNode}[s.rng.IntN(4)]
		id := uint64(1 + s.rng.IntN(len(s.hosts)))
		change.Changes = append(change.Changes, &raftpb.ConfChangeSingle{Type: &typ, NodeId: &id})
	}
	if s.chance(30) {
		t := raftpb.ConfChangeTransitionJointExplicit
		change.Transition = &t
	}
	after, err := changed(h.r.conf, change)
	if err != nil {
		return
	}
	stay := 0
	for _, id := range h.r.conf.GetVoters() {
		if slices.Contains(after.GetVoters(), id) {
			stay++
		}
	}
	if 2*stay <= len(h.r.conf.GetVoters()) {
		return
	}
	if h.r.ProposeConfChange(change) == nil {
		s.stats.confs++
		s.note("%d proposes %v", h.id, raftpb.ConfChangesToString(change.Changes))
	}
}

func (s *sim) partition() {
	for i := range s.cut {
		s.cut[i] = 0
		if s.chance(30) {
			s.cut[i] = 1
		}
	}
	if s.chance(60) {
		clear(s.cut)
	}
}

// crash stops h, takes what its disk had not synced, and starts it again.
func (s *sim) crash(h *host) error {
	s.stats.crashes++
	s.note("%d crashes", h.id)
	h.disk.crash(s.rng.IntN(3))
	switch s.fault {
	case losesSynced:
		im := &h.disk.synced
		im.ents = im.ents[:len(im.ents)-min(len(im.ents), s.rng.IntN(6))]
		if im.last() < h.disk.machine.applied {
			h.disk.machine = machine{conf: &raftpb.ConfState{Voters: s.first}}
		}
		if im.hard.GetCommit() > im.last() {
			commit := im.last()
			im.hard = &raftpb.HardState{Term: im.hard.Term, Vote: im.hard.Vote, Commit: &commit}
		}
		h.disk.crash(0)
	case forgetsVotes:
		if last := h.disk.synced.last(); last > 0 {
			term, _ := h.disk.Term(last)
			h.disk.synced.hard = &raftpb.HardState{Term: &term, Commit: h.disk.synced.hard.Commit}
			h.disk.crash(0)
		}
	}
	if err := h.start(s.rng.Uint64()); err != nil {
		return err
	}
	return s.collect(h)
}

// settle repairs the network, lets everything finish, and waits until a leader
// and all members are at the same index, which is where they all must be.
func (s *sim) settle() error {
	clear(s.cut)
	for round := range 3000 {
		for _, h := range s.hosts {
			h.r.Tick()
			if err := s.collect(h); err != nil {
				return err
			}
			for h.appends.len() > 0 {
				if err := h.writeDone(true); err != nil {
					return err
				}
				if err := s.collect(h); err != nil {
					return err
				}
			}
			for h.applies.len() > 0 {
				if err := s.applyDone(h); err != nil {
					return err
				}
				if err := s.collect(h); err != nil {
					return err
				}
			}
		}
		msgs := s.net
		s.net = nil
		for _, m := range msgs {
			if err := s.arrive(m); err != nil {
				return err
			}
		}
		if s.agreed() {
			return nil
		}
		if round%100 == 99 {
			s.unjoin()
			for _, h := range s.hosts { // a new member needs a snapshot that knows it
				h.disk.flush(h.machine, 5)
			}
		}
	}
	var all []string
	for _, h := range s.hosts {
		all = append(all, fmt.Sprintf("%d: %+v conf %v", h.id, h.r.Status(), raft.DescribeConfState(h.r.conf)))
	}
	return violated("no agreement, %d is committed:\n%s", s.check.last, strings.Join(all, "\n"))
}

// unjoin lets a leader leave a joint membership that would stay for ever.
func (s *sim) unjoin() {
	for _, h := range s.hosts {
		if h.r.Status().IsLeader && joint(h.r.conf) {
			if h.r.ProposeConfChange(&raftpb.ConfChangeV2{}) != nil {
				_ = h.r.TransferLeadership(h.r.conf.GetVoters()[0])
			}
		}
	}
}

func (s *sim) agreed() bool {
	for _, leader := range s.hosts {
		st := leader.r.Status()
		if !st.IsLeader || !st.CaughtUp || st.Applied < s.check.last || joint(leader.r.conf) {
			continue
		}
		all := true
		for _, id := range slices.Concat(st.Voters, st.Learners) {
			all = all && s.hosts[id-1].machine.applied == leader.machine.applied && s.hosts[id-1].machine.hash == leader.machine.hash
		}
		if all {
			return true
		}
	}
	return false
}
