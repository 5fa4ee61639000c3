package model

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"kahuna/script"
)

const (
	pers = script.Persistent
	eph  = script.Ephemeral
)

func at(ms int64) script.Timestamp { return script.Timestamp(ms) << 20 }

// do runs f in a transaction that begins and commits at ms.
func do(s *Store, ms int64, f func(*Tx)) {
	tx := s.Begin(at(ms))
	f(tx)
	tx.Commit(at(ms))
}

func set(s *Store, ms int64, key, value string, o script.SetOptions) (r script.WriteResult) {
	do(s, ms, func(tx *Tx) { r, _ = tx.Set(pers, key, value, &o) })
	return r
}

func get(s *Store, ms int64, key string) script.Row {
	row, _ := s.Begin(at(ms)).Get(pers, key)
	return row
}

func TestCounterCountsWritesAndDeletes(t *testing.T) {
	s := NewStore()
	do(s, 1, func(tx *Tx) {
		for want := range int64(3) {
			if r, _ := tx.Set(pers, "k", "v", nil); !r.Done || r.Revision != want {
				t.Errorf("set: %+v, want revision %d", r, want)
			}
		}
	})
	if h := s.History(pers, "k"); len(h) != 1 || h[0].Revision != 2 {
		t.Errorf("superseded in one transaction, yet kept: %+v", h)
	}
	do(s, 2, func(tx *Tx) {
		if r, _ := tx.Delete(pers, "k"); !r.Done || r.Revision != 3 {
			t.Errorf("delete: %+v", r)
		}
		if r, _ := tx.Delete(pers, "k"); r.Done || r.Revision != 3 {
			t.Errorf("delete again: %+v", r)
		}
	})
	if r := set(s, 3, "k", "v", script.SetOptions{}); r.Revision != 4 {
		t.Errorf("set after delete: %+v", r)
	}
	do(s, 4, func(tx *Tx) {
		if r, _ := tx.Delete(pers, "never"); r.Done || r.Revision != -1 {
			t.Errorf("delete of nothing: %+v", r)
		}
	})
}

func TestExpiryKeepsTheCounter(t *testing.T) {
	s := NewStore()
	set(s, 100, "k", "v", script.SetOptions{TTL: 10})
	if row := get(s, 109, "k"); !row.Found || row.Expires != 110 {
		t.Errorf("before: %+v", row)
	}
	if row := get(s, 110, "k"); row.Found || row.Revision != -1 {
		t.Errorf("at its expiry: %+v", row)
	}
	do(s, 111, func(tx *Tx) {
		if r, _ := tx.Delete(pers, "k"); r.Done || r.Revision != 0 {
			t.Errorf("delete of an expired key: %+v", r)
		}
	})
	if r := set(s, 112, "k", "w", script.SetOptions{NX: true}); r.Revision != 1 {
		t.Errorf("set after expiry: %+v", r)
	}
}

