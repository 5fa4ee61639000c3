package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	_ "kahuna/internal/seed" // fixed seeds
	"kahuna/internal/store"
)

var someKeys = []string{"a", "a/", "a/b", "a/c", "a/b/c", "a-b/y", "/x", "//y", "/", "b", "ä/ö", "z"}

// genBatch makes the batch that follows on m, which it changes. Revisions
// sometimes jump, as when a script writes a key several times.
func genBatch(t *rapid.T, m *model, hints *hints) *kv.Batch {
	ms := m.time.Millis() + rapid.Int64Range(0, 3).Draw(t, "ms")
	now := max(m.time+1, hlc.At(ms))
	b := &kv.Batch{Time: now}
	scratch := m.clone()
	hinted := hints.begin(t)
	for range rapid.IntRange(0, 12).Draw(t, "ops") {
		op := kv.Op{Key: rapid.SampledFrom(someKeys).Draw(t, "key")}
		op.Kind = rapid.SampledFrom([]kv.OpKind{kv.Put, kv.Put, kv.Put, kv.Put, kv.Put, kv.Touch, kv.Purge, kv.Prune}).Draw(t, "kind")
		old, exists := scratch.newest(op.Key)
		hints.give(t, &op, &old, hinted[op.Key])
		switch op.Kind {
		case kv.Put:
			step := rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 1, 2, 5, 9, 90}).Draw(t, "step")
			op.Row = kv.Row{Revision: old.Revision + step, Prev: old.Revision, Modified: now}
			op.Row.NoRev = rapid.IntRange(0, 4).Draw(t, "norev") == 0
			if exists && rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
				op.Row.Deleted = true
				break
			}
			op.Row.Expires = rapid.SampledFrom([]int64{0, ms, ms + 5, ms + 9}).Draw(t, "expires")
			op.Row.Value = fmt.Sprintf("%s@%d", op.Key, op.Row.Revision)
			if rapid.IntRange(0, 3).Draw(t, "large") == 0 {
				op.Row.Value += strings.Repeat("x", rapid.SampledFrom([]int{100, 123, 1000, 1024, 9000}).Draw(t, "size"))
			}
		case kv.Touch:
			op.Row = kv.Row{Revision: old.Revision, Expires: rapid.SampledFrom([]int64{0, ms + 1, ms + 7}).Draw(t, "expires")}
		case kv.Prune:
			op.Row.Revision = rapid.Int64Range(0, old.Revision+2).Draw(t, "below")
		}
		scratch.op(op, now)
		b.Ops = append(b.Ops, op)
	}
	ids := []string{"id1", "id2", "id3"}
	if rapid.IntRange(0, 3).Draw(t, "result") == 0 {
		r := kv.StoredResult{Key: rapid.SampledFrom(ids).Draw(t, "id"), Time: now, Result: []byte("r")}
		r.Request[0] = byte(now)
		b.Results = append(b.Results, r)
	}
	if rapid.IntRange(0, 5).Draw(t, "drop") == 0 {
		b.Forget.From = hlc.Timestamp(rapid.Uint64Range(0, uint64(now)).Draw(t, "from"))
		b.Forget.To = hlc.Timestamp(rapid.Uint64Range(0, uint64(now)+1).Draw(t, "to"))
	}
	m.apply(m.index+1, b)
	return b
}

// hints remembers the Tail of each key, as whoever makes batches does.
type hints struct {
	tails map[string]*kv.Tail
	load  func(key string, t *kv.Tail) // fills a Tail, when all before is applied
}

// begin chooses the keys that have hints in the next batch.
func (h *hints) begin(t *rapid.T) map[string]bool {
	keys := map[string]bool{}
	all := rapid.Bool().Draw(t, "all hinted")
	for _, k := range someKeys {
		keys[k] = all || rapid.Bool().Draw(t, "hinted")
	}
	return keys
}

// give gives an operation its hints. A Tail that was left out of one is of no
// use any more.
func (h *hints) give(t *rapid.T, op *kv.Op, old *kv.Row, hinted bool) {
	if op.Kind == kv.Prune {
		h.tails[op.Key] = &kv.Tail{} // worthless from here on
		return
	}
	if !hinted {
		delete(h.tails, op.Key)
		if rapid.Bool().Draw(t, "old only") {
			op.Old = old
		}
		return
	}
	op.Old = old
	if h.tails[op.Key] == nil {
		h.tails[op.Key] = &kv.Tail{}
		if rapid.Bool().Draw(t, "loaded") {
			h.load(op.Key, h.tails[op.Key])
		}
	}
	op.Tail = h.tails[op.Key]
}

// bare returns b as it comes from the log.
func bare(b *kv.Batch) (*kv.Batch, error) { return kv.Decode(b.Encode()) }

