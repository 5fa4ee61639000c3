package partition

import (
	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/script"
)

// Tx is the transaction a script, or a point call, runs in. It buffers its
// writes; nobody sees them before finish publishes them. It implements
// script.Tx, once for both paths: on the fast path all of it happens under
// the partition's mutex, on the slow path each read takes the mutex, and what
// was read without a lock is remembered and validated at the end.
type Tx struct {
	p      *Partition
	term   uint64 // in which it began; not set for runs in the executor
	ts     hlc.Timestamp
	now    int64
	ticket *Ticket // locks held, or nil
	dep    uint64  // newest batch among the rows read
	misses int     // rows read from the store, on the fast path

	// fetch says that what is not in memory ends the run with errMissing; then
	// need says what that is. fetched has what was read for runs before.
	fetch   bool
	need    *need
	fetched *fetched

	cells [seenMax]*cell // read so far, the first seen of them; see Tx.see
	seen  int

	writes []write
	index  map[lockKey]int // into writes, once there are many
	undo   *undoLog        // of the call that runs in a Session, or nil

	// blocked is what the fast path met locked.
	blocked LockSet
	// slow is nil on the fast path.
	slow *slowRead
}

// write is the buffered state of one key.
type write struct {
	space kv.Space
	key   string
	row   kv.Row // Modified unset; Expires provisional when ttl > 0
	ttl   int64
	base  kv.Row // the committed row, Revision -1 when there is none
	put   bool   // a new version, not only another expiry
	cell  *cell  // of key, if the transaction saw it
	call  uint64 // of a Session: the last call that wrote it
}

var _ script.Tx = (*Tx)(nil)

const indexFrom = 12 // writes from which on a map is faster than a look

// reset makes a transaction of the executor ready for the next run. What few
// runs need is only reset after those.
func (tx *Tx) reset() {
	const keep = 64 // writes; more than that is left to the collector
	for i := range tx.writes {
		w := &tx.writes[i]
		w.key, w.row.Value, w.base.Value, w.cell = "", "", "", nil
	}
	tx.writes = tx.writes[:0]
	if cap(tx.writes) > keep {
		tx.writes = nil
	}
	for i := range tx.cells[:tx.seen] {
		tx.cells[i] = nil
	}
	tx.seen, tx.misses, tx.dep = 0, 0, 0
	if tx.need != nil || tx.fetched != nil {
		tx.need, tx.fetched = nil, nil
	}
	if tx.index != nil {
		tx.index = nil
	}
	if tx.blocked.Points != nil || tx.blocked.Ranges != nil {
		tx.blocked = LockSet{}
	}
}

// Time returns the transaction's clock reading.
func (tx *Tx) Time() script.Timestamp { return tx.ts }

// Now returns the current time of the transaction in Unix milliseconds.
func (tx *Tx) Now() int64 { return tx.now }

// own returns the buffered write of key, or nil.
func (tx *Tx) own(space kv.Space, key string) *write {
	if tx.index != nil {
		if i, ok := tx.index[lockKey{space, key}]; ok {
			return &tx.writes[i]
		}
		return nil
	}
	for i := range tx.writes {
		if w := &tx.writes[i]; w.space == space && w.key == key {
			return w
		}
	}
	return nil
}

// live reports whether an own row is live: inside its script a time to live
// that the script set does not run out.
func (w *write) live(now int64) bool {
	if w.row.Deleted {
		return false
	}
	return w.ttl > 0 || w.row.Live(now)
}

// current returns the newest version as this transaction sees it, and its own
// write, if that is it; write tells whether it is to be written next. Without
// any row the revision is -1. It must not be changed, and is valid until the
// next call of tx.
func (tx *Tx) current(space kv.Space, key string, write bool) (row *kv.Row, live bool, w *write, err error) {
	if w = tx.own(space, key); w != nil {
		return &w.row, w.live(tx.now), w, nil
	}
	row, err = tx.latest(space, key, write)
	return row, err == nil && row.Revision >= 0 && row.Live(tx.now), nil, err
}

// Get reads the newest version.
func (tx *Tx) Get(space script.Space, key string) (script.Row, error) {
	row, live, w, err := tx.current(space, key, false)
	if err != nil || !live {
		return script.Row{Key: key, Revision: -1}, err
	}
	if w != nil {
		return tx.foundOwn(w), nil
	}
	return found(key, row), nil
}

func found(key string, row *kv.Row) script.Row {
	return script.Row{Key: key, Value: row.Value, Revision: row.Revision, Expires: row.Expires,
		Modified: row.Modified, Found: true}
}

