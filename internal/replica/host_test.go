package replica

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// image is the content of a log at one moment.
type image struct {
	hard *raftpb.HardState
	snap *raftpb.Snapshot // what the log starts after; never nil
	ents []*raftpb.Entry  // consecutive, from snap+1
}

func (im *image) first() uint64 { return im.snap.GetMetadata().GetIndex() + 1 }
func (im *image) last() uint64  { return im.first() + uint64(len(im.ents)) - 1 }

// write does what an Append asks.
func (im *image) write(a *Append) {
	if a.Snapshot != nil {
		im.snap, im.ents = a.Snapshot, nil
	}
	if len(a.Entries) > 0 {
		if at := a.Entries[0].GetIndex(); at < im.first() || at > im.last()+1 {
			panic(fmt.Sprintf("append at %d to a log of %d to %d", at, im.first(), im.last()))
		}
		keep := a.Entries[0].GetIndex() - im.first()
		im.ents = append(slices.Clone(im.ents[:keep]), a.Entries...)
	}
	if a.HardState != nil {
		im.hard = a.HardState
	}
}

// compact drops the entries up to the position of snap.
func (im *image) compact(snap *raftpb.Snapshot) {
	if at := snap.GetMetadata().GetIndex(); at >= im.first() && at <= im.last() {
		im.ents = slices.Clone(im.ents[at+1-im.first():])
		im.snap = snap
	}
}

// disk is a log that a crash sets back to what was synced, or a little later.
// It implements raft.Storage over what was written.
type disk struct {
	written, synced image
	unsynced        []*Append
	machine         machine // the state machine as last flushed
}

func newDisk() *disk {
	none := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: &raftpb.ConfState{}}}
	return &disk{written: image{snap: none}, synced: image{snap: none}, machine: machine{conf: &raftpb.ConfState{}}}
}

func (d *disk) write(a *Append) {
	d.written.write(a)
	d.unsynced = append(d.unsynced, a)
}

// sync makes the oldest n writes durable.
func (d *disk) sync(n int) {
	for _, a := range d.unsynced[:n] {
		d.synced.write(a)
	}
	d.unsynced = d.unsynced[n:]
}

// crash loses what was not synced, except the first keep writes.
func (d *disk) crash(keep int) {
	d.sync(min(keep, len(d.unsynced)))
	d.unsynced = nil
	d.written = image{hard: d.synced.hard, snap: d.synced.snap, ents: slices.Clone(d.synced.ents)}
	if s := d.synced.snap; s.GetMetadata().GetIndex() > d.machine.applied {
		d.machine = restored(s)
	}
}

// flush makes m the durable state machine and drops the log before it but for
// the last keep entries.
func (d *disk) flush(m machine, keep uint64) {
	d.machine = m
	if m.applied <= keep {
		return
	}
	at := m.applied - keep
	term, err := d.Term(at)
	if err != nil {
		return
	}
	mark := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &at, Term: &term, ConfState: &raftpb.ConfState{}}}
	d.written.compact(mark)
	d.synced.compact(mark)
}

func (d *disk) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return d.written.hard, d.machine.conf, nil
}

func (d *disk) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo < d.written.first() {
		return nil, raft.ErrCompacted
	}
	if hi > d.written.last()+1 {
		return nil, raft.ErrUnavailable
	}
	var size uint64
	ents := d.written.ents[lo-d.written.first() : hi-d.written.first()]
	for i, e := range ents {
		if size += uint64(proto.Size(e)); size > maxSize && i > 0 {
			ents = ents[:i]
			break
		}
	}
	return slices.Clone(ents), nil
}

func (d *disk) Term(i uint64) (uint64, error) {
	switch im := &d.written; {
	case i+1 < im.first():
		return 0, raft.ErrCompacted
	case i > im.last():
		return 0, raft.ErrUnavailable
	case i+1 == im.first():
		return im.snap.GetMetadata().GetTerm(), nil
	default:
		return im.ents[i-im.first()].GetTerm(), nil
	}
}

func (d *disk) FirstIndex() (uint64, error) { return d.written.first(), nil }
func (d *disk) LastIndex() (uint64, error)  { return d.written.last(), nil }

func (d *disk) Snapshot() (*raftpb.Snapshot, error) {
	m := d.machine
	term, err := d.Term(m.applied)
	if err != nil || m.applied == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &raftpb.Snapshot{
		Data:     binary.LittleEndian.AppendUint64(nil, m.hash),
		Metadata: &raftpb.SnapshotMetadata{Index: &m.applied, Term: &term, ConfState: m.conf},
	}, nil
}

// machine is a state machine that only knows a hash of all it applied.
type machine struct {
	applied uint64
	hash    uint64
	conf    *raftpb.ConfState
}

func restored(s *raftpb.Snapshot) machine {
	return machine{
		applied: s.GetMetadata().GetIndex(),
		hash:    binary.LittleEndian.Uint64(s.GetData()),
		conf:    s.GetMetadata().GetConfState(),
	}
}

func (m *machine) apply(e Entry) error {
	if e.Index != m.applied+1 {
		return fmt.Errorf("applies %d after %d", e.Index, m.applied)
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%d/%d/%s", m.hash, e.Index, e.Term, e.Data)
	m.applied, m.hash = e.Index, h.Sum64()
	if e.Conf != nil {
		m.conf = e.Conf.State
	}
	return nil
}

// host is a replica with a disk and a state machine, and what it has under way.
type host struct {
	id      uint64
	voters  []uint64
	r       *Replica
	disk    *disk
	machine machine
	appends fifo[*Append]
	applies fifo[*Apply]
}

func (h *host) start(seed uint64) (err error) {
	h.appends, h.applies = fifo[*Append]{}, fifo[*Apply]{}
	h.machine = h.disk.machine
	h.r, err = New(Config{
		ID: h.id, Group: 1, Voters: h.voters, Storage: h.disk, Applied: h.machine.applied, Seed: seed,
		// Small, so that all limits are met.
		MaxSizePerMsg: 100, MaxInflight: 4, MaxInflightBytes: 300, MaxUncommitted: 400, MaxApplying: 200,
	})
	return err
}

// ready takes one Ready and starts what it asks for: Appends are written, not
// synced.
func (h *host) ready() (Ready, bool) {
	rd, ok := h.r.Ready()
	if !ok {
		return rd, false
	}
	if rd.Append != nil {
		h.disk.write(rd.Append)
		h.appends.push(rd.Append)
	}
	if rd.Apply != nil {
		h.applies.push(rd.Apply)
	}
	return rd, true
}

// writeDone completes the oldest Append.
func (h *host) writeDone(sync bool) error {
	a := h.appends.pop()
	if sync && a.MustSync {
		// Those acknowledged before without sync are durable now, too.
		h.disk.sync(slices.Index(h.disk.unsynced, a) + 1)
	}
	if a.Snapshot != nil {
		h.machine = restored(a.Snapshot)
		h.disk.machine = h.machine
	}
	return h.r.Appended(a)
}

// applyDone completes the oldest Apply.
func (h *host) applyDone() error {
	a := h.applies.pop()
	for _, e := range a.Entries {
		if err := h.machine.apply(e); err != nil {
			return err
		}
	}
	return h.r.Applied(a)
}
