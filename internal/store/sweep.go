package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

func timestamp(b []byte) hlc.Timestamp { return hlc.Timestamp(binary.BigEndian.Uint64(b)) }

// DyingCursor is a place in the order of Dying: after the key, among those of
// the same time. The zero value is the beginning.
type DyingCursor struct {
	At  int64
	Key string
}

// Dying calls visit for keys whose newest version expired or was deleted at or
// before a time in Unix milliseconds, the oldest first and then by key, at most
// limit of them. To go on, pass the last ones visited as after. The row itself
// tells which of the two it was. An error of visit ends it and is returned as
// it is.
func (s *Store) Dying(before int64, after DyingCursor, limit int, visit func(key string, at int64) error) error {
	if before < 0 || limit <= 0 {
		return nil
	}
	low := []byte{prefixDying}
	if after != (DyingCursor{}) {
		low = append(appendDyingKey(nil, after.At, after.Key), 0)
	}
	high := binary.BigEndian.AppendUint64([]byte{prefixDying}, uint64(before)+1)
	return s.walk(low, high, func(it *pebble.Iterator) (bool, error) {
		k := it.Key()
		if len(k) <= dyingHead {
			return false, readError(corrupt(k, "key"))
		}
		limit--
		at := int64(binary.BigEndian.Uint64(k[1:]))
		return limit > 0, visit(string(k[dyingHead:]), at)
	})
}

// OldResults calls visit for the idempotency keys whose result is of a period,
// the oldest first, at most limit of them. An error of visit ends it and is
// returned as it is.
func (s *Store) OldResults(p kv.Period, limit int, visit func(key string, at hlc.Timestamp) error) error {
	if limit <= 0 {
		return nil
	}
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	return s.eachResult(p, func(key []byte, it *pebble.Iterator) (bool, error) {
		limit--
		return limit > 0, visit(string(key), timestamp(it.Key()[1:]))
	})
}

// eachResult calls visit at the J rows of a period until it returns false.
func (s *Store) eachResult(p kv.Period, visit func(key []byte, it *pebble.Iterator) (bool, error)) error {
	low, high := appendAgeKey(nil, uint64(p.From), ""), appendAgeKey(nil, uint64(p.To), "")
	return s.each(low, high, func(it *pebble.Iterator) (bool, error) {
		if len(it.Key()) <= ageHead {
			return false, readError(corrupt(it.Key(), "key"))
		}
		return visit(it.Key()[ageHead:], it)
	})
}

// walk calls visit at each row of [low, high) until it returns false.
func (s *Store) walk(low, high []byte, visit func(*pebble.Iterator) (bool, error)) error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	return s.each(low, high, visit)
}

// each is walk for who keeps the store open.
func (s *Store) each(low, high []byte, visit func(*pebble.Iterator) (bool, error)) (err error) {
	if string(low) >= string(high) {
		return nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return readError(err)
	}
	defer closing(it, &err)
	for it.First(); it.Valid(); it.Next() {
		if more, err := visit(it); err != nil || !more {
			return err
		}
	}
	return readError(it.Error())
}

// OldVersions finds history to prune. It goes through the histories in the
// order of their keys, beginning after the key after ("" for the beginning),
// and calls visit for each key that has versions superseded at or before a
// time, or blocks of them beyond the kept number, with the revision for a
// kv.Prune that removes just these. It looks at no more than budget rows in one
// call and returns the after of the next one, "" when it is through. Of a key
// with more old rows than that it names the oldest; the next round finds the
// others. An error of visit ends it and is returned as it is.
//
// A kept number that was lowered takes effect here; Apply only deletes what a
// new version pushes out.
func (s *Store) OldVersions(before hlc.Timestamp, after string, budget int, visit func(key string, revision int64) error) (next string, err error) {
	if !s.life.begin() {
		return "", ErrClosed
	}
	defer s.life.done()
	// The rows of a key and those of its history have to be of one moment: a
	// block goes from one to the other.
	moment := s.db.NewSnapshot()
	defer closing(moment, &err)
	prefix := []byte{prefixHistory, spaceByte}
	it, err := moment.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return "", readError(err)
	}
	defer closing(it, &err)
	if after == "" {
		it.First()
	} else {
		it.SeekGE(prefixEnd(appendHistoryPrefix(nil, after)))
	}
	for budget = max(budget, 1); it.Valid() && budget > 0; {
		rowKey, _, ok := splitHistoryKey(it.Key())
		key, ok2 := decodeRowKey(rowKey)
		if !ok || !ok2 {
			return "", readError(corrupt(it.Key(), "key"))
		}
		revision, looked, err := s.oldOf(moment, it, key, before, budget)
		if err != nil {
			return "", readError(err)
		}
		if revision > 0 {
			if err := visit(key, revision); err != nil {
				return "", err
			}
		}
		budget -= looked
		next = key
		it.SeekGE(prefixEnd(appendHistoryPrefix(nil, key)))
	}
	if err := it.Error(); err != nil {
		return "", readError(err)
	}
	if !it.Valid() {
		return "", nil
	}
	return next, nil
}

