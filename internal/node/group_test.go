package node

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"kahuna/internal/partition"
	"kahuna/internal/replica"
	"kahuna/internal/txn"
	"kahuna/script"
)

// TestTxOutlivesTerm: Invariant PART-8. A transaction that has begun in one
// term concludes in no other, though the node leads again: what it has read may
// have been lost or overwritten, and its locks are gone.
func TestTxOutlivesTerm(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]txn.InteractiveOptions{"locks": {}, "optimistic": {Optimistic: true}, "read-only": {ReadOnly: true}} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			ctx := s.ctx()
			s.lead(1)
			s.store("k", "1")
			tx, between := s.begin(o), s.begin(o)
			var k string
			for _, tx := range []*txn.Interactive{tx, between} {
				if err := tx.Do(ctx, get("k", &k), nil); err != nil || k != "1" {
					t.Fatal(k, err)
				}
			}
			if !o.ReadOnly {
				if err := tx.Do(ctx, put("sum", k+"+1"), nil); err != nil {
					t.Fatal(err)
				}
			}
			s.follow()
			s.foreign(2, "k", "2", 1)
			s.wantRefused("between the terms", between.Commit(ctx))
			s.lead(3)
			s.wantRefused("in the next term", tx.Commit(ctx))
			s.noProposal()
			s.store("k", "3")
		})
	}
}

// TestCallOutlivesTerm: nor does such a transaction show rows of another term.
func TestCallOutlivesTerm(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.lead(1)
	s.store("k", "1")
	tx := s.begin(txn.InteractiveOptions{})
	s.follow()
	s.lead(2)
	var k string
	s.wantRefused("a read in the next term", tx.Do(s.ctx(), get("k", &k), nil))
	s.wantRefused("the commit after it", tx.Commit(s.ctx()))
}

// TestSlowRunOutlivesTerm: a run outside the executor that has read a row which
// was lost with its term writes nothing that follows from it in the next one.
func TestSlowRunOutlivesTerm(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.lead(1)
	s.store("k", "1")
	lost := s.run(&txn.Job{Work: put("k", "2")})
	s.awaitProposal()
	read, goOn := make(chan string, 1), make(chan struct{})
	slow := s.run(&txn.Job{Path: txn.Slow, Footprint: func() partition.LockSet { return *locks("k", false) },
		Work: work(func(tx *partition.Tx) error {
			var k string
			if err := get("k", &k)(tx); err != nil {
				return err
			}
			read <- k
			<-goOn
			return put("sum", k+"+1")(tx)
		})})
	if k := <-read; k != "2" {
		t.Fatalf("k is %q", k)
	}
	s.follow()
	if err := s.await("the write that was lost", lost); code(err) != script.CodeOutcomeUnknown {
		t.Errorf("a write that was proposed: %v, want outcome unknown", err)
	}
	s.lead(3)
	close(goOn)
	s.wantRefused("a slow run", s.await("the slow run", slow))
	s.noProposal()
	s.store("k", "2")
}

// TestLocksEndWithTerm: those who wait for locks are told when leadership is
// lost, and the next term knows nothing of the locks of this one.
func TestLocksEndWithTerm(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	ctx := s.ctx()
	s.lead(1)
	holder, younger := s.begin(txn.InteractiveOptions{}), s.begin(txn.InteractiveOptions{})
	if err := holder.Do(ctx, put("k", "1"), nil); err != nil {
		t.Fatal(err)
	}
	waiting := map[string]<-chan error{}
	waiting["a script"] = s.run(&txn.Job{Work: put("k", "2"), Footprint: func() partition.LockSet { return *locks("k", true) }})
	waiting["a slow script"] = s.run(&txn.Job{Work: put("k", "3"), Path: txn.Slow,
		Footprint: func() partition.LockSet { return *locks("k", true) }})
	tx := make(chan error, 1)
	go func() { tx <- younger.Do(ctx, put("k", "4"), nil) }()
	waiting["a transaction"] = tx
	for s.n.group.part.Stats().LockWaits < uint64(len(waiting)) {
		runtime.Gosched()
	}
	s.follow()
	for name, done := range waiting {
		s.wantRefused(name, s.await(name, done))
	}
	s.lead(2)
	if n := s.n.group.part.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
	s.store("k", "5")
	s.wantRefused("who held the lock", holder.Commit(ctx))
	s.noProposal()
}

// TestStaleRefusal: that a batch of an earlier term is refused does not stop the
// term that has begun since.
func TestStaleRefusal(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	g := s.n.group
	s.lead(1)
	flush := s.n.Runner.Flush
	taken := make(chan *partition.Batch, 1)
	s.n.Runner.Flush = func() { taken <- g.part.Take() } // and is late with the rest
	late := s.run(&txn.Job{Work: put("k", "1")})
	b := <-taken
	s.n.Runner.Flush = flush
	s.follow()
	if err := s.await("the write", late); err == nil {
		t.Error("a write that was lost was acknowledged")
	}
	s.lead(3)
	s.do(func() { g.propose(b, b.Entry().Encode()) })
	s.store("k", "2")
}

