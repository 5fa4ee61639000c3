package replica

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// newLeader returns a caught up leader of three voters, nothing under way. The
// other two exist as messages only.
func newLeader(t *testing.T) *host {
	t.Helper()
	h := &host{id: 1, voters: []uint64{1, 2, 3}, disk: newDisk()}
	if err := h.start(1); err != nil {
		t.Fatal(err)
	}
	finish(t, h)
	if err := h.r.Campaign(); err != nil {
		t.Fatal(err)
	}
	finish(t, h)
	step(t, h, &raftpb.Message{Type: raftpb.MsgPreVoteResp.Enum(), From: new(uint64(2)), Term: new(uint64(2))})
	step(t, h, &raftpb.Message{Type: raftpb.MsgVoteResp.Enum(), From: new(uint64(2)), Term: new(uint64(2))})
	step(t, h, &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), From: new(uint64(2)), Term: new(uint64(2)), Index: new(uint64(4))})
	if st := h.r.Status(); !st.CaughtUp || st.Term != 2 || st.Commit != 4 {
		t.Fatalf("no leader: %+v", st)
	}
	return h
}

func step(t *testing.T, h *host, m *raftpb.Message) {
	t.Helper()
	m.To = new(h.id)
	if err := h.r.Step(m); err != nil {
		t.Fatal(err)
	}
	finish(t, h)
}