// oldOf returns the revision below which the versions of key are old, 0 when
// none is, having looked at no more than limit rows. It moves the iterator, which
// is of the given moment.
//
// It goes from the oldest version upwards and stops at the first that is not
// old: what it looks at, except for one block, is what there is to prune, however
// long the history is.
func (s *Store) oldOf(moment *pebble.Snapshot, it *pebble.Iterator, key string, before hlc.Timestamp, limit int) (revision int64, looked int, err error) {
	k := appendRowKey(nil, prefixRow, key)
	data, err := readFrom(moment, k)
	if err != nil || data == nil {
		return 0, 1, err
	}
	newest, _, block, ok := decodeRow(data)
	if !ok {
		return 0, 1, corrupt(k, "version")
	}
	old := ageing{store: s, before: before, newest: newest.row.Revision, prev: kv.Row{Revision: -1}}
	limit = max(limit, 2*(blockRevisions+1)) // or it might never get through one block
	prefix := appendHistoryPrefix(nil, key)
	for it.SeekLT(prefixEnd(prefix)); it.Valid() && looked < limit && !old.done; it.Prev() {
		end, ours := bytes.CutPrefix(it.Key(), prefix)
		if !ours || len(end) == 0 { // the marker comes before all versions
			break
		}
		last, isBlock, ok := splitRevision(end)
		if !ok {
			return 0, looked, corrupt(it.Key(), "key")
		}
		if last >= newest.row.Revision {
			break // the row with the value of the newest version
		}
		looked++
		if data, err = it.ValueAndErr(); err != nil {
			return 0, looked, err
		}
		if !old.addRow(data, last, isBlock) {
			return 0, looked, corrupt(it.Key(), "version")
		}
	}
	if err := it.Error(); err != nil {
		return 0, looked, err
	}
	if looked < limit && !old.done {
		if !old.addRow(block, newest.row.Revision, true) {
			return 0, looked, corrupt(k, "block of versions")
		}
		if old.add(&newest.row); old.first && newest.marked {
			return newest.row.Revision, 1, nil // there is nothing but the marker
		}
	}
	return old.revision, max(looked, 1), nil
}

// ageing is told the rows of a history, the oldest first, and says which
// versions are old.
type ageing struct {
	store  *Store
	before hlc.Timestamp
	newest int64

	// rows are the versions of one block, which has its own row and those of
	// single versions.
	rows  []kv.Row
	prev  kv.Row // the version before those
	first bool   // there was none before the last one added

	revision int64 // below it all are old
	done     bool  // the others are not
}

// addRow takes a row with the version of a revision, or with those of a block
// that it is in.
func (a *ageing) addRow(data []byte, revision int64, block bool) bool {
	if len(a.rows) > 0 && blockOf(a.rows[0].Revision) != blockOf(revision) {
		a.flush()
	}
	if !block {
		m, _, _, ok := decodeRow(data)
		a.rows = append(a.rows, m.row)
		return ok
	}
	k, ok := decodeBlock(data)
	for _, row := range k.rows[:k.n] {
		m, _, _, good := decodeRow(row)
		a.rows = append(a.rows, m.row)
		ok = ok && good
	}
	return ok
}

// add takes the version that comes after all rows.
func (a *ageing) add(r *kv.Row) {
	a.flush()
	a.judge(r)
}

// flush judges the versions of the block.
func (a *ageing) flush() {
	slices.SortFunc(a.rows, func(x, y kv.Row) int { return cmp.Compare(x.Revision, y.Revision) })
	for i := range a.rows {
		a.judge(&a.rows[i])
	}
	a.rows = a.rows[:0]
}

// judge judges the version before r.
func (a *ageing) judge(r *kv.Row) {
	last := blockOf(a.prev.Revision) + blockRevisions - 1
	switch {
	case a.done:
	case a.prev.Revision < 0:
		a.first = true
	case r.Modified <= a.before || !a.store.keeps(last, a.newest):
		a.revision = a.prev.Revision + 1
	default:
		a.done = true
	}
	if a.prev.Revision >= 0 {
		a.first = false
	}
	a.prev = *r
}