// TestDroppedProposal: a leader that takes no proposal for a while, as one that
// hands its leadership over, gets it again; nothing overtakes it.
func TestDroppedProposal(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.lead(1)
	drops := make(chan struct{}, 100)
	transfer := true
	s.do(func() {
		s.refuse = func() error {
			if transfer {
				drops <- struct{}{}
				return replica.ErrProposalDropped
			}
			return nil
		}
	})
	first := s.run(&txn.Job{Work: put("k", "1")})
	<-drops
	second := s.run(&txn.Job{Work: put("k", "2")})
	for range 3 {
		select {
		case <-drops:
		case err := <-first:
			t.Fatalf("the first write: %v", err)
		case err := <-second:
			t.Fatalf("the second write: %v", err)
		case <-time.After(patience):
			t.Fatal("it is not proposed again")
		}
	}
	for s.n.group.part.Ran() < 2 {
		runtime.Gosched()
	}
	s.do(func() { transfer = false }) // it was given up
	for _, done := range []<-chan error{first, second} {
		s.awaitProposal()
		s.commit()
		if err := s.await("a write", done); err != nil {
			t.Error(err)
		}
	}
	s.noProposal()
	var k string
	if err := s.await("the read", s.run(&txn.Job{Work: get("k", &k)})); err != nil || k != "2" {
		t.Errorf("k is %q, %v", k, err)
	}
}

// TestDroppedProposalLost: when the leadership is handed over, what the leader
// took no more was not applied, for certain.
func TestDroppedProposalLost(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.lead(1)
	dropped := make(chan struct{}, 1000)
	s.do(func() {
		s.refuse = func() error {
			dropped <- struct{}{}
			return replica.ErrProposalDropped
		}
	})
	done := s.run(&txn.Job{Work: put("k", "1")})
	<-dropped
	s.follow()
	s.wantRefused("the write", s.await("the write", done))
	s.do(func() { s.refuse = nil })
	s.lead(3)
	s.store("k", "2")
	s.noProposal()
}

// TestFailureIsFinal: a node whose disk failed does not write again because it
// was about to lead, nor after it has lost its leadership and got it again.
func TestFailureIsFinal(t *testing.T) {
	t.Parallel()
	for name, leadFirst := range map[string]bool{"before it led": false, "while it led": true} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			if leadFirst {
				s.lead(1)
			}
			s.n.fail(errors.New("injected"))
			if leadFirst {
				s.follow()
			}
			s.lead(3)
			if err := s.await("a write", s.run(&txn.Job{Work: put("k", "1")})); code(err) != script.CodeStorage {
				t.Errorf("a write: %v, want %s", err, script.CodeStorage)
			}
			s.noProposal()
		})
	}
}

// TestRequestAfterStop: who sends a request again that is on its way when the
// leadership is lost is not told that it was not applied.
func TestRequestAfterStop(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.lead(1)
	send := func(path txn.Path) <-chan error {
		return s.run(&txn.Job{Work: put("k", "1"), Path: path, Request: &partition.Request{Key: "once"}})
	}
	first := send(txn.Auto)
	s.awaitProposal()
	s.follow()
	for name, done := range map[string]<-chan error{"the first": first, "again": send(txn.Auto), "again, slow": send(txn.Slow)} {
		var e *script.Error
		if err := s.await(name, done); !errors.As(err, &e) || e.Outcome != script.OutcomeUnknown {
			t.Errorf("%s: %v, want outcome unknown", name, err)
		}
	}
}

// TestCloseSettles: Close waits until what is ordered is durable, and the
// replica goes on meanwhile: it may have to propose it again, or to find out
// that it has lost its quorum.
func TestCloseSettles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(s *scripted)
		want script.Code
	}{
		"committed late": {(*scripted).commitTaken, ""},
		"without quorum": {func(s *scripted) { s.become(replica.Status{Term: 2}) }, script.CodeOutcomeUnknown},
	} {
		for _, dropped := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s := newScripted(t)
				s.lead(1)
				ticks, drops := 0, 0
				s.do(func() {
					s.refuse = func() error {
						if drops++; dropped && drops < 3 {
							return replica.ErrProposalDropped
						}
						return nil
					}
				})
				done := s.run(&txn.Job{Work: put("k", "1")})
				if !dropped {
					s.awaitProposal()
				}
				for s.n.group.part.Ran() < 1 {
					runtime.Gosched()
				}
				closed := closing(s.n)
				<-s.n.closing
				s.do(func() {
					s.tick = func() {
						if ticks++; len(s.taken) > 0 && ticks > 5 {
							c.end(s)
						}
					}
				})
				if err := s.await("Close", closed); err != nil {
					t.Error(err)
				}
				if err := s.await("the write", done); code(err) != c.want {
					t.Errorf("the write: %v, want %q", err, c.want)
				}
			})
		}
	}
}
