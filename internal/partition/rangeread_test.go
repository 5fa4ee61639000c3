package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"kahuna/internal/kv"
	"kahuna/script"
)

// blockedReads are reads that wait for the disk, each with what it shows of the
// rows of onDisk.
var blockedReads = map[string]func(tx *Tx) error{
	"get":               shows("k/0", "1"),
	"at":                func(tx *Tx) error { return one(tx.GetAt(kv.Persistent, "k/0", 0)) },
	"at, older":         func(tx *Tx) error { _, err := tx.GetAt(kv.Persistent, "k/3", 0); return err },
	"as of":             func(tx *Tx) error { return one(tx.GetAsOf(kv.Persistent, "k/0", 1000)) },
	"bucket":            func(tx *Tx) error { return rows(4, scanned(tx, false, "k", 0)) },
	"prefix":            func(tx *Tx) error { return rows(4, scanned(tx, true, "k/", 0)) },
	"bucket as of":      func(tx *Tx) error { return rows(4, scanned(tx, false, "k", 1000)) },
	"prefix as of":      func(tx *Tx) error { return rows(4, scanned(tx, true, "k", 1000)) },
	"part":              func(tx *Tx) error { return rows(2, paged(tx, "k/", "", 2)) },
	"part from the end": func(tx *Tx) error { return rows(1, paged(tx, "k/", "k/2", 2)) },
}

type shown struct {
	keys []string
	err  error
}

func one(row script.Row, err error) error {
	if err == nil && (!row.Found || row.Value != "1") {
		err = fmt.Errorf("%+v was read", row)
	}
	return err
}

func rows(n int, s shown) error {
	if s.err == nil && len(s.keys) != n {
		s.err = fmt.Errorf("%q were read, want %d rows", s.keys, n)
	}
	return s.err
}

func scanned(tx *Tx, prefix bool, text string, asOf int64) (s shown) {
	s.err = tx.Scan(kv.Persistent, prefix, text, asOf, func(row script.Row) error {
		s.keys = append(s.keys, row.Key)
		return nil
	})
	return s
}

func paged(tx *Tx, prefix, after string, limit int) (s shown) {
	part := Part{Range: Range{Space: kv.Persistent, Prefix: true, Text: prefix}, Limit: limit}
	s.err = tx.Read(part.After(after), 0, func(row script.Row) error {
		s.keys = append(s.keys, row.Key)
		return nil
	})
	return s
}

// TestReadsLeaveTheMutex: while any read waits for the disk, on either path,
// others run.
func TestReadsLeaveTheMutex(t *testing.T) {
	t.Parallel()
	for name, read := range blockedReads {
		for _, slow := range []bool{false, true} {
			var armed atomic.Bool
			reached, release := make(chan struct{}), make(chan struct{})
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileReadAt && armed.CompareAndSwap(true, false) {
					close(reached)
					<-release
				}
				return nil
			}))
			p := onDisk(t, fs)
			p.run(put("k/3", "2")) // in memory; an older version could be on disk
			p.commit(true)
			if err := p.st.Flush(); err != nil {
				t.Fatal(err)
			}
			armed.Store(true)
			done := make(chan error, 1)
			go func() { done <- p.runOn(slow, read) }()
			<-reached
			ran := make(chan struct{})
			go func() {
				p.run(benchSet{script.Ephemeral, "e"})
				close(ran)
			}()
			select {
			case <-ran:
			case <-time.After(20 * time.Second):
				close(release)
				t.Fatalf("%s, slow %v: others wait", name, slow)
			}
			close(release)
			if err := <-done; err != nil {
				t.Errorf("%s, slow %v: %v", name, slow, err)
			}
			if len(p.parts) != 0 {
				t.Errorf("%s: a range is still watched", name)
			}
		}
	}
}

// runOn runs f on one of the paths, with what it reads locked on the slow one.
func (p *bench) runOn(slow bool, f workFunc) error {
	if !slow {
		_, _, err := p.Fast(context.Background(), f, nil, 1000, nil)
		return err
	}
	k := kv.Persistent
	ticket := p.Acquire(&LockSet{Points: []Point{{k, "k/0", false}, {k, "k/3", false}},
		Ranges: []Range{{Space: k, Prefix: false, Text: "k"}, {Space: k, Prefix: true, Text: "k/"}, {Space: k, Prefix: true, Text: "k"}}})
	defer p.Release(ticket)
	_, _, err := p.Slow(f, ticket, SlowOptions{Now: func() int64 { return 1000 }, Poll: func(int64) error { return nil }}, nil)
	return err
}