// finish does all that h wants done.
func finish(t *testing.T, h *host) {
	t.Helper()
	for busy := true; busy; {
		_, busy = h.ready()
		for h.appends.len() > 0 {
			busy = true
			if err := h.writeDone(true); err != nil {
				t.Fatal(err)
			}
		}
		for h.applies.len() > 0 {
			busy = true
			if err := h.applyDone(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.r.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestBadMessages: Invariant REP-7, one message for each thing that check
// refuses.
func TestBadMessages(t *testing.T) {
	entry := func(term, index uint64) *raftpb.Entry { return &raftpb.Entry{Term: &term, Index: &index} }
	snap := func(term, index uint64, voters ...uint64) *raftpb.Snapshot {
		return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Term: &term, Index: &index, ConfState: &raftpb.ConfState{Voters: voters}}}
	}
	base := func(typ raftpb.MessageType) *raftpb.Message {
		return &raftpb.Message{Type: &typ, To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(2))}
	}
	app := func(index, term uint64, ents ...*raftpb.Entry) *raftpb.Message {
		m := base(raftpb.MsgApp)
		m.Term, m.Index, m.LogTerm, m.Entries = new(uint64(3)), &index, &term, ents
		return m
	}
	with := func(typ raftpb.MessageType, change func(*raftpb.Message)) *raftpb.Message {
		m := base(typ)
		change(m)
		return m
	}
	for name, m := range map[string]*raftpb.Message{
		"nil":             nil,
		"other receiver":  with(raftpb.MsgHeartbeat, func(m *raftpb.Message) { m.To = new(uint64(3)) }),
		"no sender":       with(raftpb.MsgHeartbeat, func(m *raftpb.Message) { m.From = nil }),
		"from us":         with(raftpb.MsgAppResp, func(m *raftpb.Message) { m.From = new(uint64(1)) }),
		"from our disk":   with(raftpb.MsgAppResp, func(m *raftpb.Message) { m.From = new(uint64(raft.LocalAppendThread)) }),
		"no term":         with(raftpb.MsgHeartbeat, func(m *raftpb.Message) { m.Term = nil }),
		"huge term":       with(raftpb.MsgVote, func(m *raftpb.Message) { m.Term = new(uint64(1 << 63)) }),
		"responses":       with(raftpb.MsgHeartbeat, func(m *raftpb.Message) { m.Responses = []*raftpb.Message{{}} }),
		"proposal":        with(raftpb.MsgProp, func(m *raftpb.Message) { m.Entries = []*raftpb.Entry{{Data: []byte("x")}} }),
		"empty proposal":  base(raftpb.MsgProp),
		"read":            base(raftpb.MsgReadIndex),
		"read answer":     base(raftpb.MsgReadIndexResp),
		"transfer":        base(raftpb.MsgTransferLeader),
		"hup":             base(raftpb.MsgHup),
		"check quorum":    base(raftpb.MsgCheckQuorum),
		"storage answer":  base(raftpb.MsgStorageAppendResp),
		"apply answer":    base(raftpb.MsgStorageApplyResp),
		"unreachable":     base(raftpb.MsgUnreachable),
		"forget":          base(raftpb.MsgForgetLeader),
		"unknown type":    base(99),
		"negative type":   base(-1),
		"gap":             app(4, 2, entry(3, 6)),
		"gap inside":      app(4, 2, entry(3, 5), entry(3, 7)),
		"nil entry":       app(4, 2, nil),
		"no entry term":   app(4, 2, entry(0, 5)),
		"terms go back":   app(4, 2, entry(3, 5), entry(2, 6)),
		"future term":     app(4, 2, entry(4, 5)),
		"future position": app(4, 4),
		"term of nothing": app(0, 2),
		"no position":     app(4, 0),
		"huge index":      app(1<<63, 2),
		"entry type":      app(4, 2, &raftpb.Entry{Term: new(uint64(3)), Index: new(uint64(5)), Type: raftpb.EntryType(9).Enum()}),
		"no snapshot":     base(raftpb.MsgSnap),
		"snapshot 0":      with(raftpb.MsgSnap, func(m *raftpb.Message) { m.Snapshot = snap(2, 0, 1) }),
		"snapshot term":   with(raftpb.MsgSnap, func(m *raftpb.Message) { m.Snapshot = snap(3, 9, 1) }),
		"snapshot empty":  with(raftpb.MsgSnap, func(m *raftpb.Message) { m.Snapshot = snap(2, 9) }),
		"snapshot voter":  with(raftpb.MsgSnap, func(m *raftpb.Message) { m.Snapshot = snap(2, 9, 1, 0) }),
		"snapshot joint": with(raftpb.MsgSnap, func(m *raftpb.Message) {
			m.Snapshot = snap(2, 9, 1)
			m.Snapshot.Metadata.ConfState.LearnersNext = []uint64{2}
		}),
		"unknown read":  with(raftpb.MsgHeartbeatResp, func(m *raftpb.Message) { m.Context = bytes.Repeat([]byte{255}, 8) }),
		"short context": with(raftpb.MsgHeartbeatResp, func(m *raftpb.Message) { m.Context = []byte("x") }),
		"long context":  with(raftpb.MsgHeartbeat, func(m *raftpb.Message) { m.Context = make([]byte, 99) }),
		"unsent entry":  with(raftpb.MsgAppResp, func(m *raftpb.Message) { m.Index = new(uint64(1000)) }),
	} {
		t.Run(name, func(t *testing.T) {
			h := newLeader(t)
			before := h.r.Status()
			if err := h.r.Step(m); !errors.Is(err, ErrBadMessage) {
				t.Fatalf("got %v", err)
			}
			finish(t, h)
			if after := h.r.Status(); after.Term != before.Term || after.Leader != before.Leader || after.Commit != before.Commit {
				t.Fatalf("changed %+v to %+v", before, after)
			}
		})
	}
}

// TestLogBehind: a leader that counts on entries which are not here finds out
// that our disk lost them.
func TestLogBehind(t *testing.T) {
	h := newLeader(t)
	err := h.r.Step(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(3)), Commit: new(uint64(9))})
	if !errors.Is(err, ErrLogBehind) {
		t.Fatalf("got %v", err)
	}
}

// FuzzStep: Invariant REP-7. Whatever arrives, a replica returns, and one that
// has not failed goes on.
func FuzzStep(f *testing.F) {
	for typ := range int32(23) {
		m := &raftpb.Message{Type: raftpb.MessageType(typ).Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(3)), Index: new(uint64(4)), LogTerm: new(uint64(2)), Commit: new(uint64(4))}
		if typ == int32(raftpb.MsgApp) {
			m.Entries = []*raftpb.Entry{{Term: new(uint64(3)), Index: new(uint64(5)), Data: []byte("x")}}
		}
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		h := newLeader(t)
		_ = h.r.Propose(2, []byte("p"))
		for _, data := range [][]byte{a, b} {
			m := &raftpb.Message{}
			if proto.Unmarshal(data, m) != nil {
				continue
			}
			_ = h.r.Step(m)
			h.r.Tick()
			if h.r.Err() == nil {
				finish(t, h)
			}
		}
	})
}

