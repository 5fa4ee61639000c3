package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/internal/replica"
	"kahuna/internal/txn"
	"kahuna/script"
)

// scripted is a replica that does what a test says: it leads, takes proposals
// and commits them when it is told to. Its group holds its mutex wherever it
// is used.
type scripted struct {
	t *testing.T
	n *Node

	status  replica.Status
	changed bool // status was not handed out yet
	taken   []replica.Entry
	applies []*replica.Apply
	index   uint64

	// refuse, when it returns an error, refuses a proposal.
	refuse func() error
	// tick runs at every tick.
	tick func()
	// proposed receives each proposal that was taken.
	proposed chan replica.Entry
}

// newScripted returns a running node over a replica that leads nothing yet.
func newScripted(t *testing.T) *scripted {
	t.Helper()
	n := newNode(Options{FS: vfs.NewMem(), Dir: "db", TickInterval: time.Millisecond, SweepInterval: time.Hour}.withDefaults())
	if err := n.open(); err != nil {
		t.Fatal(err)
	}
	s := &scripted{t: t, n: n, proposed: make(chan replica.Entry, 100)}
	n.group.replica = s
	n.run()
	t.Cleanup(func() {
		s.do(func() { s.tick, s.refuse = nil, nil })
		s.follow()
		s.await("Close", closing(n))
	})
	return s
}

// ctx ends when the test has waited too long.
func (s *scripted) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// closing closes n and returns what receives the error.
func closing(n *Node) <-chan error {
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	return closed
}

func (s *scripted) Tick() {
	if s.tick != nil {
		s.tick()
	}
}

func (s *scripted) Campaign() error { return nil }

func (s *scripted) Propose(term uint64, data []byte) error {
	if !s.status.IsLeader || s.status.Term != term {
		return replica.ErrNotLeader
	}
	if s.refuse != nil {
		if err := s.refuse(); err != nil {
			return err
		}
	}
	e := replica.Entry{Term: term, Data: data}
	s.taken = append(s.taken, e)
	s.proposed <- e
	return nil
}

func (s *scripted) Ready() (rd replica.Ready, ok bool) {
	rd.Status = s.status
	rd.StatusChanged, s.changed = s.changed, false
	if len(s.applies) > 0 {
		rd.Apply, s.applies = s.applies[0], s.applies[1:]
	}
	return rd, rd.StatusChanged || rd.Apply != nil
}

func (s *scripted) Appended(*replica.Append) error { return nil }
func (s *scripted) Applied(*replica.Apply) error   { return nil }
func (s *scripted) Err() error                     { return nil }

// do gives the replica an input, and the group what follows from it.
func (s *scripted) do(f func()) {
	g := s.n.group
	g.mu.Lock()
	defer g.unlock()
	f()
	g.drain()
}

// lead makes the replica the leader in term, and returns when the group has
// followed.
func (s *scripted) lead(term uint64) {
	s.t.Helper()
	s.do(func() { s.become(replica.Status{Term: term, Leader: 1, IsLeader: true, CaughtUp: true}) })
	s.settle()
}

// follow makes the replica no leader any more. What it has not committed is
// lost.
func (s *scripted) follow() {
	s.do(func() { s.become(replica.Status{Term: s.status.Term + 1}) })
}

func (s *scripted) become(st replica.Status) { s.status, s.changed, s.taken = st, true, nil }

// settle returns when everything committed so far is applied.
func (s *scripted) settle() {
	s.t.Helper()
	if err := s.n.applyAcknowledged(s.ctx()); err != nil {
		s.t.Fatal(err)
	}
}

// commit commits what was proposed.
func (s *scripted) commit() { s.do(s.commitTaken) }

func (s *scripted) commitTaken() {
	for _, e := range s.taken {
		s.entry(e)
	}
	s.taken = nil
}

// entry commits e as the next entry of the log.
func (s *scripted) entry(e replica.Entry) {
	s.index++
	e.Index = s.index
	s.applies = append(s.applies, &replica.Apply{Entries: []replica.Entry{e}})
}

// foreign commits a write of another leader.
func (s *scripted) foreign(term uint64, key, value string, revision int64) {
	now := s.n.store.Horizon() + 1<<40
	b := kv.Batch{Time: now, Ops: []kv.Op{{Kind: kv.Put, Key: key,
		Row: kv.Row{Value: value, Revision: revision, Prev: revision - 1, Modified: now}}}}
	s.do(func() { s.entry(replica.Entry{Term: term, Data: b.Encode()}) })
	s.settle()
}

// patience is how long a test waits for what must come; it bounds only how long
// one that fails takes.
const patience = 20 * time.Second

// await returns what c receives.
func (s *scripted) await(what string, c <-chan error) error {
	s.t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		s.t.Fatalf("%s does not end", what)
		return nil
	}
}

// awaitProposal returns the next proposal that the replica took.
func (s *scripted) awaitProposal() replica.Entry {
	s.t.Helper()
	select {
	case e := <-s.proposed:
		return e
	case <-time.After(patience):
		s.t.Fatal("nothing is proposed")
		return replica.Entry{}
	}
}

// noProposal checks that nothing was proposed.
func (s *scripted) noProposal() {
	s.t.Helper()
	select {
	case e := <-s.proposed:
		b, err := kv.Decode(e.Data)
		s.t.Errorf("term %d got a proposal: %+v %v", e.Term, b, err)
	default:
	}
}

// work is partition.Work made of a function.
type work func(tx *partition.Tx) error

func (f work) Do(tx *partition.Tx, _ int64) (*script.Result, error) { return &script.Result{}, f(tx) }

func put(key, value string) work {
	return func(tx *partition.Tx) error {
		_, err := tx.Set(kv.Persistent, key, value, &script.SetOptions{})
		return err
	}
}

func get(key string, value *string) work {
	return func(tx *partition.Tx) error {
		row, err := tx.Get(kv.Persistent, key)
		*value = row.Value
		return err
	}
}

// locks returns what locks a key for reading or writing.
func locks(key string, write bool) *partition.LockSet {
	return &partition.LockSet{Points: []partition.Point{{Space: kv.Persistent, Key: key, Write: write}}}
}

// run runs a job.
func (s *scripted) run(j *txn.Job) <-chan error {
	j.TimeoutMs, j.AdmissionMs = 10*patience.Milliseconds(), 10*patience.Milliseconds()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		_, err := s.n.Runner.Run(ctx, j)
		done <- err
	}()
	return done
}

// store writes a row that becomes durable.
func (s *scripted) store(key, value string) {
	s.t.Helper()
	done := s.run(&txn.Job{Work: put(key, value)})
	s.awaitProposal()
	s.commit()
	if err := s.await("the write", done); err != nil {
		s.t.Fatal(err)
	}
}

// begin starts an interactive transaction.
func (s *scripted) begin(o txn.InteractiveOptions) *txn.Interactive {
	s.t.Helper()
	o.Idle, o.Timeout = time.Hour, time.Hour
	tx, err := s.n.Runner.Begin(context.Background(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(tx.Rollback)
	return tx
}

// code returns the code of err, "" when it has none.
func code(err error) script.Code {
	var e *script.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// wantRefused checks that err says that nothing was applied, and to try again.
func (s *scripted) wantRefused(what string, err error) {
	s.t.Helper()
	var e *script.Error
	if !errors.As(err, &e) || e.Code != script.CodeRetry || e.Outcome != script.NotApplied || !e.Retry {
		s.t.Errorf("%s: %v, want an error to retry, not applied", what, err)
	}
}