// TestRangeReadMoment: what a run in the executor reads of a range is of the
// moment of the run, whatever was written, applied, and evicted while it was read.
func TestRangeReadMoment(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 6))
		p := onStore(t, []int64{1 << 20, 4 * (cellOverhead + 40)}[seed%2])
		model := map[string]string{}
		step := func() {
			key := fmt.Sprintf("k/%02d", rng.IntN(30))
			switch rng.IntN(8) {
			case 0:
				p.commit(true)
			case 1:
				p.run(workFunc(func(tx *Tx) error { _, err := tx.Delete(kv.Persistent, key); return err }))
				delete(model, key)
			case 2:
				p.run(workFunc(func(tx *Tx) error { _, err := tx.Extend(kv.Persistent, key, 1<<40); return err }))
			default:
				value := fmt.Sprint(rng.IntN(1000))
				p.run(put(key, value))
				model[key] = value
			}
		}
		for range rng.IntN(60) {
			step()
		}
		part := Part{Range: Range{Space: kv.Persistent, Text: "k"}, Desc: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			part.Limit = 1 + rng.IntN(12)
		}
		if rng.IntN(2) == 0 {
			part = part.After(fmt.Sprintf("k/%02d", rng.IntN(30)))
		}
		// The steps happen before the first read, while it is done, and after it.
		started := false
		var got []string
		work := workFunc(func(tx *Tx) (err error) {
			if !started {
				started = true
				return tx.miss(need{part: &part})
			}
			got = nil
			return tx.read(part, nil, func(row *memoryRow) error {
				got = append(got, row.key+"="+row.row.Value)
				return nil
			})
		})
		_, _, missing, err := p.fast(work, nil, 1000, nil, nil, true)
		if err != errMissing {
			t.Fatal(err)
		}
		f, err := p.fetchFor(context.Background(), nil, missing)
		for err == nil {
			for range rng.IntN(20) {
				step()
			}
			if _, _, missing, err = p.fast(work, nil, 1000, nil, f, true); err == errMissing {
				f, err = p.fetchFor(context.Background(), f, missing)
			} else {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		p.forget(f)
		var want []string
		for _, key := range slices.SortedFunc(maps.Keys(model), part.compare) {
			if part.Covers(kv.Persistent, key) && (part.Limit == 0 || len(want) < part.Limit) {
				want = append(want, key+"="+model[key])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %+v:\n%q, want\n%q", seed, part, got, want)
		}
	}
}

// TestRangeReadVoid: what was read of a range is of no use once Stop has taken
// writes back, nor once more has changed than is to be taken over.
func TestRangeReadVoid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		meanwhile func(p *bench)
		void      bool
	}{
		"nothing": {func(*bench) {}, false},
		"stop":    {func(p *bench) { p.Stop(ErrNotLeading); p.Lead(2, 0) }, true},
		"much": {func(p *bench) {
			for i := range changedMax + 1 {
				p.run(put(fmt.Sprint("k/new", i), "1"))
			}
		}, true},
		"much elsewhere": {func(p *bench) {
			for i := range changedMax + 1 {
				p.run(put(fmt.Sprint("l/new", i), "1"))
			}
		}, false},
	} {
		p := onDisk(t, vfs.NewMem())
		p.run(put("k/0", "2")) // not durable when it is read
		part := Part{Range: Range{Space: kv.Persistent, Text: "k"}}
		f, err := p.fetchFor(context.Background(), nil, &need{part: &part})
		if err != nil {
			t.Fatal(err)
		}
		test.meanwhile(p)
		if void := f.part(part) == nil; void != test.void {
			t.Errorf("%s: void is %v", name, void)
		}
		p.forget(f)
	}
}

// TestOverlaySortedInPieces: a read of a range puts what is not in order yet
// into the tree a little at a time.
func TestOverlaySortedInPieces(t *testing.T) {
	t.Parallel()
	p := onStore(t, 1<<30)
	const n = 10*sortMax + 1
	for i := range n {
		p.run(put(fmt.Sprintf("k/%05d", i), "1"))
	}
	c := newCursor(p.Partition, &Part{Range: Range{Space: kv.Persistent, Text: "k"}}, 0)
	holds := 0
	for !c.readChunk(c.left, 1) {
		if holds++; len(p.overlay.fresh) != n-holds*sortMax {
			t.Fatalf("%d of %d are in order after %d times", n-len(p.overlay.fresh), n, holds)
		}
	}
	if holds != 10 || len(p.overlay.fresh) != 0 {
		t.Errorf("%d times, %d are left", holds, len(p.overlay.fresh))
	}
}

