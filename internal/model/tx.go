package model

import (
	"math"
	"slices"
	"sort"
	"strings"

	"kahuna/script"
)

// Tx is a transaction on a Store. It implements script.Tx.
type Tx struct {
	store   *Store
	time    script.Timestamp
	slept   int64
	pending map[id]change
	done    bool
}

var _ script.Tx = (*Tx)(nil)

// change is what a transaction will do to one key at commit.
type change struct {
	row Row
	// ttl is the time to live that the set or extend asked for, 0 for none.
	// It starts at commit; until then row.Expires is provisional.
	ttl int64
	// extended marks a committed row whose expiry alone is changed: it
	// replaces the newest version and is not a new one.
	extended bool
	// kept marks a write that left the expiry of the row as it was, which is
	// then no time to live of this transaction.
	kept bool
}

// Begin starts a transaction whose clock reading is ts. It must end, by
// Commit or Rollback, before the next one begins.
func (s *Store) Begin(ts script.Timestamp) *Tx {
	return &Tx{store: s, time: ts, pending: map[id]change{}}
}

// Commit applies the transaction's writes at the given time: one new version
// for each key written, however often it was. A second end of the same
// transaction does nothing.
func (t *Tx) Commit(commit script.Timestamp) {
	if t.done {
		return
	}
	t.done = true
	for k, c := range t.pending {
		list := t.store.versions[k]
		if !c.kept {
			c.row.Expires = expiry(commit.Millis(), c.ttl)
		}
		if c.extended {
			list[len(list)-1].Expires = c.row.Expires
			continue
		}
		c.row.Modified = commit
		t.store.versions[k] = append(list, c.row)
	}
}

// Rollback forgets the transaction's writes.
func (t *Tx) Rollback() { t.done = true }

// Wrote reports whether the transaction has anything to commit.
func (t *Tx) Wrote() bool { return len(t.pending) > 0 }

// Time implements script.Tx.
func (t *Tx) Time() script.Timestamp { return t.time }

// Now implements script.Tx.
func (t *Tx) Now() int64 { return t.time.Millis() + t.slept }

// Sleep implements script.Tx: it moves Now and takes no time.
func (t *Tx) Sleep(ms int64) error {
	t.slept += ms
	return nil
}

// current is the newest version of a key as this transaction sees it: its
// counter, and whether the key is live.
func (t *Tx) current(k id) (row Row, counter int64, live bool) {
	if c, ok := t.pending[k]; ok {
		return c.row, c.row.Revision, !c.row.Deleted && (!c.kept || c.row.live(t.Now()))
	}
	row, ok := t.store.newest(k)
	if !ok {
		return Row{}, -1, false
	}
	return row, row.Revision, row.live(t.Now())
}

// Get implements script.Tx.
func (t *Tx) Get(space script.Space, key string) (script.Row, error) {
	k := id{space, key}
	row, _, live := t.current(k)
	if !live {
		return missing(key), nil
	}
	return t.show(k, row), nil
}

// show turns a live current row into what a script reads. A time to live that the
// transaction gave expires as if it committed now.
func (t *Tx) show(k id, row Row) script.Row {
	out := found(row)
	c, ok := t.pending[k]
	if ok && c.ttl > 0 {
		out.Expires = expiry(t.Now(), c.ttl)
	}
	if ok && !c.extended {
		out.Own, out.TTL, out.Modified = true, c.ttl, 0
	}
	return out
}

// GetAt implements script.Tx.
func (t *Tx) GetAt(space script.Space, key string, rev int64) (script.Row, error) {
	k := id{space, key}
	list := t.store.versions[k]
	own, wrote := t.pending[k]
	wrote = wrote && !own.extended
	if wrote {
		// To this transaction its own write is the newest version.
		list = append(list[:len(list):len(list)], own.row)
	}
	for i, row := range list {
		if row.Revision != rev || row.Deleted || !kept(list, i) {
			continue
		}
		out := found(row)
		out.Expires = 0
		out.Own = wrote && i == len(list)-1
		return out, nil
	}
	return missing(key), nil
}

// GetAsOf implements script.Tx.
func (t *Tx) GetAsOf(space script.Space, key string, ms int64) (script.Row, error) {
	row, ok, err := t.store.asOf(id{space, key}, min(ms, t.Now()))
	if err != nil || !ok {
		return missing(key), err
	}
	return found(row), nil
}

