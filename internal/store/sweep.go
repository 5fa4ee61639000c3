package store

import (
	"bytes"
	"encoding/binary"

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

// OldResults returns up to limit idempotency keys whose result is from before
// a time, the oldest first.
func (s *Store) OldResults(before hlc.Timestamp, limit int) (keys []string, err error) {
	if limit <= 0 {
		return nil, nil
	}
	high := appendAgeKey(nil, uint64(before), "")
	err = s.walk([]byte{prefixAge}, high, func(it *pebble.Iterator) (bool, error) {
		if len(it.Key()) <= ageHead {
			return false, readError(corrupt(it.Key(), "key"))
		}
		keys = append(keys, string(it.Key()[ageHead:]))
		return len(keys) < limit, nil
	})
	return keys, err
}

// walk calls visit at each row of [low, high) until it returns false.
func (s *Store) walk(low, high []byte, visit func(*pebble.Iterator) (bool, error)) (err error) {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
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
// and calls visit for each key that has blocks of versions all of which were
// superseded at or before a time, or are beyond the kept number, with the
// revision for a kv.Prune that removes just these. It looks at no more than
// budget rows in one call and returns the after of the next one, "" when it is
// through. Of a key with more old rows than that it names the oldest; the next
// round finds the others. An error of visit ends it and is returned as it is.
//
// The block of the newest version is left alone. A kept number that was lowered
// takes effect here; Apply only deletes what a new version pushes out.
func (s *Store) OldVersions(before hlc.Timestamp, after string, budget int, visit func(key string, revision int64) error) (next string, err error) {
	if !s.life.begin() {
		return "", ErrClosed
	}
	defer s.life.done()
	prefix := []byte{prefixHistory, spaceByte}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
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
		rowKey, _, _, ok := splitHistoryKey(it.Key())
		key, ok2 := decodeRowKey(rowKey)
		if !ok || !ok2 {
			return "", readError(corrupt(it.Key(), "key"))
		}
		revision, looked, err := s.oldOf(it, key, before, budget)
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
// none is, having looked at no more than limit rows. It moves the iterator.
//
// It goes from the oldest block upwards and stops at the first that is not old,
// which the oldest version above it tells: what it looks at, except for one
// block, is what there is to prune, however long the history is.
func (s *Store) oldOf(it *pebble.Iterator, key string, before hlc.Timestamp, limit int) (revision int64, looked int, err error) {
	it.SeekLT(prefixEnd(appendHistoryPrefix(nil, key)))
	newest, oldest, found, err := s.newestBlock(key)
	if err != nil || !found {
		return 0, 1, err
	}
	prefix := appendHistoryPrefix(nil, key)
	limit = max(limit, 2*(blockRevisions+1)) // or it might never get through one
	// candidate is the block below those looked at, -1 for none.
	candidate := int64(-1)
	old := func(above hlc.Timestamp) bool {
		last := candidate + blockRevisions - 1
		return candidate >= 0 && (above <= before || !s.keeps(last, newest))
	}
	for ; it.Valid() && looked < limit; it.Prev() {
		end, ours := bytes.CutPrefix(it.Key(), prefix)
		if !ours {
			break
		}
		last, _, ok := splitRevision(end)
		if !ok {
			return 0, looked, corrupt(it.Key(), "key")
		}
		if last > newest || blockOf(last) == blockOf(newest) {
			break
		}
		looked++
		first, err := oldestAt(it)
		if err != nil {
			return 0, looked, err
		}
		if candidate == blockOf(last) {
			continue // what was seen of it makes it younger than it is, at most
		}
		if candidate >= 0 {
			if !old(first.Modified) {
				return revision, looked, nil
			}
			revision = candidate + blockRevisions
		}
		candidate = blockOf(last)
	}
	if err := it.Error(); err != nil {
		return 0, looked, err
	}
	if looked < limit && old(oldest.Modified) {
		revision = candidate + blockRevisions
	}
	return revision, max(looked, 1), nil
}

// newestBlock returns the newest revision of key, and a version of its block
// that is as old as any but those in rows of their own.
func (s *Store) newestBlock(key string) (newest int64, oldest kv.Row, found bool, err error) {
	k := appendRowKey(nil, prefixRow, key)
	data, err := s.read(k)
	if err != nil || data == nil {
		return 0, kv.Row{}, false, err
	}
	m, _, block, ok := decodeRow(data)
	if !ok {
		return 0, kv.Row{}, false, corrupt(k, "version")
	}
	oldest = m.row
	if len(block) > 0 {
		oldest, ok = oldestOf(block)
	}
	if !ok {
		return 0, kv.Row{}, false, corrupt(k, "block of versions")
	}
	return m.row.Revision, oldest, true, nil
}

// oldestAt returns the oldest version in the H row the iterator stands at.
func oldestAt(it *pebble.Iterator) (kv.Row, error) {
	data, err := it.ValueAndErr()
	if err != nil {
		return kv.Row{}, err
	}
	if _, _, block, ok := splitHistoryKey(it.Key()); ok && block {
		row, ok := oldestOf(data)
		if !ok {
			return row, corrupt(it.Key(), "block of versions")
		}
		return row, nil
	}
	m, _, _, ok := decodeRow(data)
	if !ok {
		return kv.Row{}, corrupt(it.Key(), "version")
	}
	return m.row, nil
}

// oldestOf returns the oldest version of a block.
func oldestOf(block []byte) (kv.Row, bool) {
	k, ok := decodeBlock(block)
	if !ok || k.n == 0 {
		return kv.Row{}, false
	}
	m, _, _, ok := decodeRow(k.rows[0])
	return m.row, ok
}