// TestSessionPolls: a call of a transaction that has much to read, and a commit
// that has much to validate, end soon after Poll says so, with and without
// locks.
func TestSessionPolls(t *testing.T) {
	t.Parallel()
	const n = 20 * pieceRows
	stop := &script.Error{Code: script.CodeCanceled}
	for _, space := range []kv.Space{kv.Persistent, kv.Ephemeral} {
		for _, test := range []struct {
			name       string
			optimistic bool
			commit     bool
		}{{"with locks", false, false}, {"without locks", true, false}, {"commit", true, true}} {
			p := onStore(t, 1<<30)
			for i := range n {
				p.run(benchSet{space, fmt.Sprintf("k/%05d", i)})
			}
			p.commit(true)
			left, polls := 1<<30, 0
			s, err := p.Begin(SessionOptions{Optimistic: test.optimistic, Now: func() int64 { return 1000 },
				Wait: func(granted, _ <-chan struct{}) error {
					select {
					case <-granted:
						return nil
					default:
						return errors.New("it would have to wait")
					}
				},
				Poll: func(int64) error {
					polls++
					if left--; left < 0 {
						return stop
					}
					return nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			scan := workFunc(func(tx *Tx) error {
				return tx.Scan(space, false, "k", 0, func(script.Row) error { read++; return nil })
			})
			if test.commit {
				if _, err := s.Do(scan, nil); err != nil || read != n {
					t.Fatal(err, read)
				}
				left, polls = 2, 0
				_, err = s.Commit()
			} else {
				left = 2
				_, err = s.Do(scan, nil)
			}
			if err != stop || polls != 3 || !test.commit && read > 3*pieceRows {
				t.Errorf("%s, space %d: %v after %d polls and %d rows", test.name, space, err, polls, read)
			}
			s.Rollback()
			if n := p.Stats().Locks; n != 0 {
				t.Errorf("%s: %d locks are left", test.name, n)
			}
		}
	}
}

// TestRangeCheckWaits: a commit that waits for another one to validate its
// ranges can be stopped.
func TestRangeCheckWaits(t *testing.T) {
	t.Parallel()
	p := leader(t)
	p.change(t, set("b/1"))
	stop := &script.Error{Code: script.CodeCanceled}
	s, err := p.Begin(SessionOptions{Optimistic: true, Now: func() int64 { return 1000 },
		Wait: func(granted, _ <-chan struct{}) error {
			select {
			case <-granted:
				return nil
			default:
				return stop
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(workFunc(func(tx *Tx) error {
		return tx.Scan(kv.Ephemeral, false, "b", 0, func(script.Row) error { return nil })
	}), nil); err != nil {
		t.Fatal(err)
	}
	<-p.rangeCheck
	if _, err := s.Commit(); err != stop {
		t.Errorf("%v, want it stopped", err)
	}
	p.rangeCheck <- struct{}{}
	if n := p.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestPartInTransaction: parts that a transaction reads hold its own writes, and
// only what was read is validated, or locked.
func TestPartInTransaction(t *testing.T) {
	t.Parallel()
	for _, space := range []kv.Space{kv.Ephemeral, kv.Persistent} {
		for _, desc := range []bool{false, true} {
			for _, test := range []struct {
				write    string
				conflict bool
			}{{"b/3", true}, {"b/15", true}, {"b/5", false}, {"c", false}} {
				testPartInTransaction(t, space, desc, test.write, test.conflict)
			}
		}
	}
}

func testPartInTransaction(t *testing.T, space kv.Space, desc bool, key string, conflict bool) {
	write := func(key string) workFunc {
		return func(tx *Tx) error {
			_, err := tx.Set(space, key, "1", &script.SetOptions{})
			return err
		}
	}
	read := func(tx *Tx) (got []string, err error) {
		part := Part{Range: Range{Space: space, Prefix: true, Text: "b/"}, Desc: desc, Limit: 2}
		if desc {
			part = part.After("b/4")
		}
		for range 2 {
			if err := tx.Read(part, 0, func(row script.Row) error {
				got = append(got, row.Key)
				return nil
			}); err != nil {
				return nil, err
			}
			part = part.After(got[len(got)-1])
		}
		return got, nil
	}
	want := []string{"b/0", "b/2", "b/25", "b/3"}
	if desc {
		want = []string{"b/3", "b/25", "b/2", "b/0"}
	}
	for name, begin := range map[string]func(*testing.T, *Partition) *Session{"optimistic": optimistic, "locks": session} {
		p := onStore(t, 1<<30)
		for i := range 9 {
			p.run(write(fmt.Sprint("b/", i)))
			if i == 4 {
				p.commit(true)
			}
		}
		s := begin(t, p.Partition)
		_, err := s.Do(workFunc(func(tx *Tx) error {
			if err := write("b/25")(tx); err != nil {
				return err
			}
			if _, err := tx.Delete(space, "b/1"); err != nil {
				return err
			}
			got, err := read(tx)
			if err == nil && !slices.Equal(got, want) {
				err = fmt.Errorf("%q, want %q", got, want)
			}
			return err
		}), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		_, _, err = p.Fast(context.Background(), write(key), nil, 1000, nil)
		if name == "locks" {
			var blocked *Blocked
			if errors.As(err, &blocked) != conflict || err != nil && !conflict {
				t.Errorf("%s, space %d, desc %v: write of %s: %v, want it blocked: %v", name, space, desc, key, err, conflict)
			}
			s.Rollback()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(); isConflict(err) != conflict {
			t.Errorf("%s, space %d, desc %v: %s is written: %v, want a conflict: %v", name, space, desc, key, err, conflict)
		}
	}
}
