package partition

import (
	"errors"
	"fmt"
	"math"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
	"kahuna/script"
)

// Reads of the past (at, as of) take no part in the order: they mind no locks
// and are not validated. Memory has the newest version of a key and those that
// the store does not show yet; the older ones are read from the store, without
// the mutex. A run in the executor ends for that, as it does for a row that is
// not in memory, and is done again with what was read (fetched).

// past is a read of the past: of a key or, if ranged, of a part of a range.
type past struct {
	space  kv.Space
	text   string // key
	ranged bool
	part   Part
	// asOf says that the version visible at n, in Unix milliseconds, is read;
	// else it is revision n.
	asOf bool
	n    int64
	// superseded says that the run has written a newer version.
	superseded bool
}

// pastRows is what a read of the past found.
type pastRows struct {
	rows []script.Row
	dep  uint64 // as Tx.dep
	err  error
}

// errOlder says that a version is older than those in memory.
var errOlder = errors.New("partition: version is not in memory")

// GetAt reads exactly one revision.
func (tx *Tx) GetAt(space script.Space, key string, rev int64) (script.Row, error) {
	superseded := false
	if w := tx.own(space, key); w != nil {
		if w.row.Revision == rev {
			if w.row.Deleted {
				return script.Row{Key: key, Revision: -1}, nil
			}
			r := found(key, &w.row)
			r.Own, r.Expires = w.put, 0
			return r, nil
		}
		superseded = w.put
	}
	return tx.pastRow(past{space: space, text: key, n: rev, superseded: superseded})
}

// GetAsOf reads the version visible at ms, without own writes.
func (tx *Tx) GetAsOf(space script.Space, key string, ms int64) (script.Row, error) {
	// A time to come reads the present.
	return tx.pastRow(past{space: space, text: key, asOf: true, n: min(ms, tx.now)})
}

func (tx *Tx) pastRow(k past) (script.Row, error) {
	missing := script.Row{Key: k.text, Revision: -1}
	if got := tx.fetched.pastRows(k); got != nil {
		tx.dep = max(tx.dep, got.dep)
		if len(got.rows) > 0 {
			return got.rows[0], got.err
		}
		return missing, got.err
	}
	row, ok, err := tx.readPast(k)
	switch {
	case err == errOlder:
		older := k // a copy, so that only this case allocates
		return missing, tx.miss(need{past: &older})
	case err != nil || !ok:
		return missing, err
	}
	return found(k.text, &row), nil
}

// readPast reads a version of one key.
func (tx *Tx) readPast(k past) (row kv.Row, ok bool, err error) {
	if k.asOf {
		return tx.asOf(k.space, k.text, k.n)
	}
	newest := true
	err = tx.versions(k.space, k.text, func(r kv.Row) bool {
		if r.Revision == k.n && !r.Deleted && !(newest && k.superseded && r.NoRev) {
			r.Expires = 0
			row, ok = r, true
		}
		newest = false
		return r.Revision > k.n
	})
	return row, ok, err
}

func (tx *Tx) asOf(space kv.Space, key string, ms int64) (kv.Row, bool, error) {
	reached := false
	row, ok, err := store.AsOf(func(visit func(kv.Row) bool) error {
		return tx.versions(space, key, func(r kv.Row) bool {
			more := visit(r)
			reached = reached || !more
			return more
		})
	}, hlc.Last(ms), 0)
	// The horizon is read after the versions: what has gone before they were
	// read is below it.
	if err == nil && !reached && hlc.Last(ms) < tx.horizon(space) {
		err = store.ErrHistoryGone
	}
	if err != nil {
		return kv.Row{}, false, historyError(key, ms, err)
	}
	return row, ok && row.Live(ms), nil
}

func historyError(key string, ms int64, err error) error {
	if err != store.ErrHistoryGone {
		return err
	}
	return &script.Error{Code: script.CodeHistory, Key: key,
		Message: fmt.Sprintf("history of '%s' is not available as of %d", key, ms)}
}

// horizon returns the time before which absent keys may have existed.
func (tx *Tx) horizon(space kv.Space) hlc.Timestamp {
	if space == kv.Ephemeral {
		if tx.slow != nil {
			tx.p.mu.Lock()
			defer tx.p.mu.Unlock()
		}
		return tx.p.eph.horizon
	}
	return tx.p.store.Horizon()
}

