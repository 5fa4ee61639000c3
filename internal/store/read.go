package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/kv"
)

// keyBuffers holds *[]byte for the keys of point reads: Pebble keeps the key
// in an interface, so one on the stack would be allocated every time.
var keyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 256)
	return &b
}}

// Get returns the newest version of a key, deleted and expired ones included.
func (s *Store) Get(key string) (kv.Row, bool, error) {
	if !s.life.begin() {
		return kv.Row{}, false, ErrClosed
	}
	defer s.life.done()
	missing := int64(-1)
	for {
		m, text, found, err := s.getRow(key)
		if err != nil || !found {
			return kv.Row{}, false, readError(err)
		}
		if !m.apart {
			m.row.Value = text
			return m.row, true, nil
		}
		value, found, err := s.getVersion(key, m.row.Revision)
		if err != nil {
			return kv.Row{}, false, readError(err)
		}
		if found {
			m.row.Value = value.Value
			return m.row, true, nil
		}
		// Superseded and dropped since: then there is a newer one.
		if missing == m.row.Revision {
			return kv.Row{}, false, readError(corrupt([]byte(key), "value of the newest version is missing"))
		}
		missing = m.row.Revision
	}
}

// getRow reads the L row of key.
func (s *Store) getRow(key string) (m meta, text string, found bool, err error) {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	*buf = appendRowKey((*buf)[:0], prefixRow, key)
	return s.getStored(*buf)
}

// getVersion reads the H row of one revision of key.
func (s *Store) getVersion(key string, revision int64) (kv.Row, bool, error) {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	*buf = appendHistoryKey((*buf)[:0], key, revision)
	m, text, found, err := s.getStored(*buf)
	m.row.Value = text
	return m.row, found, err
}

func (s *Store) getStored(key []byte) (m meta, text string, found bool, err error) {
	data, closer, err := s.db.Get(key)
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			err = nil
		}
		return m, "", false, err
	}
	m, value, ok := decodeRow(data)
	text = string(value)
	if err := closer.Close(); err != nil {
		return m, "", false, err
	}
	if !ok {
		return m, "", false, corrupt(key, "version")
	}
	return m, text, true, nil
}

// At returns exactly revision rev of a key: its newest version or one of the
// history, whether deleted, expired or not. It is not found when it never was,
// or is no longer kept. The Expires of a version of the history may be the one
// it began with.
func (s *Store) At(key string, rev int64) (kv.Row, bool, error) {
	if !s.life.begin() {
		return kv.Row{}, false, ErrClosed
	}
	defer s.life.done()
	m, text, found, err := s.getRow(key)
	if err != nil || !found || rev < 0 || rev > m.row.Revision {
		return kv.Row{}, false, readError(err)
	}
	if rev == m.row.Revision && !m.apart {
		m.row.Value = text
		return m.row, true, nil
	}
	row, found, err := s.getVersion(key, rev)
	if found && rev == m.row.Revision {
		m.row.Value = row.Value
		row = m.row
	}
	return row, found, readError(err)
}

// Versions calls visit for the versions of a key, newest first, until it
// returns false. All of them are of one moment. The Expires of a version is its
// last one, if the version that superseded it is kept too; else it may be an
// earlier one, but then nobody can tell how long it was visible anyway.
func (s *Store) Versions(key string, visit func(kv.Row) bool) error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	return readError(s.versions(key, visit))
}

func (s *Store) versions(key string, visit func(kv.Row) bool) (err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer closing(it, &err)
	rowKey := appendRowKey(nil, prefixRow, key)
	if !it.SeekGE(rowKey) || string(it.Key()) != string(rowKey) {
		return it.Error()
	}
	newest, err := rowAt(it)
	if err != nil {
		return err
	}
	text := ""
	if newest.apart {
		if text, err = valueApart(it, key, newest.row.Revision); err != nil {
			return err
		}
	} else {
		text = string(valueOf(it))
	}
	row := newest.row
	row.Value = text
	if !visit(row) {
		return nil
	}
	prefix := appendHistoryPrefix(nil, key)
	newer := newest
	// The H row of the newest revision itself, if any, is not history.
	for it.SeekGE(appendHistoryBelow(nil, key, newest.row.Revision)); it.Valid(); it.Next() {
		k := it.Key()
		if len(k) != len(prefix)+8 || string(k[:len(prefix)]) != string(prefix) {
			break
		}
		m, err := rowAt(it)
		if err != nil {
			return err
		}
		row := m.row
		row.Value = string(valueOf(it))
		correctExpiry(&row, &newer)
		if !visit(row) {
			return nil
		}
		newer = m
	}
	return it.Error()
}

// correctExpiry gives a large version of the history its last expiry, which
// the version after it has.
func correctExpiry(row *kv.Row, newer *meta) {
	if newer.hasPrev && newer.row.KeptPrev() == row.Revision {
		row.Expires = newer.prevExpires
	}
}

// rowAt decodes the version the iterator stands at.
func rowAt(it *pebble.Iterator) (meta, error) {
	data, err := it.ValueAndErr()
	if err != nil {
		return meta{}, err
	}
	m, _, ok := decodeRow(data)
	if !ok {
		return m, corrupt(it.Key(), "version")
	}
	return m, nil
}

// valueOf returns the value of the version the iterator stands at, which has
// been decoded before. It is valid until the iterator moves.
func valueOf(it *pebble.Iterator) []byte {
	_, value, _ := decodeRow(it.Value())
	return value
}

// valueApart moves the iterator to the H row of a large version and returns
// its value.
func valueApart(it *pebble.Iterator, key string, revision int64) (string, error) {
	k := appendHistoryKey(nil, key, revision)
	if !it.SeekGE(k) || string(it.Key()) != string(k) {
		if err := it.Error(); err != nil {
			return "", err
		}
		return "", corrupt(k, "value of the newest version is missing")
	}
	if _, err := rowAt(it); err != nil {
		return "", err
	}
	return string(valueOf(it)), nil
}

func readError(err error) error {
	if err == nil {
		return nil
	}
	if pebble.IsCorruptionError(err) && !errors.Is(err, ErrCorrupt) {
		// What Pebble adds on further lines is for its own reports.
		first, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("read store: %w: %s", ErrCorrupt, first)
	}
	return fmt.Errorf("read store: %w", err)
}

// Result returns the remembered result of an idempotency key.
func (s *Store) Result(key string) (kv.StoredResult, bool, error) {
	if !s.life.begin() {
		return kv.StoredResult{}, false, ErrClosed
	}
	defer s.life.done()
	k := appendResultKey(nil, key)
	value, err := s.read(k)
	if err != nil || value == nil {
		return kv.StoredResult{}, false, readError(err)
	}
	r, ok := decodeResult(value)
	if !ok {
		return kv.StoredResult{}, false, readError(corrupt(k, "result"))
	}
	r.Key = key
	return r, true, nil
}

// appendResult encodes a result: fingerprint(32) time(8) result.
func appendResult(b []byte, r *kv.StoredResult) []byte {
	b = append(b, r.Request[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time))
	return append(b, r.Result...)
}

// decodeResult undoes appendResult; the result aliases b.
func decodeResult(b []byte) (r kv.StoredResult, ok bool) {
	n := len(r.Request)
	if len(b) < n+8 {
		return r, false
	}
	copy(r.Request[:], b)
	r.Time = timestamp(b[n:])
	r.Result = b[n+8:]
	return r, true
}