// Scan implements script.Tx. It visits in key order, which the contract does
// not ask for.
func (t *Tx) Scan(space script.Space, prefix bool, text string, asOf int64, visit func(script.Row) error) error {
	for _, key := range t.keys(space) {
		if prefix && !strings.HasPrefix(key, text) || !prefix && !inBucket(key, text) {
			continue
		}
		row, err := t.Get(space, key)
		if asOf > 0 {
			row, err = t.GetAsOf(space, key, asOf)
		}
		if err != nil {
			return err
		}
		if !row.Found {
			continue
		}
		if err := visit(row); err != nil {
			return err
		}
	}
	return nil
}

// ScanPart implements script.Tx: all of the range, then what is asked for of it.
func (t *Tx) ScanPart(p *script.Part, visit func(script.Row) error) error {
	var rows []script.Row
	err := t.Scan(p.Space, p.Prefix, p.Text, p.AsOf, func(r script.Row) error {
		if !p.HasAfter || !p.Desc && r.Key > p.After || p.Desc && r.Key < p.After {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.Desc {
		slices.Reverse(rows)
	}
	for i, r := range rows {
		if i == p.Limit {
			break
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

// keys returns every key of a space that has a version, committed or own.
func (t *Tx) keys(space script.Space) []string {
	seen := map[string]bool{}
	for k := range t.store.versions {
		if k.space == space {
			seen[k.key] = true
		}
	}
	for k := range t.pending {
		if k.space == space {
			seen[k.key] = true
		}
	}
	keys := make([]string, 0, len(seen))
	for key := range seen {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// inBucket reports whether a read of the bucket shows key: the key's text
// before its last slash is the bucket.
func inBucket(key, bucket string) bool {
	i := strings.LastIndex(key, "/")
	return i >= 0 && key[:i] == bucket
}

// Set implements script.Tx.
func (t *Tx) Set(space script.Space, key, value string, opts *script.SetOptions) (script.WriteResult, error) {
	if opts == nil {
		opts = &script.SetOptions{}
	}
	k := id{space, key}
	row, counter, live := t.current(k)
	if !holds(opts, row, counter, live) {
		return script.WriteResult{Revision: counter}, nil
	}
	c := change{
		row: Row{Space: space, Key: key, Value: value, Revision: counter + 1, NoRev: opts.NoRev},
		ttl: opts.TTL,
	}
	c.row.Expires = expiry(t.Now(), c.ttl)
	if opts.KeepTTL && live {
		own, wrote := t.pending[k]
		c.ttl, c.row.Expires, c.kept = own.ttl, row.Expires, !wrote || own.kept
	}
	t.pending[k] = c
	return script.WriteResult{Done: true, Revision: c.row.Revision, Expires: c.row.Expires, TTL: c.ttl}, nil
}

// holds reports whether all conditions of a set hold.
func holds(o *script.SetOptions, row Row, counter int64, live bool) bool {
	if o.NX && live {
		return false
	}
	if o.XX && !live {
		return false
	}
	if o.HasCmp {
		equal := live && row.Value == o.Cmp
		absent := !live && o.CmpNull
		if !equal && !absent {
			return false
		}
	}
	if o.HasCmpRev {
		same := o.CmpRev == counter
		absent := !live && o.CmpRev == -1
		if !same && !absent {
			return false
		}
	}
	return true
}

// Delete implements script.Tx.
func (t *Tx) Delete(space script.Space, key string) (script.WriteResult, error) {
	k := id{space, key}
	_, counter, live := t.current(k)
	if !live {
		return script.WriteResult{Revision: counter}, nil
	}
	t.pending[k] = change{row: Row{Space: space, Key: key, Revision: counter + 1, Deleted: true}}
	return script.WriteResult{Done: true, Revision: counter + 1}, nil
}

// Extend implements script.Tx.
func (t *Tx) Extend(space script.Space, key string, ttl int64) (script.WriteResult, error) {
	k := id{space, key}
	row, counter, live := t.current(k)
	if !live {
		return script.WriteResult{Revision: counter}, nil
	}
	own, wrote := t.pending[k]
	row.Expires = expiry(t.Now(), ttl)
	t.pending[k] = change{row: row, ttl: ttl, extended: !wrote || own.extended}
	return script.WriteResult{Done: true, Revision: row.Revision, Expires: row.Expires, TTL: ttl}, nil
}

// expiry is the time ttl milliseconds after ms, 0 for a ttl of 0.
func expiry(ms, ttl int64) int64 {
	switch {
	case ttl == 0:
		return 0
	case ttl > math.MaxInt64-ms:
		return math.MaxInt64
	}
	return ms + ttl
}

func found(r Row) script.Row {
	return script.Row{Key: r.Key, Value: r.Value, Revision: r.Revision, Expires: r.Expires, Modified: r.Modified, Found: true}
}

func missing(key string) script.Row { return script.Row{Key: key, Revision: -1} }