// genBareBatch is genBatch without hints.
func genBareBatch(t *rapid.T, m *model) *kv.Batch {
	b, err := bare(genBatch(t, m, &hints{tails: map[string]*kv.Tail{}, load: func(string, *kv.Tail) {}}))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

func openMem(t testing.TB, fs vfs.FS, keep int64) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{FS: fs, Dir: "db", HistoryRevisions: keep, MemTableBytes: 64 << 10, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface{ Fatalf(string, ...any) }

func compare(t fataler, s *store.Store, m *model) {
	got, err := storeText(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if want := m.text(); got != want {
		t.Fatalf("store\n%s\nmodel\n%s", got, want)
	}
}

// TestInvariantPART5 applies random batches to a store, crashes and closes it
// at random moments, replays what is above Applied, and compares with the
// model all the time. It also holds STORE-1, 2 and 4: after a crash the store
// is the model at Applied, which is not below FlushedIndex.
func TestInvariantPART5(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keep := rapid.SampledFrom([]int64{-1, 0, 1, 2, 5, 70}).Draw(rt, "keep")
		fs := vfs.NewCrashableMem()
		s := openMem(t, fs, keep)
		defer func() { s.Close() }()
		history := []*model{newModel(keep)} // by index
		var batches []*kv.Batch
		var known hints
		forget := func() { known.tails = map[string]*kv.Tail{} }
		forget()
		known.load = func(key string, tail *kv.Tail) {
			if _, _, err := s.Load(key, tail); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		again := func(index uint64, b *kv.Batch) {
			b, err := bare(b)
			if err == nil {
				err = s.Apply(1, index, b)
			}
			if err != nil {
				rt.Fatalf("%v", err)
			}
			forget()
		}
		apply := func(index uint64, b *kv.Batch) {
			if err := s.Apply(1, index, b); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			last := history[len(history)-1]
			switch rapid.IntRange(0, 12).Draw(rt, "step") {
			default:
				m := last.clone()
				b := genBatch(rt, m, &known)
				if rapid.IntRange(0, 3).Draw(rt, "decoded") == 0 {
					again(m.index, b)
				} else {
					apply(m.index, b)
				}
				history = append(history, m)
				batches = append(batches, b)
			case 0:
				compare(rt, s, last)
			case 1:
				if err := s.Flush(); err != nil {
					rt.Fatalf("%v", err)
				}
				if n := s.FlushedIndex(1); n != last.index {
					rt.Fatalf("flushed index %d after a flush of %d", n, last.index)
				}
			case 2: // again, from any place
				for i := rapid.IntRange(0, len(batches)).Draw(rt, "from"); i < len(batches); i++ {
					again(uint64(i+1), batches[i])
				}
			case 3: // crash
				flushed := s.FlushedIndex(1)
				fs = fs.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(rt, "unsynced"),
					RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)),
				})
				s.Close()
				s = openMem(t, fs, keep)
				index, _, err := s.Applied(1)
				if err != nil || index < flushed || index > last.index {
					rt.Fatalf("applied %d after a crash, flushed %d, last %d: %v", index, flushed, last.index, err)
				}
				if n := s.FlushedIndex(1); n != index {
					rt.Fatalf("flushed index %d, applied %d after a crash", n, index)
				}
				compare(rt, s, history[index])
				for i := index; i < last.index; i++ {
					again(i+1, batches[i])
				}
				compare(rt, s, last)
			case 4: // clean reopen
				if err := s.Close(); err != nil {
					rt.Fatalf("%v", err)
				}
				s = openMem(t, fs, keep)
				compare(rt, s, last)
			}
		}
		compare(rt, s, history[len(history)-1])
	})
}

// The comparison of the test above must see a difference in one operation.
func TestCompareNegativeControl(t *testing.T) {
	seen := map[kv.OpKind]int{}
	differ := map[kv.OpKind]int{}
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(3)
		var batches []*kv.Batch
		for range 10 {
			batches = append(batches, genBareBatch(rt, m))
		}
		last := batches[len(batches)-1]
		if len(last.Ops) == 0 {
			return
		}
		kind := last.Ops[len(last.Ops)-1].Kind
		last.Ops = last.Ops[:len(last.Ops)-1]
		s := openMem(t, vfs.NewMem(), 3)
		defer s.Close()
		for i, b := range batches {
			if err := s.Apply(1, uint64(i+1), b); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		got, err := storeText(s)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		seen[kind]++
		if got != m.text() {
			differ[kind]++
		}
	})
	if seen[kv.Put] == 0 || differ[kv.Put] != seen[kv.Put] {
		t.Fatalf("a missing put was seen %d times of %d", differ[kv.Put], seen[kv.Put])
	}
	for _, kind := range []kv.OpKind{kv.Touch, kv.Purge, kv.Prune} {
		t.Logf("a missing %v was seen %d times of %d", kind, differ[kind], seen[kind])
	}
}
