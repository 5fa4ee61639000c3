package partition

import (
	"errors"
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