// foundOwn returns what tx reads of its own write. A time to live begins with
// the commit: until then the row expires as if that were now.
func (tx *Tx) foundOwn(w *write) script.Row {
	r := found(w.key, &w.row)
	r.Own, r.TTL = w.put, w.ttl
	if w.ttl > 0 {
		r.Expires = tx.now + w.ttl
	}
	return r
}

// Set writes key when all conditions hold.
func (tx *Tx) Set(space script.Space, key, value string, o *script.SetOptions) (script.WriteResult, error) {
	row, live, w, err := tx.current(space, key, true)
	if err != nil {
		return script.WriteResult{}, err
	}
	if !holds(row, live, o) {
		return script.WriteResult{Revision: row.Revision}, nil
	}
	revision, expires, ttl := row.Revision+1, row.Expires, int64(0)
	if w != nil {
		ttl = w.ttl
	}
	w = tx.change(w, space, key, row)
	w.put = true
	w.ttl = o.TTL
	w.row = kv.Row{Value: value, Revision: revision, NoRev: o.NoRev}
	switch {
	case o.KeepTTL && live:
		w.ttl, w.row.Expires = ttl, expires
	case o.TTL > 0:
		w.row.Expires = tx.now + o.TTL
	}
	return script.WriteResult{Done: true, Revision: w.row.Revision, Expires: w.row.Expires, TTL: w.ttl}, nil
}

// holds judges the conditions of a set (docs/language.md, "set").
func holds(row *kv.Row, live bool, o *script.SetOptions) bool {
	if o.NX && live || o.XX && !live {
		return false
	}
	if o.HasCmp {
		if live && row.Value != o.Cmp || !live && !o.CmpNull {
			return false
		}
	}
	if o.HasCmpRev && o.CmpRev != row.Revision && (live || o.CmpRev != -1) {
		return false
	}
	return true
}

// Delete writes a tombstone when key is live.
func (tx *Tx) Delete(space script.Space, key string) (script.WriteResult, error) {
	row, live, w, err := tx.current(space, key, true)
	if err != nil || !live {
		return script.WriteResult{Revision: row.Revision}, err
	}
	revision := row.Revision + 1
	w = tx.change(w, space, key, row)
	w.put, w.ttl = true, 0
	w.row = kv.Row{Revision: revision, Deleted: true}
	return script.WriteResult{Done: true, Revision: w.row.Revision}, nil
}

// Extend changes the expiry of a live key.
func (tx *Tx) Extend(space script.Space, key string, ttl int64) (script.WriteResult, error) {
	row, live, w, err := tx.current(space, key, true)
	if err != nil || !live {
		return script.WriteResult{Revision: row.Revision}, err
	}
	w = tx.change(w, space, key, row)
	w.ttl = ttl
	w.row.Expires = 0
	if ttl > 0 {
		w.row.Expires = tx.now + ttl
	}
	return script.WriteResult{Done: true, Revision: w.row.Revision, Expires: w.row.Expires, TTL: ttl}, nil
}

// change returns the buffered write of key, to be changed: w, when there is
// one, else a new one over base.
func (tx *Tx) change(w *write, space kv.Space, key string, base *kv.Row) *write {
	if w == nil {
		w = tx.buffer(space, key, base)
		if tx.undo != nil {
			w.call = tx.undo.call
		}
	} else if tx.undo != nil {
		tx.undo.note(w)
	}
	return w
}

func (tx *Tx) buffer(space kv.Space, key string, base *kv.Row) *write {
	n := len(tx.writes) + 1
	if n <= cap(tx.writes) {
		tx.writes = tx.writes[:n]
	} else {
		tx.writes = append(tx.writes, write{})
	}
	w := &tx.writes[n-1]
	w.space, w.key, w.cell = space, key, tx.seenCell(space, key)
	w.base, w.row = *base, *base
	w.ttl, w.put, w.call = 0, false, 0
	if tx.index != nil {
		tx.index[lockKey{space, key}] = n - 1
	} else if n == indexFrom {
		tx.index = make(map[lockKey]int, 4*indexFrom)
		for i := range tx.writes {
			tx.index[lockKey{tx.writes[i].space, tx.writes[i].key}] = i
		}
	}
	return w
}

// Sleep waits on the slow path; the fast path can not.
func (tx *Tx) Sleep(ms int64) error {
	if tx.slow == nil {
		return script.ErrSlowPath
	}
	now, err := tx.slow.sleep(ms)
	tx.now = max(tx.now+ms, now)
	return err
}