// TestOrder: completions out of order change nothing.
func TestOrder(t *testing.T) {
	r, log := newSingle(t)
	var appends []*Append
	var applies []*Apply
	take := func() {
		for {
			rd, ok := r.Ready()
			if !ok {
				return
			}
			if rd.Append != nil {
				_ = log.Append(rd.Append.Entries)
				appends = append(appends, rd.Append)
			}
			if rd.Apply != nil {
				applies = append(applies, rd.Apply)
			}
		}
	}
	for _, data := range []string{"a", "b"} {
		if err := r.Propose(2, []byte(data)); err != nil {
			t.Fatal(err)
		}
		take()
	}
	if len(appends) != 2 {
		t.Fatalf("%d appends", len(appends))
	}
	if err := r.Appended(appends[1]); err != ErrOutOfOrder {
		t.Fatalf("got %v", err)
	}
	for _, a := range appends[:2] {
		if err := r.Appended(a); err != nil {
			t.Fatal(err)
		}
		take()
	}
	if err := r.Appended(appends[0]); err != ErrOutOfOrder {
		t.Fatalf("got %v", err)
	}
	if len(applies) != 2 || string(applies[0].Entries[0].Data) != "a" || string(applies[1].Entries[0].Data) != "b" {
		t.Fatalf("applies %v", applies)
	}
	if err := r.Applied(applies[1]); err != ErrOutOfOrder {
		t.Fatalf("got %v", err)
	}
	if err := r.Applied(&Apply{}); err != ErrOutOfOrder {
		t.Fatalf("got %v", err)
	}
}

// TestRefusals: inputs that are refused say why.
func TestRefusals(t *testing.T) {
	h := newLeader(t)
	learner := func(id uint64) *raftpb.ConfChange {
		return &raftpb.ConfChange{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: &id}
	}
	for name, c := range map[string]struct{ got, want error }{
		"empty":        {h.r.Propose(2, nil), ErrEmptyProposal},
		"old term":     {h.r.Propose(1, []byte("x")), ErrNotLeader},
		"new term":     {h.r.Propose(3, []byte("x")), ErrNotLeader},
		"transfer":     {h.r.TransferLeadership(9), ErrUnknownPeer},
		"replica 0":    {h.r.ProposeConfChange(learner(0)), ErrBadConfChange},
		"local id":     {h.r.ProposeConfChange(learner(raft.LocalApplyThread)), ErrBadConfChange},
		"late answer":  {h.r.Step(&raftpb.Message{Type: raftpb.MsgAppResp.Enum(), To: new(uint64(1)), From: new(uint64(7)), Term: new(uint64(2))}), ErrUnknownPeer},
		"empty change": {h.r.ProposeConfChange(&raftpb.ConfChangeV2{}), ErrBadConfChange},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
	// MaxUncommitted of the test hosts is 400.
	if err := h.r.Propose(2, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	if err := h.r.Propose(2, make([]byte, 300)); err != ErrProposalDropped {
		t.Fatalf("got %v", err)
	}
	if err := h.r.TransferLeadership(3); err != nil {
		t.Fatal(err)
	}
	if err := h.r.Propose(2, []byte("x")); err != ErrProposalDropped {
		t.Fatalf("got %v", err)
	}
	// A higher term ends all that.
	step(t, h, &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(3)), Term: new(uint64(5))})
	for name, got := range map[string]error{
		"propose": h.r.Propose(2, []byte("x")), "read": h.r.ReadIndex(nil), "conf": h.r.ProposeConfChange(learner(4)), "transfer": h.r.TransferLeadership(2),
	} {
		if got != ErrNotLeader {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestReadBeforeCaughtUp: a single voter knows after a restart less than it
// acknowledged, and must not answer reads with it.
func TestReadBeforeCaughtUp(t *testing.T) {
	h := &host{id: 1, voters: []uint64{1}, disk: newDisk()}
	if err := h.start(1); err != nil {
		t.Fatal(err)
	}
	finish(t, h)
	_ = h.r.Campaign()
	for !h.r.Status().IsLeader {
		h.ready()
		if h.appends.len() > 0 {
			_ = h.writeDone(true)
		}
	}
	if err := h.r.ReadIndex([]byte("x")); err != ErrNotCaughtUp {
		t.Fatalf("got %v", err)
	}
	if err := h.r.Propose(h.r.Status().Term, []byte("x")); err != ErrNotCaughtUp {
		t.Fatalf("got %v", err)
	}
	finish(t, h)
	if err := h.r.ReadIndex([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

// TestBusy: Invariant REP-6, a snapshot waits for the entries being applied.
func TestBusy(t *testing.T) {
	h := newLeader(t)
	step(t, h, &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)), Term: new(uint64(3))})
	m := &raftpb.Message{Type: raftpb.MsgApp.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(3)), Index: new(uint64(4)), LogTerm: new(uint64(2)), Commit: new(uint64(5)),
		Entries: []*raftpb.Entry{{Term: new(uint64(3)), Index: new(uint64(5))}}}
	if err := h.r.Step(m); err != nil {
		t.Fatal(err)
	}
	for h.applies.len() == 0 {
		h.ready()
		if h.appends.len() > 0 {
			_ = h.writeDone(true)
		}
	}
	snap := func() *raftpb.Message {
		return &raftpb.Message{Type: raftpb.MsgSnap.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(3)),
			Snapshot: &raftpb.Snapshot{Data: make([]byte, 8), Metadata: &raftpb.SnapshotMetadata{Term: new(uint64(3)), Index: new(uint64(20)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}}}}}
	}
	if err := h.r.Step(snap()); err != ErrBusy {
		t.Fatalf("got %v", err)
	}
	finish(t, h)
	step(t, h, snap())
	if st := h.r.Status(); st.Applied != 20 || !slices.Equal(st.Voters, []uint64{1, 2}) {
		t.Fatalf("%+v", st)
	}
}