// versions visits the versions of key, newest first, until visit returns false.
// In the executor it fails with errOlder when it would have to read the store.
func (tx *Tx) versions(space kv.Space, key string, visit func(kv.Row) bool) error {
	v := versions{last: math.MaxInt64, visit: visit}
	if tx.slow == nil {
		tx.memoryVersions(space, key, &v)
		if !v.done {
			return errOlder
		}
		return nil
	}
	if err := tx.pace(); err != nil {
		return err
	}
	tx.p.mu.Lock()
	tx.memoryVersions(space, key, &v)
	tx.p.mu.Unlock()
	if v.done {
		return nil
	}
	tx.slow.made += int64(cellOverhead + len(key))
	return v.older(tx.p.store, key)
}

// versions is a visit of the versions of a key, as far as it has come.
type versions struct {
	visit    func(kv.Row) bool
	done     bool
	last     int64         // revision of the oldest one visited
	modified hlc.Timestamp // of the newest one in memory, 0 when none is
}

// show visits the next version.
func (v *versions) show(row kv.Row) {
	v.last = row.Revision
	v.done = !v.visit(row)
}

// memoryVersions visits the versions that are in memory. Held: mu.
func (tx *Tx) memoryVersions(space kv.Space, key string, v *versions) {
	c := tx.p.cellOf(lockKey{space, key})
	if c == nil || !c.exists {
		v.done = c != nil || space == kv.Ephemeral
		if c != nil {
			tx.dep = max(tx.dep, c.seq)
		}
		return
	}
	c.used = true
	tx.dep = max(tx.dep, c.seq)
	v.modified = c.row.Modified
	v.show(c.row)
	for i := len(c.past()) - 1; i >= 0 && !v.done; i-- {
		row := c.past()[i].row
		switch {
		case row.Revision < 0:
			v.done = true // purged before: what the store still shows is gone
		case row.Revision != v.last && !row.NoRev:
			v.show(row)
		}
	}
	v.done = v.done || space == kv.Ephemeral
}

// older visits the versions of the store that memory has not.
func (v *versions) older(st *store.Store, key string) error {
	newest := true
	err := st.Versions(key, func(row kv.Row) bool {
		head := newest
		newest = false
		switch {
		case v.modified == 0:
		case row.Revision >= v.last, head && row.NoRev:
			return true
		case row.Modified > v.modified:
			return false // the key was purged meanwhile, and began anew
		}
		v.show(row)
		return !v.done
	})
	if err != nil {
		return storageError(err)
	}
	return nil
}

// readPastRange visits the rows of a part of a range that were live at ms, in
// order.
func (tx *Tx) readPastRange(part Part, ms int64, visit func(script.Row) error) error {
	k := past{ranged: true, part: part, asOf: true, n: min(ms, tx.now)}
	if tx.slow == nil {
		got := tx.fetched.pastRows(k)
		if got == nil {
			return tx.miss(need{past: &k})
		}
		tx.dep = max(tx.dep, got.dep)
		for i := range got.rows {
			if err := visit(got.rows[i]); err != nil {
				return err
			}
		}
		return got.err
	}
	c := newCursor(tx.p, &part, 0)
	c.poll = tx.poll
	var n portion
	visited := 0
	for !c.end {
		if err := c.next(pieceRows); err != nil {
			return err
		}
		tx.dep = max(tx.dep, c.dep)
		for i := range c.rows {
			if visited++; tx.slow.rowsMax > 0 && visited > tx.slow.rowsMax {
				return script.ErrSlowPath
			}
			row, ok, err := tx.asOf(part.Space, c.rows[i].key, k.n)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := visit(found(c.rows[i].key, &row)); err != nil {
				return err
			}
			if n.add(&part, c.rows[i].key, row.Value) {
				return nil
			}
		}
	}
	return nil
}

// Settle makes what commits from now on have a later time than tx, to the
// millisecond, and returns the time of tx. What is read as of it is the same
// ever after.
func (tx *Tx) Settle() int64 {
	if tx.slow != nil {
		tx.p.mu.Lock()
		defer tx.p.mu.Unlock()
	}
	tx.p.clock.Next(tx.now + 1)
	return tx.now
}