func TestConditions(t *testing.T) {
	const (
		never, live, deleted, expired = "never", "live", "deleted", "expired"
	)
	tests := []struct {
		key  string
		o    script.SetOptions
		done bool
	}{
		{never, script.SetOptions{NX: true}, true},
		{live, script.SetOptions{NX: true}, false},
		{deleted, script.SetOptions{NX: true}, true},
		{expired, script.SetOptions{NX: true}, true},
		{never, script.SetOptions{XX: true}, false},
		{live, script.SetOptions{XX: true}, true},
		{deleted, script.SetOptions{XX: true}, false},
		{expired, script.SetOptions{XX: true}, false},
		{live, script.SetOptions{HasCmp: true, Cmp: "v"}, true},
		{live, script.SetOptions{HasCmp: true, Cmp: "w"}, false},
		{live, script.SetOptions{HasCmp: true, CmpNull: true}, false},
		{never, script.SetOptions{HasCmp: true, CmpNull: true}, true},
		{deleted, script.SetOptions{HasCmp: true, CmpNull: true}, true},
		{never, script.SetOptions{HasCmp: true}, false},
		{expired, script.SetOptions{HasCmp: true, Cmp: "v"}, false},
		{never, script.SetOptions{HasCmpRev: true, CmpRev: -1}, true},
		{never, script.SetOptions{HasCmpRev: true, CmpRev: 0}, false},
		{live, script.SetOptions{HasCmpRev: true, CmpRev: 0}, true},
		{live, script.SetOptions{HasCmpRev: true, CmpRev: -1}, false},
		{deleted, script.SetOptions{HasCmpRev: true, CmpRev: -1}, true},
		{deleted, script.SetOptions{HasCmpRev: true, CmpRev: 1}, true},
		{deleted, script.SetOptions{HasCmpRev: true, CmpRev: 0}, false},
		{expired, script.SetOptions{HasCmpRev: true, CmpRev: 0}, true},
		{expired, script.SetOptions{HasCmpRev: true, CmpRev: -1}, true},
		{live, script.SetOptions{HasCmpRev: true, CmpRev: 0, HasCmp: true, Cmp: "x"}, false},
	}
	for _, tt := range tests {
		s := NewStore()
		set(s, 1, live, "v", script.SetOptions{})
		set(s, 1, deleted, "v", script.SetOptions{})
		do(s, 2, func(tx *Tx) { _, _ = tx.Delete(pers, deleted) })
		set(s, 1, expired, "v", script.SetOptions{TTL: 5})
		counter, dump := s.Begin(at(100)), s.Dump()
		_, before, _ := counter.current(id{pers, tt.key})
		r := set(s, 100, tt.key, "n", tt.o)
		if r.Done != tt.done {
			t.Errorf("%s %+v: done %v", tt.key, tt.o, r.Done)
		}
		if !r.Done && (r.Revision != before || !reflect.DeepEqual(dump, s.Dump())) {
			t.Errorf("%s %+v: refused, yet %+v", tt.key, tt.o, r)
		}
		if r.Done && r.Revision != before+1 {
			t.Errorf("%s %+v: revision %d after %d", tt.key, tt.o, r.Revision, before)
		}
	}
}

func TestTimeToLiveStartsAtCommit(t *testing.T) {
	s := NewStore()
	tx := s.Begin(at(1000))
	r, _ := tx.Set(pers, "k", "v", &script.SetOptions{TTL: 50})
	if r.Expires != 1050 || r.TTL != 50 {
		t.Errorf("set: %+v", r)
	}
	_ = tx.Sleep(200)
	row, _ := tx.Get(pers, "k")
	if !row.Found || !row.Own || row.TTL != 50 || row.Modified != 0 || row.Expires != 1250 {
		t.Errorf("own row: %+v", row)
	}
	tx.Commit(at(1300))
	if row := get(s, 1301, "k"); row.Expires != 1350 || row.Modified != at(1300) {
		t.Errorf("committed: %+v", row)
	}
}

func TestExtend(t *testing.T) {
	s := NewStore()
	set(s, 10, "k", "v", script.SetOptions{TTL: 500})
	do(s, 20, func(tx *Tx) {
		r, _ := tx.Extend(pers, "k", 100)
		if !r.Done || r.Revision != 0 || r.Expires != 120 {
			t.Errorf("extend: %+v", r)
		}
		row, _ := tx.Get(pers, "k")
		if row.Own || row.Modified != at(10) || row.Expires != 120 {
			t.Errorf("row extended here: %+v", row)
		}
	})
	if row := get(s, 21, "k"); row.Expires != 120 || row.Revision != 0 || row.Modified != at(10) {
		t.Errorf("extended: %+v", row)
	}
	do(s, 30, func(tx *Tx) { _, _ = tx.Extend(pers, "k", 0) })
	if row := get(s, 1e9, "k"); !row.Found || row.Expires != 0 {
		t.Errorf("extend 0: %+v", row)
	}
	late := s.Begin(at(35))
	_, _ = late.Extend(pers, "k", 1000)
	late.Commit(at(38))
	if row := get(s, 39, "k"); row.Expires != 1038 {
		t.Errorf("extended by a transaction that took 3 ms: %+v", row)
	}
	do(s, 39, func(tx *Tx) { _, _ = tx.Extend(pers, "k", math.MaxInt64) })
	if row := get(s, 39, "k"); row.Expires != math.MaxInt64 {
		t.Errorf("extended beyond all time: %+v", row)
	}
	do(s, 40, func(tx *Tx) {
		if r, _ := tx.Extend(pers, "none", 5); r.Done || r.Revision != -1 {
			t.Errorf("extend of nothing: %+v", r)
		}
		_, _ = tx.Set(pers, "own", "v", nil)
		if r, _ := tx.Extend(pers, "own", 7); !r.Done || r.Expires != 47 {
			t.Errorf("extend of an own write: %+v", r)
		}
	})
	if row := get(s, 41, "own"); row.Expires != 47 || row.Revision != 0 {
		t.Errorf("own, extended: %+v", row)
	}
	if n := len(s.History(pers, "k")); n != 1 {
		t.Errorf("extend made %d versions", n)
	}
}

