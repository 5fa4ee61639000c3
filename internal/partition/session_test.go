package partition

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"kahuna/internal/kv"
	"kahuna/script"
)

// workFunc is a Work made of a function.
type workFunc func(tx *Tx) error

func (f workFunc) Do(tx *Tx, _ int64) (*script.Result, error) { return nil, f(tx) }

// leader returns a partition that leads, for the ephemeral space only: it has
// no store.
func leader(t *testing.T) *Partition {
	t.Helper()
	p := New(nil, Options{EphemeralBytes: 1 << 20, BatchBytes: 1 << 20, UnappliedBytes: 1 << 20,
		WrittenKeys: 100, WrittenBytes: 1 << 20})
	p.Lead(1, 0)
	return p
}

// session begins an interactive transaction that must never have to wait.
func session(t *testing.T, p *Partition) *Session {
	t.Helper()
	s, err := p.Begin(SessionOptions{Now: func() int64 { return 1000 }, Wait: func(granted, wounded <-chan struct{}) error {
		select {
		case <-granted:
		case <-wounded:
		default:
			return errors.New("it would have to wait")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestInvariantLOCK3: a transaction that was wounded while one of its calls
// runs gets no lock any more. With one it would be in the way of older ones,
// who have no means left to take it away: looking for somebody to wound they
// found it again and again, for ever, with the partition's mutex held.
func TestInvariantLOCK3(t *testing.T) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p := leader(t)
		old, young := session(t, p), session(t, p)
		get := func(key string) workFunc {
			return func(tx *Tx) error { _, err := tx.Get(kv.Ephemeral, key); return err }
		}
		put := func(key string) workFunc {
			return func(tx *Tx) error {
				_, err := tx.Set(kv.Ephemeral, key, "1", &script.SetOptions{})
				return err
			}
		}
		_, err := young.Do(workFunc(func(tx *Tx) error {
			if err := get("a")(tx); err != nil {
				return err
			}
			if _, err := old.Do(put("a"), nil); err != nil {
				return err // and takes a from young
			}
			var conflict *script.Error
			if err := get("b")(tx); !errors.As(err, &conflict) || conflict.Code != script.CodeConflict {
				t.Errorf("a read of the wounded transaction: %v, want a conflict", err)
			}
			_, err := old.Do(put("b"), nil)
			return err
		}), nil)
		if e := (*script.Error)(nil); !errors.As(err, &e) || e.Code != script.CodeConflict {
			t.Errorf("the wounded transaction: %v, want a conflict", err)
		}
		young.Rollback()
		if done, err := old.Commit(); err != nil || done.Batch != nil {
			t.Errorf("the older transaction: %v %v", done, err)
		}
		if n := p.Stats().Locks; n != 0 {
			t.Errorf("%d locks are left", n)
		}
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the partition hangs")
	}
}

// TestLocksGone: a transaction whose locks on a range are taken right after it
// got them, by an older one or by the end of the term, is told so.
func TestLocksGone(t *testing.T) {
	another := errors.New("another leads")
	for _, stop := range []bool{false, true} {
		p := leader(t)
		old := session(t, p)
		var take func()
		young, err := p.Begin(SessionOptions{
			Wait: func(<-chan struct{}, <-chan struct{}) error { return nil },
			Now: func() int64 { // the clock is read when a lock was got
				if take != nil {
					take()
				}
				return 1000
			},
			Poll: func(int64) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = young.Do(workFunc(func(tx *Tx) error {
			take = func() {
				take = nil
				if stop {
					p.Stop(another)
				} else if _, err := old.Do(workFunc(func(tx *Tx) error {
					_, err := tx.Set(kv.Ephemeral, "b/1", "1", &script.SetOptions{})
					return err
				}), nil); err != nil {
					t.Error(err)
				}
			}
			return tx.Scan(kv.Ephemeral, false, "b", 0, func(script.Row) error { return nil })
		}), nil)
		conflict := (*script.Error)(nil)
		if stop && !errors.Is(err, another) || !stop && (!errors.As(err, &conflict) || conflict.Code != script.CodeConflict) {
			t.Errorf("stop %v: %v", stop, err)
		}
	}
}

// TestCallUndone: what a call wrote before it failed is gone, for the calls
// that follow and for the commit, whether the transaction has written few keys
// or many.
func TestCallUndone(t *testing.T) {
	for _, before := range []int{0, 1, indexFrom - 1, indexFrom, 3 * indexFrom} {
		p := leader(t)
		s := session(t, p)
		do := func(f func(tx *Tx) error) error {
			_, err := s.Do(workFunc(f), nil)
			return err
		}
		put := func(tx *Tx, key, value string) error {
			_, err := tx.Set(kv.Ephemeral, key, value, &script.SetOptions{})
			return err
		}
		key := func(i int) string { return fmt.Sprint("k/", i) }
		want := func(when string, tx *Tx) error {
			for i := range before + 5 {
				row, err := tx.Get(kv.Ephemeral, key(i))
				if err != nil {
					return err
				}
				if (row.Revision >= 0) != (i < before) || i < before && row.Value != "first" {
					t.Errorf("%d keys, %s: %s is %q", before, when, key(i), row.Value)
				}
			}
			return nil
		}
		failure := errors.New("no more")
		if err := do(func(tx *Tx) error {
			for i := range before {
				if err := put(tx, key(i), "first"); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := do(func(tx *Tx) error {
			for i := range before + 5 {
				if err := put(tx, key(i), "second"); err != nil {
					return err
				}
			}
			return failure
		}); err != failure {
			t.Fatalf("%v, want %v", err, failure)
		}
		if err := do(func(tx *Tx) error { return want("after it", tx) }); err != nil {
			t.Fatal(err)
		}
		if err := do(func(tx *Tx) error { return put(tx, "other", "third") }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(); err != nil {
			t.Fatal(err)
		}
		p.change(t, func(tx *Tx) error {
			if row, err := tx.Get(kv.Ephemeral, "other"); err != nil || row.Value != "third" {
				t.Errorf("%d keys: other is %q, %v", before, row.Value, err)
			}
			return want("committed", tx)
		})
	}
}

// TestStopDropsUnsure: when the log fails, ephemeral rows whose script also
// wrote rows that may be lost are not shown any more. Others are.
func TestStopDropsUnsure(t *testing.T) {
	p := onStore(t, 1<<20)
	put := func(space script.Space, key string) func(*Tx) error {
		return func(tx *Tx) error {
			_, err := tx.Set(space, key, "1", &script.SetOptions{})
			return err
		}
	}
	both := func(name string) {
		p.change(t, func(tx *Tx) error {
			if err := put(kv.Persistent, name)(tx); err != nil {
				return err
			}
			return put(kv.Ephemeral, name)(tx)
		})
	}
	p.change(t, put(kv.Ephemeral, "alone"))
	both("durable")
	p.commit(true)
	both("lost")
	// Reads a row that may be lost, and tells of it.
	p.change(t, func(tx *Tx) error {
		row, err := tx.Get(kv.Persistent, "lost")
		if err != nil || row.Revision < 0 {
			t.Errorf("lost is not there: %v", err)
		}
		return put(kv.Ephemeral, "depends")(tx)
	})
	p.Stop(&script.Error{Code: script.CodeStorage, Message: "the disk failed"})
	for key, want := range map[string]bool{"alone": true, "durable": true, "lost": false, "depends": false} {
		p.change(t, func(tx *Tx) error {
			row, err := tx.Get(kv.Ephemeral, key)
			if (row.Revision >= 0) != want {
				t.Errorf("%s is shown: %v, want %v", key, !want, want)
			}
			return err
		})
	}
}
