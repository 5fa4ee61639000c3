package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestTranscripts runs testdata: what a replica wants done after each input,
// word for word. Commands:
//
//	new size=N [voters=(1,2)]  N hosts, the first voters among them
//	campaign I, tick I [n=N]  input
//	propose I term=T data=D
//	conf I changes=(v4,l5,r1) [explicit], transfer I to=J, read I ctx=C
//	ready I                   all Readys; Appends and Applies are started
//	written I, applied I      the oldest one is done
//	crash I [keep=N]          lose what is not synced, restart
//	flush I [keep=N]          state machine durable, log dropped before it
//	deliver [from=I] [to=J] [type=T] [drop] [twice] [reverse] [n=N]
//	run [I ..]                everything to an end among the hosts (all)
//	status [I ..], log I, net
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		c := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c.out.Reset()
			if err := c.run(t, d); err != nil {
				fmt.Fprintln(&c.out, "error:", err)
			}
			if c.out.Len() == 0 {
				return "ok\n"
			}
			return c.out.String()
		})
	})
}

// script is the cluster of a transcript.
type script struct {
	hosts []*host
	net   []*raftpb.Message
	out   strings.Builder
}

func (c *script) printf(format string, args ...any) { fmt.Fprintf(&c.out, format+"\n", args...) }

