package replica

import (
	"testing"

	"go.etcd.io/raft/v3"
)

// newSingle returns a single voter that leads, and its log.
func newSingle(tb testing.TB) (*Replica, *raft.MemoryStorage) {
	tb.Helper()
	log := raft.NewMemoryStorage()
	r, err := New(Config{ID: 1, Group: 1, Voters: []uint64{1}, Storage: log})
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.Campaign(); err != nil {
		tb.Fatal(err)
	}
	drain(tb, r, log)
	if st := r.Status(); !st.IsLeader || !st.CaughtUp {
		tb.Fatalf("no leader: %+v", st)
	}
	return r, log
}

// drain does at once what r wants done and returns how many entries it applied.
func drain(tb testing.TB, r *Replica, log *raft.MemoryStorage) (applied int) {
	for {
		rd, ok := r.Ready()
		if !ok {
			return applied
		}
		if a := rd.Append; a != nil {
			if a.HardState != nil {
				_ = log.SetHardState(a.HardState)
			}
			_ = log.Append(a.Entries)
			if err := r.Appended(a); err != nil {
				tb.Fatal(err)
			}
		}
		if a := rd.Apply; a != nil {
			applied += len(a.Entries)
			if err := r.Applied(a); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// trim keeps the log of a benchmark small.
func trim(log *raft.MemoryStorage, r *Replica, i int) {
	if i%1024 == 1023 {
		_ = log.Compact(r.Status().Applied)
	}
}

// BenchmarkSingleVoter is one batch after the other: propose, append, apply.
func BenchmarkSingleVoter(b *testing.B) {
	r, log := newSingle(b)
	term := r.Status().Term
	data := make([]byte, 256)
	b.ReportAllocs()
	n := 0
	for i := 0; b.Loop(); i++ {
		if err := r.Propose(term, data); err != nil {
			b.Fatal(err)
		}
		n += drain(b, r, log)
		trim(log, r, i)
	}
	if n != b.N {
		b.Fatalf("applied %d of %d", n, b.N)
	}
}

// BenchmarkSingleVoterPipelined keeps 8 Appends in flight.
func BenchmarkSingleVoterPipelined(b *testing.B) {
	r, log := newSingle(b)
	term := r.Status().Term
	data := make([]byte, 256)
	var flight fifo[*Append]
	b.ReportAllocs()
	i := 0
	for ; b.Loop(); i++ {
		if err := r.Propose(term, data); err != nil {
			b.Fatal(err)
		}
		for {
			rd, ok := r.Ready()
			if !ok {
				break
			}
			if rd.Append != nil {
				_ = log.Append(rd.Append.Entries)
				flight.push(rd.Append)
			}
			if rd.Apply != nil {
				_ = r.Applied(rd.Apply)
			}
		}
		for flight.len() >= 8 {
			_ = r.Appended(flight.pop())
		}
		trim(log, r, i)
	}
	if r.Status().Applied+16 < uint64(i) {
		b.Fatalf("applied %d of %d", r.Status().Applied, i)
	}
}
