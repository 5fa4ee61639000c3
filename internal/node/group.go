package node

import (
	"errors"
	"runtime"
	"sync"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/internal/raftlog"
	"kahuna/internal/replica"
	"kahuna/script"
)

// group hosts one partition and its replica: it performs what the replica
// asks for and tells the partition what became of its batches.
type group struct {
	node *Node
	id   uint64
	part *partition.Partition
	log  *raftlog.Group
	// merged is what the applier's goroutine is about to apply.
	merged merged

	// mu guards the replica. Held: briefly, never while waiting for I/O.
	mu      sync.Mutex
	replica raftReplica
	leading uint64 // term in which Lead was ordered, 0 for none
	// answered says that a batch was committed: unlock is to propose the next.
	answered bool
	// postponed is a batch that the replica did not take, or nil: tick proposes
	// it again.
	postponed *postponed
}

// postponed is a batch, and its encoding.
type postponed struct {
	batch *partition.Batch
	data  []byte
}

// raftReplica is what a group needs of its replica. A *replica.Replica is one;
// tests of the group have another, which does what the test says.
type raftReplica interface {
	Tick()
	Campaign() error
	Propose(term uint64, data []byte) error
	Ready() (replica.Ready, bool)
	Appended(*replica.Append) error
	Applied(*replica.Apply) error
	Err() error
}

// unlock gives mu up, and proposes the next batch when one was committed. First
// it lets those who were answered run: they come again with more, and a batch
// that holds more costs less for each. Where nobody waits to run, that takes no
// time.
func (g *group) unlock() {
	answered := g.answered
	g.answered = false
	g.mu.Unlock()
	if !answered {
		return
	}
	runtime.Gosched()
	if b := g.part.Next(); b != nil {
		data := b.Entry().Encode()
		g.mu.Lock()
		g.propose(b, data)
		g.drain()
		g.unlock()
	}
}

// flush proposes the open batch, unless one is on its way already.
func (g *group) flush() {
	b := g.part.Take()
	if b == nil {
		return
	}
	data := b.Entry().Encode() // a large one takes its time: nobody waits for a lock
	g.mu.Lock()
	defer g.unlock()
	g.propose(b, data)
	g.drain()
}

// propose gives b, encoded as data, to the replica. A leader that drops it, since
// it hands its leadership over or too much is on its way, may take it later, in
// the same term; whoever does not lead in the term of b never will. Held: mu.
func (g *group) propose(b *partition.Batch, data []byte) {
	err := g.replica.Propose(b.Term, data)
	switch {
	case err == nil:
	case errors.Is(err, replica.ErrProposalDropped):
		g.part.Postponed(b)
		g.postponed = &postponed{b, data}
	default:
		g.part.Refused(b, &script.Error{Code: script.CodeRetry, Retry: true, Err: err,
			Message: "the write was not accepted: " + err.Error()})
	}
}

// tick moves the replica's time on, and proposes again what it did not take.
func (g *group) tick() {
	g.mu.Lock()
	defer g.unlock()
	g.replica.Tick()
	g.drain()
	if again := g.postponed; again != nil {
		g.postponed = nil
		if g.part.Resume(again.batch) {
			g.propose(again.batch, again.data)
			g.drain()
		}
	}
}

// drain does what the replica asks for until it asks for nothing. Held: mu.
func (g *group) drain() {
	for {
		rd, ok := g.replica.Ready()
		if !ok {
			break
		}
		if rd.Apply != nil {
			g.committed(rd.Apply)
		}
		if a := rd.Append; a != nil {
			if a.Snapshot != nil { // single-node: nobody sends one; see Install
				g.node.fail(errors.New("a snapshot came to a store that runs"))
				return
			}
			// Append could wait, with mu held, for the log's goroutine, which
			// waits for mu. What is on its way is bounded all the same: one
			// batch of the partition, and a hard state for each Apply.
			g.node.log.Enqueue(raftlog.Write{Group: g.id, HardState: a.HardState, Entries: a.Entries,
				MustSync: a.MustSync, Done: func(err error) { g.appended(a, err) }})
		}
		if rd.StatusChanged {
			g.status(rd.Status)
		}
	}
	if err := g.replica.Err(); err != nil {
		g.node.fail(err)
	}
}