func TestHistory(t *testing.T) {
	s := NewStore()
	set(s, 10, "k", "a", script.SetOptions{})
	set(s, 20, "k", "b", script.SetOptions{NoRev: true})
	set(s, 30, "k", "c", script.SetOptions{TTL: 5})
	do(s, 50, func(tx *Tx) { _, _ = tx.Set(pers, "k", "d", nil); _, _ = tx.Delete(pers, "k") })
	tx := s.Begin(at(60))
	for rev, want := range map[int64]string{0: "a", 1: "", 2: "c", 3: "", 4: "", 9: ""} {
		row, err := tx.GetAt(pers, "k", rev)
		if err != nil || row.Value != want || row.Found != (want != "") || row.Expires != 0 {
			t.Errorf("at %d: %+v, %v", rev, row, err)
		}
	}
	for ms, want := range map[int64]string{9: "", 10: "a", 19: "a", 30: "c", 34: "c", 35: "", 49: "", 50: "", 1000: ""} {
		row, err := tx.GetAsOf(pers, "k", ms)
		if err != nil || row.Value != want || row.Found != (want != "") {
			t.Errorf("as of %d: %+v, %v", ms, row, err)
		}
	}
	if _, err := tx.GetAsOf(pers, "k", 25); !errors.Is(err, &script.Error{Code: script.CodeHistory}) {
		t.Errorf("as of a gap: %v", err)
	}
	err := tx.Scan(pers, true, "k", 25, func(script.Row) error { return nil })
	if !errors.Is(err, &script.Error{Code: script.CodeHistory}) {
		t.Errorf("scan as of a gap: %v", err)
	}
}

func TestOwnWritesInHistoryReads(t *testing.T) {
	s := NewStore()
	set(s, 10, "k", "a", script.SetOptions{})
	tx := s.Begin(at(20))
	_, _ = tx.Set(pers, "k", "b", &script.SetOptions{TTL: 9})
	_, _ = tx.Set(pers, "k", "c", &script.SetOptions{TTL: 9})
	if row, _ := tx.GetAt(pers, "k", 1); row.Found {
		t.Errorf("superseded own write: %+v", row)
	}
	if row, _ := tx.GetAt(pers, "k", 2); row.Value != "c" || row.Expires != 0 || !row.Own {
		t.Errorf("own write: %+v", row)
	}
	if row, _ := tx.GetAt(pers, "k", 0); row.Value != "a" || row.Own {
		t.Errorf("committed: %+v", row)
	}
	if row, _ := tx.GetAsOf(pers, "k", 20); row.Value != "a" {
		t.Errorf("as of: %+v", row)
	}
	tx.Rollback()
	tx.Commit(at(21))
	if row := get(s, 30, "k"); row.Value != "a" || row.Revision != 0 {
		t.Errorf("rolled back: %+v", row)
	}
}

