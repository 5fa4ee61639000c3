package partition

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"kahuna/internal/kv"
	"kahuna/script"
)

// optimistic begins a transaction without locks.
func optimistic(t *testing.T, p *Partition) *Session {
	t.Helper()
	s, err := p.Begin(SessionOptions{Optimistic: true, Now: func() int64 { return 1000 }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func isConflict(err error) bool {
	var e *script.Error
	return errors.As(err, &e) && e.Code == script.CodeConflict
}

// change runs f in the executor.
func (p *Partition) change(t *testing.T, f func(tx *Tx) error) {
	t.Helper()
	if _, _, err := p.Fast(context.Background(), workFunc(f), nil, 1000, nil); err != nil {
		t.Fatal(err)
	}
}

func set(key string) func(tx *Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Set(kv.Ephemeral, key, "1", &script.SetOptions{})
		return err
	}
}

func remove(key string) func(tx *Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Delete(kv.Ephemeral, key)
		return err
	}
}

// TestRangeWithoutLocks: a bucket is read in chunks while others write in it.
// What it showed counts at commit, also a row that came and went meanwhile.
func TestRangeWithoutLocks(t *testing.T) {
	failure := errors.New("no more")
	for _, test := range []struct {
		name           string
		during, before func(tx *Tx) error // while it is read, and before commit
		fails          bool               // its read
		conflict       bool
	}{
		{"nothing happens", nil, nil, false, false},
		{"elsewhere", set("c/1"), remove("c/1"), false, false},
		{"a row that is shown", set("b/zzz"), nil, false, false},
		{"a row that is not shown", set("b/0000"), nil, false, true},
		{"a row that goes", remove("b/0300"), nil, false, false},
		{"a row that went too late", remove("b/0000"), nil, false, true},
		{"a row that comes and goes", set("b/zzz"), remove("b/zzz"), false, true},
		{"a row that is written again", nil, set("b/0001"), false, true},
		{"a row that comes later", nil, set("b/x"), false, true},
		{"a read that fails", nil, nil, true, false},
		{"a read that fails, and a row that comes before", nil, set("b/00000"), true, true},
		{"a read that fails, and a row that comes behind", nil, set("b/x"), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := leader(t)
			for i := range 5 * chunkRows {
				p.change(t, set(fmt.Sprintf("b/%04d", i)))
			}
			s := optimistic(t, p)
			n := 0
			_, err := s.Do(workFunc(func(tx *Tx) error {
				err := tx.Scan(kv.Ephemeral, false, "b", 0, func(script.Row) error {
					if n++; n == 1 && test.during != nil {
						p.change(t, test.during)
					}
					if n == 5 && test.fails {
						return failure
					}
					return nil
				})
				if test.fails && err == failure {
					err = nil // what the caller makes of it
				}
				return err
			}), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.before != nil {
				p.change(t, test.before)
			}
			if _, err = s.Commit(); isConflict(err) != test.conflict || err != nil && !test.conflict {
				t.Errorf("%d rows were shown, commit: %v; want a conflict: %v", n, err, test.conflict)
			}
			if n := p.Stats().Locks; n != 0 {
				t.Errorf("%d locks are left", n)
			}
		})
	}
}

// TestRangeReadAgain: a transaction that reads the same range again and again
// remembers it, and the rows in it that end, once.
func TestRangeReadAgain(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *Partition) *Session{"optimistic": optimistic, "locks": session} {
		p := leader(t)
		for _, key := range []string{"b/1", "b/2"} {
			p.change(t, func(tx *Tx) error {
				_, err := tx.Set(kv.Ephemeral, key, "1", &script.SetOptions{TTL: 5000})
				return err
			})
		}
		s := begin(t, p)
		for range 100 {
			if _, err := s.Do(workFunc(func(tx *Tx) error {
				return tx.Scan(kv.Ephemeral, false, "b", 0, func(script.Row) error { return nil })
			}), nil); err != nil {
				t.Fatal(name, err)
			}
		}
		if n, rows := len(s.ranges), len(s.tx.slow.leases.ends); n > 1 || rows != 2 {
			t.Errorf("%s: %d ranges and %d rows are remembered", name, n, rows)
		}
		if _, err := s.Commit(); err != nil {
			t.Errorf("%s: commit: %v", name, err)
		}
	}
}

// TestRangeLockedByOther: a transaction without locks does not wait for who
// writes in what it has read.
func TestRangeLockedByOther(t *testing.T) {
	p := leader(t)
	p.change(t, set("b/1"))
	reader, writer := optimistic(t, p), session(t, p)
	read := workFunc(func(tx *Tx) error {
		return tx.Scan(kv.Ephemeral, false, "b", 0, func(script.Row) error { return nil })
	})
	if _, err := reader.Do(read, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Do(workFunc(set("b/2")), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Commit(); !isConflict(err) {
		t.Errorf("commit: %v, want a conflict", err)
	}
	writer.Rollback()
	if n := p.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}
