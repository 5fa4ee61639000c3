package partition

import (
	"errors"
	"fmt"
	"testing"

	"kahuna/internal/kv"
	"kahuna/script"
)

// longRun is a case of TestLongRunChecked.
type longRun struct {
	name    string
	before  func(tx *Tx) error // the run
	during  func(tx *Tx) error // its check
	ends    int64              // the time at its end
	stop    error
	restart bool
}

const longKeys = 4 * checkFrom

func longKey(i int) string { return fmt.Sprint("k/", i) }

// TestLongRunChecked: a run that has read much without locks is validated a few
// keys at a time. What happens meanwhile to a key of it, before or after that
// key's turn, makes it void; what happens elsewhere does not.
func TestLongRunChecked(t *testing.T) {
	key := longKey
	extend := func(key string) func(tx *Tx) error {
		return func(tx *Tx) error {
			_, err := tx.Extend(kv.Ephemeral, key, 60_000)
			return err
		}
	}
	get := func(key string) func(tx *Tx) error {
		return func(tx *Tx) error {
			_, err := tx.Get(kv.Ephemeral, key)
			return err
		}
	}
	expiring := func(key string) func(tx *Tx) error {
		return func(tx *Tx) error {
			_, err := tx.Set(kv.Ephemeral, key, "1", &script.SetOptions{TTL: 500})
			return err
		}
	}
	stop := &script.Error{Code: script.CodeCanceled}
	for _, test := range []longRun{
		{name: "nothing happens"},
		{name: "a row elsewhere", during: set("other")},
		{name: "a row is written", during: set(key(7)), restart: true},
		{name: "a row is written that did not exist", during: set(key(longKeys + 1)), restart: true},
		{name: "a row is deleted", during: remove(key(7)), restart: true},
		{name: "a row gets another end", during: extend(key(7)), restart: true},
		{name: "a row elsewhere gets another end", during: extend("other")},
		{name: "a row is dropped", during: func(tx *Tx) error { tx.p.eph.drop(tx.p.eph.cells[key(7)], tx.ts); return nil }, restart: true},
		{name: "a row elsewhere is dropped", during: func(tx *Tx) error { tx.p.eph.drop(tx.p.eph.cells["other"], tx.ts); return nil }},
		{name: "a row is read", during: get(key(7))},
		{name: "a row that it writes is read later", during: get("mine"), restart: true},
		{name: "a row ends", before: expiring(key(7)), ends: 2000, restart: true},
		{name: "a row does not end yet", before: expiring(key(7)), ends: 1200},
		{name: "it is stopped", stop: stop},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 10 { // the order of the keys is random
				test.run(t)
			}
		})
	}
}

func (test *longRun) run(t *testing.T) {
	p := leader(t)
	for i := range longKeys {
		p.change(t, set(longKey(i)))
	}
	p.change(t, set("other"))
	if test.before != nil {
		p.change(t, test.before)
	}
	now, polls := int64(1000), 0
	o := SlowOptions{Now: func() int64 { return now }, Poll: func(int64) error {
		if polls++; polls == checkFrom/checkKeys && test.during != nil {
			p.change(t, test.during)
		}
		return test.stop
	}}
	ticket := p.Acquire(&LockSet{})
	_, _, err := p.Slow(workFunc(func(tx *Tx) error {
		for i := range longKeys + 2 {
			if _, err := tx.Get(kv.Ephemeral, longKey(i)); err != nil {
				return err
			}
		}
		now = max(now, test.ends)
		return set("mine")(tx)
	}), ticket, o, nil)
	p.Release(ticket)
	var restart *Restart
	switch {
	case test.stop != nil:
		if err != test.stop {
			t.Errorf("%v, want it stopped", err)
		}
	case errors.As(err, &restart) != test.restart || err != nil && !test.restart:
		t.Errorf("%v, want it void: %v", err, test.restart)
	case polls < checkFrom/checkKeys:
		t.Errorf("%d polls", polls)
	}
	if len(p.checks) != 0 {
		t.Error("it is still told of writes")
	}
	if n := p.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestLongOptimisticChecked is the same for a transaction without locks.
func TestLongOptimisticChecked(t *testing.T) {
	for _, conflict := range []bool{false, true} {
		p := leader(t)
		s := optimistic(t, p)
		_, err := s.Do(workFunc(func(tx *Tx) error {
			for i := range 2 * checkFrom {
				if _, err := tx.Get(kv.Ephemeral, fmt.Sprint("k/", i)); err != nil {
					return err
				}
			}
			return nil
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		if conflict {
			p.change(t, set("k/9"))
		}
		if _, err := s.Commit(); isConflict(err) != conflict || err != nil && !conflict {
			t.Errorf("%v, want a conflict: %v", err, conflict)
		}
		if len(p.checks) != 0 {
			t.Error("it is still told of writes")
		}
	}
}