// committed answers the callers of committed batches, and hands the entries to
// the applier. Held: mu.
func (g *group) committed(a *replica.Apply) {
	item := applyItem{group: g, apply: a, batches: make([]*partition.Batch, len(a.Entries))}
	for i := range a.Entries {
		if e := &a.Entries[i]; len(e.Data) > 0 && e.Conf == nil {
			b := g.part.Committed(e.Term)
			item.batches[i] = b
			g.answered = g.answered || b != nil
		}
	}
	g.node.applier.put(item)
}

// appended is called on the log's goroutine when a write is done.
func (g *group) appended(a *replica.Append, err error) {
	if err != nil {
		if !errors.Is(err, raftlog.ErrClosed) {
			g.node.fail(err)
		}
		return
	}
	g.mu.Lock()
	defer g.unlock()
	if err := g.replica.Appended(a); err != nil {
		g.node.fail(err)
		return
	}
	g.drain()
}

// status follows leadership. Held: mu.
func (g *group) status(s replica.Status) {
	switch {
	case s.IsLeader && s.CaughtUp && g.leading != s.Term:
		g.leading = s.Term
		// In the applier's queue behind everything of earlier terms: PART-3.
		g.node.applier.put(applyItem{group: g, lead: s.Term})
	case g.leading != 0 && (!s.IsLeader || s.Term != g.leading):
		g.leading = 0
		g.part.Stop(partition.ErrNotLeading)
	}
}

// apply applies a run of items, or obeys an order that stands alone. It runs on
// the applier's goroutine.
func (g *group) apply(items []applyItem) error {
	switch first := items[0]; {
	case first.reached != nil:
		close(first.reached)
		return nil
	case first.lead != 0:
		return g.lead(first.lead)
	}
	if err := g.applyEntries(items); err != nil {
		return g.blame(items, err)
	}
	g.mu.Lock()
	defer g.unlock()
	for _, item := range items {
		if err := g.replica.Applied(item.apply); err != nil {
			return err
		}
	}
	g.drain()
	return nil
}

// applyEntries applies the entries of items, as many at a time as fit.
func (g *group) applyEntries(items []applyItem) error {
	m := &g.merged
	for _, item := range items {
		for i := range item.apply.Entries {
			if err := g.applyEntry(m, &item.apply.Entries[i], item.batches[i]); err != nil {
				return err
			}
		}
	}
	return g.applyMerged(m)
}

func (g *group) lead(term uint64) error {
	_, hwm, err := g.node.store.Applied(g.id)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leading == term && g.part.Lead(term, hwm) {
		g.node.led()
	}
	return nil
}

// applyEntry adds an entry to m, or applies it after m.
func (g *group) applyEntry(m *merged, e *replica.Entry, b *partition.Batch) error {
	if e.Conf != nil {
		if err := g.applyMerged(m); err != nil {
			return err
		}
		state, err := proto.Marshal(e.Conf.State)
		if err != nil {
			return err
		}
		if err := g.node.store.SetConfState(g.id, e.Index, state); err != nil {
			return err
		}
		g.log.SetConfState(e.Conf.State)
		return nil
	}
	batch := &kv.Batch{}
	switch {
	case b != nil:
		batch = b.Entry()
	case len(e.Data) > 0:
		var err error
		if batch, err = kv.Decode(e.Data); err != nil {
			return &entryError{e.Index, err}
		}
	}
	if !m.fits(batch, len(e.Data)) {
		if err := g.applyMerged(m); err != nil {
			return err
		}
	}
	m.add(e.Index, batch, len(e.Data), b)
	return nil
}

// applyMerged applies what m holds and empties it.
func (g *group) applyMerged(m *merged) error {
	if m.batch == nil {
		return nil
	}
	if err := g.node.store.Apply(g.id, m.index, m.batch); err != nil {
		return err
	}
	g.part.Applied(m.batches)
	// Nobody waits for this; others do for their turn.
	runtime.Gosched()
	m.reset()
	return nil
}

// membership reads the group's membership as of the applied index.
func membership(data []byte) (*raftpb.ConfState, error) {
	cs := &raftpb.ConfState{}
	if err := proto.Unmarshal(data, cs); err != nil {
		return nil, err
	}
	return cs, nil
}