func TestEphemeralKeepsTheNewest(t *testing.T) {
	s := NewStore()
	for i := range int64(KeepEphemeral + 4) {
		do(s, 10+i, func(tx *Tx) { _, _ = tx.Set(eph, "k", "v", nil) })
	}
	tx := s.Begin(at(100))
	if row, _ := tx.GetAt(eph, "k", 3); row.Found {
		t.Errorf("older than the newest %d: %+v", KeepEphemeral, row)
	}
	if row, _ := tx.GetAt(eph, "k", 4); !row.Found {
		t.Error("one of the newest is gone")
	}
	if _, err := tx.GetAsOf(eph, "k", 12); err == nil {
		t.Error("as of a pruned version answered")
	}
	if row, _ := tx.Get(pers, "k"); row.Found {
		t.Error("spaces are mixed")
	}
	// Versions with norev take no place in the history.
	for i := range int64(9) {
		do(s, 200+i, func(tx *Tx) { _, _ = tx.Set(eph, "k", "w", &script.SetOptions{NoRev: i%2 == 0}) })
	}
	tx = s.Begin(at(300))
	for rev := range int64(KeepEphemeral + 4 + 9) {
		norev := rev >= KeepEphemeral+4 && rev%2 == 0 && rev < KeepEphemeral+4+8
		row, _ := tx.GetAt(eph, "k", rev)
		if want := rev >= 9 && !norev; row.Found != want {
			t.Errorf("revision %d is found: %v, want %v", rev, row.Found, want)
		}
	}
}

func scan(t *testing.T, tx *Tx, prefix bool, text string, asOf int64) (keys []string) {
	t.Helper()
	if err := tx.Scan(pers, prefix, text, asOf, func(r script.Row) error {
		keys = append(keys, r.Key)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestScan(t *testing.T) {
	s := NewStore()
	for _, k := range []string{"a", "a/", "a/x", "a/x/y", "ab", "/r", "//s"} {
		set(s, 10, k, "v", script.SetOptions{})
	}
	tx := s.Begin(at(20))
	_, _ = tx.Set(pers, "a/new", "v", nil)
	_, _ = tx.Delete(pers, "a/x")
	tests := []struct {
		prefix bool
		text   string
		asOf   int64
		want   []string
	}{
		{false, "a", 0, []string{"a/", "a/new"}},
		{false, "a", 15, []string{"a/", "a/x"}},
		{false, "a", 9, nil},
		{false, "a/x", 0, []string{"a/x/y"}},
		{false, "", 0, []string{"/r"}},
		{false, "/", 0, []string{"//s"}},
		{true, "a", 0, []string{"a", "a/", "a/new", "a/x/y", "ab"}},
		{true, "a/", 15, []string{"a/", "a/x", "a/x/y"}},
	}
	for _, tt := range tests {
		if got := scan(t, tx, tt.prefix, tt.text, tt.asOf); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("prefix %v %q as of %d: %q, want %q", tt.prefix, tt.text, tt.asOf, got, tt.want)
		}
	}
	stop := errors.New("stop")
	n := 0
	err := tx.Scan(pers, true, "a", 0, func(script.Row) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("visit's error: %v after %d rows", err, n)
	}
}

func TestPutDumpClone(t *testing.T) {
	s := NewStore()
	rows := []Row{
		{Space: pers, Key: "a", Value: "2", Revision: 3},
		{Space: pers, Key: "b", Revision: 1, Deleted: true},
		{Space: eph, Key: "a", Value: "x", Revision: 0, Expires: 10},
	}
	for _, r := range append([]Row{{Space: pers, Key: "a", Value: "1", Revision: 1}}, rows...) {
		if err := s.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(rows[0]); err != nil {
		t.Errorf("the same again: %v", err)
	}
	for _, bad := range []Row{{Key: "", Revision: 1}, {Key: "a", Revision: -1}, {Key: "a", Revision: 0}} {
		if s.Put(bad) == nil {
			t.Errorf("Put(%+v) was accepted", bad)
		}
	}
	if got := s.Dump(); !reflect.DeepEqual(got, rows) {
		t.Errorf("dump: %+v", got)
	}
	if got := s.Live(10); len(got) != 1 || got[0].Key != "a" || got[0].Space != pers {
		t.Errorf("live: %+v", got)
	}
	c := s.Clone()
	set(c, 10, "a", "3", script.SetOptions{})
	do(c, 11, func(tx *Tx) { _, _ = tx.Extend(pers, "a", 77) })
	c.Evict(pers, "b")
	if got := s.Dump(); !reflect.DeepEqual(got, rows) {
		t.Errorf("a clone changed the original: %+v", got)
	}
	if r := set(c, 12, "b", "1", script.SetOptions{}); r.Revision != 0 {
		t.Errorf("evicted, yet its counter remains: %+v", r)
	}
}
