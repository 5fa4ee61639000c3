package store

import (
	"bytes"
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
func (s *Store) Get(key string) (kv.Row, bool, error) { return s.Load(key, nil) }

// Load is Get, and fills t for operations on the key to come, if it is not nil:
// those before have to be applied.
func (s *Store) Load(key string, t *kv.Tail) (kv.Row, bool, error) {
	if !s.life.begin() {
		return kv.Row{}, false, ErrClosed
	}
	defer s.life.done()
	missing := int64(-1)
	for {
		m, text, found, err := s.getRow(key, t)
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

// getRow reads the L row of key, and its Tail unless t is nil.
func (s *Store) getRow(key string, t *kv.Tail) (m meta, text string, found bool, err error) {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	*buf = appendRowKey((*buf)[:0], prefixRow, key)
	m, text, found, err = s.getStored(*buf, t)
	if t != nil && err == nil {
		t.Known, t.Singles, t.Marked = true, m.singles, m.marked
	}
	return m, text, found, err
}

// getVersion reads the H row of one revision of key, which is not in a block.
func (s *Store) getVersion(key string, revision int64) (kv.Row, bool, error) {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	*buf = appendHistoryKey((*buf)[:0], key, revision)
	m, text, found, err := s.getStored(*buf, nil)
	m.row.Value = text
	return m.row, found, err
}

func (s *Store) getStored(key []byte, t *kv.Tail) (m meta, text string, found bool, err error) {
	data, closer, err := s.db.Get(key)
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			err = nil
		}
		return m, "", false, err
	}
	m, value, block, ok := decodeRow(data)
	text = string(value)
	if t != nil {
		t.Block = append([]byte(nil), block...)
	}
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
func (s *Store) At(key string, rev int64) (row kv.Row, found bool, err error) {
	err = s.Versions(key, func(r kv.Row) bool {
		if r.Revision == rev {
			row, found = r, true
		}
		return r.Revision > rev
	})
	return row, found, err
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
	newest, value, block, err := rowAt(it)
	if err != nil {
		return err
	}
	h := history{store: s, newest: newest.row.Revision, newer: newest, visit: visit}
	if err := h.setBlock(it.Key(), block); err != nil {
		return err
	}
	row := newest.row
	row.Value = string(value)
	if newest.apart {
		if row.Value, err = valueApart(it, key, newest.row.Revision); err != nil {
			return err
		}
	}
	if !visit(row) {
		return nil
	}
	// The H row of the newest revision itself, if any, is not history.
	prefix := appendHistoryPrefix(nil, key)
	for it.SeekGE(appendHistoryBelow(nil, key, newest.row.Revision)); it.Valid() && !h.done; it.Next() {
		end, ours := bytes.CutPrefix(it.Key(), prefix)
		if !ours {
			break
		}
		if err := h.show(it, end); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	return h.showBlock(-1)
}

// history merges the blocks of a key with the versions that have rows of their
// own, from the newest to the oldest one.
type history struct {
	store  *Store
	newest int64 // revision of the newest version
	newer  meta  // the version shown last
	visit  func(kv.Row) bool
	done   bool

	block []byte
	kept  kept // of block, those not yet shown
}

// setBlock takes a copy of the block that the row at key has.
func (h *history) setBlock(key, block []byte) error {
	h.block = append(h.block[:0], block...)
	var ok bool
	if h.kept, ok = decodeBlock(h.block); !ok {
		return corrupt(key, "block of versions")
	}
	return nil
}

// show shows the H row the iterator stands at, with what comes before it. The
// end of its key is what follows its prefix.
func (h *history) show(it *pebble.Iterator, end []byte) error {
	revision, block, ok := splitRevision(end)
	if !ok {
		return corrupt(it.Key(), "key")
	}
	if err := h.showBlock(revision); err != nil || h.done {
		return err
	}
	data, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	if block {
		return h.setBlock(it.Key(), data)
	}
	return h.showRow(data)
}

// showBlock shows the versions of the block above a revision.
func (h *history) showBlock(above int64) error {
	for h.kept.n > 0 && !h.done {
		m, _, _, ok := decodeRow(h.kept.newest())
		if !ok {
			return corrupt(h.kept.newest(), "version in a block")
		}
		if m.row.Revision <= above {
			return nil
		}
		if err := h.showRow(h.kept.newest()); err != nil {
			return err
		}
		h.kept.n--
	}
	return nil
}

func (h *history) showRow(data []byte) error {
	m, value, _, ok := decodeRow(data)
	if !ok {
		return corrupt(data, "version")
	}
	if !h.store.keeps(m.row.Revision, h.newest) {
		h.done = true
		return nil
	}
	row := m.row
	row.Value = string(value)
	correctExpiry(&row, &h.newer)
	h.newer = m
	h.done = !h.visit(row)
	return nil
}

// correctExpiry gives a large version of the history its last expiry, which
// the version after it has.
func correctExpiry(row *kv.Row, newer *meta) {
	if newer.hasPrev && newer.row.KeptPrev() == row.Revision {
		row.Expires = newer.prevExpires
	}
}

// rowAt decodes the version the iterator stands at. What it returns is valid
// until the iterator moves.
func rowAt(it *pebble.Iterator) (m meta, value, block []byte, err error) {
	data, err := it.ValueAndErr()
	if err != nil {
		return m, nil, nil, err
	}
	m, value, block, ok := decodeRow(data)
	if !ok {
		return m, nil, nil, corrupt(it.Key(), "version")
	}
	return m, value, block, nil
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
	_, value, _, err := rowAt(it)
	return string(value), err
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
