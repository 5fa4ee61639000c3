package raftlog

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const testDir = "/data/log"

func entry(index, term uint64, data string) *raftpb.Entry {
	e := &raftpb.Entry{Index: &index, Term: &term, Type: raftpb.EntryNormal.Enum()}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

// entries makes n entries whose data tells them from all others of the test.
func entries(first, term uint64, n int, data string) []*raftpb.Entry {
	var ents []*raftpb.Entry
	for i := range uint64(n) {
		ents = append(ents, entry(first+i, term, fmt.Sprintf("%s/%d", data, first+i)))
	}
	return ents
}

func hard(term, vote, commit uint64) *raftpb.HardState {
	return &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}
}

func openTest(t testing.TB, opts Options) *Log {
	t.Helper()
	l, err := Open(testOptions(opts))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testOptions(opts Options) Options {
	if opts.Dir == "" {
		opts.Dir = testDir
	}
	if opts.SegmentBytes == 0 {
		opts.SegmentBytes = 8 << 10
	}
	return opts
}

// appendWait appends w and returns what Done got.
func appendWait(l *Log, w Write) error {
	done := make(chan error, 1)
	w.Done = func(err error) { done <- err }
	l.Append(w)
	return <-done
}

func mustAppend(t testing.TB, l *Log, w Write) {
	t.Helper()
	if err := appendWait(l, w); err != nil {
		t.Fatal(err)
	}
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// crash returns the disk as a power failure leaves it, with what was synced
// and nothing else.
func crash(fs *vfs.MemFS) *vfs.MemFS { return fs.CrashClone(vfs.CrashCloneCfg{}) }

// modelGroup is the state of a group as a map would keep it.
type modelGroup struct {
	hs      hardState
	synced  uint64 // the commit index that must survive
	mark    uint64 // where the log begins
	floor   uint64 // lowest mark that a crash may go back to
	entries map[uint64]*raftpb.Entry
	last    uint64
}

func (g *modelGroup) apply(w *modelWrite) {
	g.mark = max(g.mark, w.compact)
	if w.Drop {
		*g = modelGroup{}
	}
	if w.Reset.Index > 0 {
		g.mark, g.floor, g.last = w.Reset.Index, w.Reset.Index, w.Reset.Index
		g.entries = nil
	}
	if hs := hardStateOf(w.HardState); hs != (hardState{}) {
		if w.MustSync || len(w.Entries) > 0 || w.Reset.Index > 0 || w.Drop || hs.term != g.hs.term || hs.vote != g.hs.vote {
			g.synced = hs.commit
		}
		g.hs = hs
	}
	for i, e := range w.Entries {
		if e.GetIndex() <= g.mark {
			continue
		}
		if g.entries == nil {
			g.entries = make(map[uint64]*raftpb.Entry)
		}
		for ; g.last >= e.GetIndex() && (i == 0 || e.GetIndex() == g.mark+1); g.last-- {
			delete(g.entries, g.last)
		}
		g.entries[e.GetIndex()] = e
		g.last = e.GetIndex()
	}
}

// modelWrite is a write, or a Compact when compact is set.
type modelWrite struct {
	Write
	compact uint64
}

// model is what was appended, in order, and how much of it is acknowledged.
type model struct {
	mu     sync.Mutex
	writes []modelWrite
	acked  int
}

// append adds w to the model and the log. failed is called when the log
// refuses it.
func (m *model) append(l *Log, w Write, failed func(error)) {
	m.mu.Lock()
	m.writes = append(m.writes, modelWrite{Write: w})
	n := len(m.writes)
	m.mu.Unlock()
	w.Done = func(err error) {
		if err != nil {
			failed(err)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.acked != n-1 {
			failed(fmt.Errorf("write %d acknowledged after %d", n, m.acked))
		}
		m.acked = n
	}
	l.Append(w)
}

// compact notes that a group is going to be compacted; all writes are
// acknowledged.
func (m *model) compact(group, index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes = append(m.writes, modelWrite{Write: Write{Group: group}, compact: index})
	m.acked = len(m.writes)
}

// snapshot is the model at one moment.
type snapshot struct {
	writes []modelWrite
	acked  int
}

// check reports what is wrong with an opened log: it must show the effect of
// the first k writes, for a k that covers all acknowledged ones.
func (s *snapshot) check(l *Log) error {
	groups := make(map[uint64]*modelGroup)
	var first error
	for k := 0; ; k++ {
		if k >= s.acked {
			err := checkGroups(l, groups)
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
		}
		if k == len(s.writes) {
			return fmt.Errorf("no prefix of %d to %d writes fits; after %d: %w", s.acked, len(s.writes), s.acked, first)
		}
		w := &s.writes[k]
		if groups[w.Group] == nil {
			groups[w.Group] = &modelGroup{}
		}
		groups[w.Group].apply(w)
	}
}

func checkGroups(l *Log, groups map[uint64]*modelGroup) error {
	for _, id := range l.Groups() {
		if groups[id] == nil {
			return fmt.Errorf("group %d appeared", id)
		}
	}
	for id, want := range groups {
		if err := checkGroup(l.Group(id), want); err != nil {
			return fmt.Errorf("group %d: %w", id, err)
		}
	}
	return nil
}

// checkGroup compares a group with the model; its mark may be anything from
// the model's floor to its mark.
func checkGroup(g *Group, want *modelGroup) error {
	hs, _, _ := g.InitialState()
	if hs.GetTerm() != want.hs.term || hs.GetVote() != want.hs.vote || hs.GetCommit() < want.synced {
		return fmt.Errorf("hard state %v, want %+v", hs, want.hs)
	}
	first, _ := g.FirstIndex()
	last, _ := g.LastIndex()
	mark := first - 1
	if mark < want.floor || mark > want.mark || last != want.last {
		return fmt.Errorf("entries (%d,%d], want (%d..%d,%d]", mark, last, want.floor, want.mark, want.last)
	}
	if mark == last {
		return nil
	}
	got, err := g.Entries(first, last+1, ^uint64(0))
	if err != nil {
		return err
	}
	if uint64(len(got)) != last-mark {
		return fmt.Errorf("%d entries, want %d", len(got), last-mark)
	}
	for i, e := range got {
		index := first + uint64(i)
		if x := want.entries[index]; !sameEntry(e, x) {
			return fmt.Errorf("entry %v, want %v", e, x)
		}
		if term, err := g.Term(index); err != nil || term != e.GetTerm() {
			return fmt.Errorf("term of %d is %d, %v", index, term, err)
		}
	}
	return nil
}

func sameEntry(a, b *raftpb.Entry) bool {
	return a.GetIndex() == b.GetIndex() && a.GetTerm() == b.GetTerm() && a.GetType() == b.GetType() &&
		slices.Equal(a.GetData(), b.GetData())
}

func TestEntrySize(t *testing.T) {
	for _, e := range []*raftpb.Entry{
		{}, entry(1, 1, ""), entry(300, 1<<40, "x"), entry(^uint64(0), ^uint64(0), string(make([]byte, 300))),
		{Data: []byte{}}, {Type: raftpb.EntryConfChangeV2.Enum()},
	} {
		if got, want := entrySize(e), uint64(proto.Size(e)); got != want {
			t.Errorf("size of %v is %d, want %d", e, got, want)
		}
	}
}

var _ raft.Storage = (*Group)(nil)