// TestBadConfChangeInLog: a change that cannot be made is passed over, at every
// replica the same.
func TestBadConfChangeInLog(t *testing.T) {
	h := newLeader(t)
	leave := &raftpb.Entry{Term: new(uint64(3)), Index: new(uint64(5)), Type: raftpb.EntryConfChangeV2.Enum()}
	junk := &raftpb.Entry{Term: new(uint64(3)), Index: new(uint64(6)), Type: raftpb.EntryConfChange.Enum(), Data: []byte{255}}
	step(t, h, &raftpb.Message{Type: raftpb.MsgApp.Enum(), From: new(uint64(2)), Term: new(uint64(3)), Index: new(uint64(4)), LogTerm: new(uint64(2)), Commit: new(uint64(6)),
		Entries: []*raftpb.Entry{leave, junk}})
	if st := h.r.Status(); st.Applied != 6 || !slices.Equal(st.Voters, []uint64{1, 2, 3}) {
		t.Fatalf("%+v", st)
	}
}

// brokenStorage fails to read when told so.
type brokenStorage struct {
	raft.Storage
	err error
}

func (b *brokenStorage) Term(i uint64) (uint64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.Storage.Term(i)
}

// TestFailure: a Storage that cannot be read stops the replica for good, and
// nothing else.
func TestFailure(t *testing.T) {
	broken := &brokenStorage{Storage: newDisk()}
	r, err := New(Config{ID: 1, Voters: []uint64{1}, Storage: broken})
	if err != nil {
		t.Fatal(err)
	}
	for {
		rd, ok := r.Ready()
		if !ok {
			break
		}
		if rd.Append != nil {
			broken.Storage.(*disk).write(rd.Append)
			_ = r.Appended(rd.Append)
		}
		if rd.Apply != nil {
			_ = r.Applied(rd.Apply)
		}
	}
	broken.err = errors.New("bad sector")
	vote := &raftpb.Message{Type: raftpb.MsgVote.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(uint64(2))}
	if err := r.Step(vote); !errors.Is(err, ErrFailed) || !errors.Is(err, broken.err) {
		t.Fatalf("got %v", err)
	}
	broken.err = nil
	r.Tick()
	for name, got := range map[string]error{"propose": r.Propose(1, []byte("x")), "campaign": r.Campaign(), "err": r.Err(), "step": r.Step(nil)} {
		if !errors.Is(got, ErrFailed) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if _, ok := r.Ready(); ok || r.Status().IsLeader {
		t.Fatal("a failed replica goes on")
	}
}

// TestOpen: what New accepts and repairs, and what not.
func TestOpen(t *testing.T) {
	state := func(term, commit, last uint64) *disk {
		d := newDisk()
		a := &Append{HardState: &raftpb.HardState{Term: &term, Vote: new(uint64(1)), Commit: &commit}}
		for i := range last {
			a.Entries = append(a.Entries, &raftpb.Entry{Term: new(uint64(2)), Index: new(i + 1)})
		}
		d.write(a)
		d.machine.conf = &raftpb.ConfState{Voters: []uint64{1}}
		return d
	}
	// compacted returns a log that begins behind 3, as one that was reset for a
	// snapshot there.
	compacted := func(d *disk) *disk {
		d.flush(machine{applied: 3, conf: d.machine.conf}, 0)
		return d
	}
	for name, c := range map[string]struct {
		cfg  Config
		want error // nil: any
	}{
		"no id":             {Config{Storage: newDisk()}, nil},
		"no storage":        {Config{ID: 1}, nil},
		"not a voter":       {Config{ID: 1, Voters: []uint64{2}, Storage: newDisk()}, nil},
		"heartbeat":         {Config{ID: 1, Storage: newDisk(), HeartbeatTicks: 20}, nil},
		"commit beyond log": {Config{ID: 1, Storage: state(2, 5, 4)}, ErrLogBehind},
		"applied beyond":    {Config{ID: 1, Storage: state(2, 4, 4), Applied: 5}, ErrLogBehind},
		"term of the past":  {Config{ID: 1, Storage: state(1, 4, 4)}, ErrLogBehind},
		"rows of the past":  {Config{ID: 1, Storage: compacted(state(2, 4, 4)), Applied: 2}, ErrRowsBehind},
		"no rows":           {Config{ID: 1, Storage: compacted(state(2, 4, 4))}, ErrRowsBehind},
		"no rows, no log":   {Config{ID: 1, Storage: compacted(state(2, 3, 3))}, ErrRowsBehind},
	} {
		r, err := New(c.cfg)
		if err == nil || r != nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	r, err := New(Config{ID: 1, Storage: state(2, 1, 4), Applied: 3})
	if err != nil {
		t.Fatal(err)
	}
	if st := r.Status(); st.Commit != 3 || st.Applied != 3 || st.Term != 2 {
		t.Fatalf("%+v", st)
	}
}

// TestView: the view over a log with a tail in memory reads as the log itself.
func TestView(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := newDisk()
	v := &view{Storage: d, sizeMax: 1000}
	applied, hits := uint64(0), 0
	for round := range 5000 {
		switch last := d.written.last(); rng.IntN(3) {
		case 0, 1:
			at := max(applied, last-min(last, uint64(rng.IntN(4)))) + 1
			a := &Append{}
			for i := range uint64(1 + rng.IntN(3)) {
				a.Entries = append(a.Entries, &raftpb.Entry{Term: new(uint64(round + 1)), Index: new(at + i), Data: make([]byte, rng.IntN(200))})
			}
			d.write(a)
			v.append(a.Entries)
		case 2:
			if last > applied {
				applied += 1 + rng.Uint64N(last-applied)
				v.applied(applied)
			}
		}
		size := 0
		for _, e := range v.tail {
			size += entrySize(e)
		}
		if size != v.size || size > v.sizeMax {
			t.Fatalf("round %d: size %d noted as %d", round, size, v.size)
		}
		if d.written.last() == 0 {
			continue
		}
		lo := 1 + rng.Uint64N(d.written.last())
		if rng.IntN(2) == 0 { // what Raft is about to apply
			lo = min(applied+1, d.written.last())
		}
		hi := lo + 1 + rng.Uint64N(d.written.last()+1-lo)
		limit := rng.Uint64N(1000)
		want, err1 := d.Entries(lo, hi, limit)
		got, err2 := v.Entries(lo, hi, limit)
		if err1 != nil || err2 != nil || !slices.Equal(got, want) {
			t.Fatalf("round %d: entries %d to %d: %v %v, want %v %v", round, lo, hi, got, err2, want, err1)
		}
		if len(v.tail) > 0 && lo >= v.tail[0].GetIndex() {
			hits++
		}
		wantTerm, _ := d.Term(lo)
		if gotTerm, err := v.Term(lo); err != nil || gotTerm != wantTerm {
			t.Fatalf("round %d: term of %d: %d %v, want %d", round, lo, gotTerm, err, wantTerm)
		}
	}
	if hits < 50 {
		t.Fatalf("vacuous: %d reads from the tail", hits)
	}
}
