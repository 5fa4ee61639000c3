package model

import (
	"fmt"
	"slices"
	"sort"

	"kahuna/script"
)

// KeepEphemeral is how many of an ephemeral key's newest versions stay
// readable, the current one included and norev ones not counted.
const KeepEphemeral = 16

// Row is one version of one key.
type Row struct {
	Space    script.Space
	Key      string
	Value    string
	Revision int64
	Modified script.Timestamp // commit time
	Expires  int64            // Unix milliseconds, 0 for never
	Deleted  bool             // a tombstone: no value, no expiry
	NoRev    bool             // not kept once superseded
}

// live reports whether the row can be seen at ms, as the newest of its key.
func (r Row) live(ms int64) bool {
	return !r.Deleted && (r.Expires == 0 || r.Expires > ms)
}

// id names a key in one of the two spaces.
type id struct {
	space script.Space
	key   string
}

// Store is a whole store: every version of every key in both spaces.
type Store struct {
	versions map[id][]Row // oldest first
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{versions: map[id][]Row{}} }

// Put adds a version as it is, so that a test can begin with any state. A
// version of the revision that is already the newest replaces it. A version
// older than the newest is an error, and so is one without a key or a
// revision.
func (s *Store) Put(row Row) error {
	if row.Key == "" || row.Revision < 0 {
		return fmt.Errorf("model: row %q at revision %d", row.Key, row.Revision)
	}
	k := id{row.Space, row.Key}
	list := s.versions[k]
	if n := len(list); n > 0 {
		switch newest := list[n-1].Revision; {
		case row.Revision < newest:
			return fmt.Errorf("model: revision %d of %q after %d", row.Revision, row.Key, newest)
		case row.Revision == newest:
			list[n-1] = row
			return nil
		}
	}
	s.versions[k] = append(list, row)
	return nil
}

// Evict forgets a key with all its versions, as an engine may do with an
// ephemeral key or a collected tombstone. Its counter starts again at 0.
func (s *Store) Evict(space script.Space, key string) {
	delete(s.versions, id{space, key})
}

// Clone returns an independent copy.
func (s *Store) Clone() *Store {
	c := NewStore()
	for k, list := range s.versions {
		c.versions[k] = slices.Clone(list)
	}
	return c
}

// Dump returns the newest version of every key, tombstones and expired rows
// included, ordered by space, then key. Two stores that answer alike, history
// aside, have equal dumps.
func (s *Store) Dump() []Row {
	rows := make([]Row, 0, len(s.versions))
	for _, list := range s.versions {
		rows = append(rows, list[len(list)-1])
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		if a.Space != b.Space {
			return a.Space < b.Space
		}
		return a.Key < b.Key
	})
	return rows
}

// Live returns the rows of Dump that are live at ms.
func (s *Store) Live(ms int64) []Row {
	var rows []Row
	for _, r := range s.Dump() {
		if r.live(ms) {
			rows = append(rows, r)
		}
	}
	return rows
}

// History returns the kept versions of a key, oldest first, tombstones
// included.
func (s *Store) History(space script.Space, key string) []Row {
	var rows []Row
	list := s.versions[id{space, key}]
	for i := range list {
		if kept(list, i) {
			rows = append(rows, list[i])
		}
	}
	return rows
}

// newest returns the last version of a key, ok false without one.
func (s *Store) newest(k id) (row Row, ok bool) {
	list := s.versions[k]
	if len(list) == 0 {
		return Row{}, false
	}
	return list[len(list)-1], true
}

// kept reports whether list[i] can still be read by "at" and "as of".
func kept(list []Row, i int) bool {
	switch {
	case i == len(list)-1:
		return true // the current version always is
	case list[i].NoRev:
		return false
	case list[i].Space == script.Persistent:
		return true
	}
	newer := 1 // the current version
	for _, r := range list[i+1 : len(list)-1] {
		if !r.NoRev {
			newer++
		}
	}
	return newer < KeepEphemeral
}

// asOf returns the version of a key that was visible at ms; ok false when
// there was none. A version that would answer but is no longer kept is an
// error of code history.
func (s *Store) asOf(k id, ms int64) (row Row, ok bool, err error) {
	list := s.versions[k]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Modified.Millis() > ms {
			continue
		}
		if !kept(list, i) {
			return Row{}, false, &script.Error{
				Code:    script.CodeHistory,
				Message: fmt.Sprintf("history of '%s' is not available as of %d", k.key, ms),
				Key:     k.key,
			}
		}
		return list[i], list[i].live(ms), nil
	}
	return Row{}, false, nil
}