func (c *script) run(t *testing.T, d *datadriven.TestData) error {
	switch d.Cmd {
	case "new":
		return c.create(t, d)
	case "deliver":
		return c.deliver(t, d)
	case "run":
		return c.settle(c.chosen(t, d))
	case "status":
		for _, h := range c.chosen(t, d) {
			c.printf("%d: %s", h.id, describeStatus(h.r.Status()))
		}
		return nil
	case "net":
		for _, m := range c.net {
			c.printf("%s", raft.DescribeMessage(m, nil))
		}
		return nil
	}
	h := c.host(t, d.CmdArgs[0].Key)
	n := 1
	d.MaybeScanArgs(t, "n", &n)
	switch d.Cmd {
	case "campaign":
		return h.r.Campaign()
	case "tick":
		for range n {
			h.r.Tick()
		}
	case "propose":
		var term uint64
		var data string
		d.ScanArgs(t, "term", &term)
		d.ScanArgs(t, "data", &data)
		return h.r.Propose(term, []byte(data))
	case "conf":
		return c.conf(t, d, h)
	case "transfer":
		var to uint64
		d.ScanArgs(t, "to", &to)
		return h.r.TransferLeadership(to)
	case "read":
		var ctx string
		d.ScanArgs(t, "ctx", &ctx)
		return h.r.ReadIndex([]byte(ctx))
	case "ready":
		for c.ready(h, true) {
		}
	case "written":
		for range n {
			if h.appends.len() == 0 {
				return fmt.Errorf("nothing is being written")
			}
			if err := h.writeDone(true); err != nil {
				return err
			}
		}
	case "applied":
		for range n {
			if h.applies.len() == 0 {
				return fmt.Errorf("nothing is being applied")
			}
			if err := h.applyDone(); err != nil {
				return err
			}
		}
	case "crash":
		keep := 0
		d.MaybeScanArgs(t, "keep", &keep)
		h.disk.crash(keep)
		return h.start(0)
	case "flush":
		var keep uint64
		d.MaybeScanArgs(t, "keep", &keep)
		h.disk.flush(h.machine, keep)
	case "log":
		c.printf("hard state %s, from %d", raft.DescribeHardState(h.disk.written.hard), h.disk.written.first())
		c.entries(h.disk.written.ents)
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	return nil
}

func (c *script) host(t *testing.T, key string) *host {
	var i int
	if _, err := fmt.Sscan(key, &i); err != nil || i < 1 || i > len(c.hosts) {
		t.Fatalf("no host %q", key)
	}
	return c.hosts[i-1]
}

func (c *script) chosen(t *testing.T, d *datadriven.TestData) []*host {
	if len(d.CmdArgs) == 0 {
		return c.hosts
	}
	var hosts []*host
	for _, arg := range d.CmdArgs {
		hosts = append(hosts, c.host(t, arg.Key))
	}
	return hosts
}

func (c *script) create(t *testing.T, d *datadriven.TestData) error {
	var size int
	var voters []uint64
	d.ScanArgs(t, "size", &size)
	d.MaybeScanArgs(t, "voters", &voters)
	c.hosts, c.net = nil, nil
	for id := range uint64(size) {
		h := &host{id: id + 1, disk: newDisk()}
		if voters == nil {
			for i := range uint64(size) {
				h.voters = append(h.voters, i+1)
			}
		} else if slices.Contains(voters, h.id) {
			h.voters = voters
		}
		c.hosts = append(c.hosts, h)
		if err := h.start(0); err != nil {
			return err
		}
	}
	return nil
}

func (c *script) conf(t *testing.T, d *datadriven.TestData, h *host) error {
	var ops []string
	d.MaybeScanArgs(t, "changes", &ops)
	changes, err := raftpb.ConfChangesFromString(strings.Join(ops, " "))
	if err != nil {
		t.Fatal(err)
	}
	change := &raftpb.ConfChangeV2{Changes: changes}
	if d.HasArg("explicit") {
		change.Transition = raftpb.ConfChangeTransitionJointExplicit.Enum()
	}
	return h.r.ProposeConfChange(change)
}

// ready starts what one Ready asks for.
func (c *script) ready(h *host, show bool) bool {
	rd, ok := h.ready()
	if !ok {
		if err := h.r.Err(); err != nil {
			c.printf("failed: %v", err)
		}
		return false
	}
	c.net = append(c.net, rd.Messages...)
	if show {
		c.describe(&rd)
	}
	return true
}

func (c *script) describe(rd *Ready) {
	if rd.StatusChanged {
		c.printf("status: %s", describeStatus(rd.Status))
	}
	if a := rd.Append; a != nil {
		sync := ""
		if a.MustSync {
			sync = " sync"
		}
		c.printf("append%s:", sync)
		if a.HardState != nil {
			c.printf("  %s", raft.DescribeHardState(a.HardState))
		}
		if a.Snapshot != nil {
			c.printf("  snapshot %s", raft.DescribeSnapshot(a.Snapshot))
		}
		c.entries(a.Entries)
	}
	if a := rd.Apply; a != nil {
		c.printf("apply:")
		for _, e := range a.Entries {
			switch {
			case e.Conf != nil:
				c.printf("  %d/%d %s -> %s", e.Term, e.Index, raftpb.ConfChangesToString(e.Conf.Change.Changes), raft.DescribeConfState(e.Conf.State))
			default:
				c.printf("  %d/%d %q", e.Term, e.Index, e.Data)
			}
		}
	}
	for _, m := range rd.Messages {
		c.printf("send: %s", raft.DescribeMessage(m, nil))
	}
	for _, s := range rd.ReadStates {
		c.printf("read: %s at %d", s.RequestCtx, s.Index)
	}
}

func (c *script) entries(ents []*raftpb.Entry) {
	for _, e := range ents {
		c.printf("  %s", strings.TrimRight(raft.DescribeEntry(e, nil), " "))
	}
}

func describeStatus(st Status) string {
	s := fmt.Sprintf("term %d leader %d commit %d applied %d voters %v", st.Term, st.Leader, st.Commit, st.Applied, st.Voters)
	if len(st.Learners) > 0 {
		s += fmt.Sprintf(" learners %v", st.Learners)
	}
	if st.IsLeader {
		s += ", leads"
	}
	if st.CaughtUp {
		s += ", caught up"
	}
	return s
}

// deliver takes messages that match off the network, in order.
func (c *script) deliver(t *testing.T, d *datadriven.TestData) error {
	var from, to uint64
	var typ string
	n := 1 << 30
	d.MaybeScanArgs(t, "from", &from)
	d.MaybeScanArgs(t, "to", &to)
	d.MaybeScanArgs(t, "type", &typ)
	d.MaybeScanArgs(t, "n", &n)
	var taken, left []*raftpb.Message
	for _, m := range c.net {
		if len(taken) < n && (from == 0 || m.GetFrom() == from) && (to == 0 || m.GetTo() == to) && (typ == "" || m.GetType().String() == typ) {
			taken = append(taken, m)
		} else {
			left = append(left, m)
		}
	}
	c.net = left
	if d.HasArg("drop") {
		c.printf("dropped %d", len(taken))
		return nil
	}
	if d.HasArg("reverse") {
		slices.Reverse(taken)
	}
	if d.HasArg("twice") {
		taken = append(taken, taken...)
	}
	for _, m := range taken {
		if err := c.arrive(m); err != nil {
			return err
		}
	}
	c.printf("delivered %d", len(taken))
	return nil
}

func (c *script) arrive(m *raftpb.Message) error {
	err := c.hosts[m.GetTo()-1].r.Step(proto.Clone(m).(*raftpb.Message))
	if m.GetType() == raftpb.MsgSnap {
		c.hosts[m.GetFrom()-1].r.ReportSnapshot(m.GetTo(), err == nil)
	}
	if err == ErrUnknownPeer || err == ErrBusy {
		c.printf("%v: %v", m.GetType(), err)
		return nil
	}
	return err
}

// settle lets all hosts given finish everything, messages between them
// included; messages to and from others are lost. It prints how they end.
func (c *script) settle(hosts []*host) error {
	for range 200 {
		busy := false
		for _, h := range hosts {
			for c.ready(h, false) {
				busy = true
			}
			for h.appends.len() > 0 {
				busy = true
				if err := h.writeDone(true); err != nil {
					return err
				}
			}
			for h.applies.len() > 0 {
				busy = true
				if err := h.applyDone(); err != nil {
					return err
				}
			}
		}
		msgs := c.net
		c.net = nil
		for _, m := range msgs {
			if slices.Contains(hosts, c.hosts[m.GetTo()-1]) && slices.Contains(hosts, c.hosts[m.GetFrom()-1]) {
				busy = true
				if err := c.arrive(m); err != nil {
					return err
				}
			}
		}
		if !busy {
			for _, h := range hosts {
				c.printf("%d: %s", h.id, describeStatus(h.r.Status()))
			}
			return nil
		}
	}
	return fmt.Errorf("no end")
}
