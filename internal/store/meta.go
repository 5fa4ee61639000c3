package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/hlc"
)

// Kinds of R rows.
const (
	metaApplied = 'a' // per group: index, clock, number of rows
	metaConf    = 'c' // per group: membership
	metaHorizon = 'h' // purge horizon
	metaResults = 'i' // number and bytes of the results
	metaNamed   = 'n' // per name: whatever the caller keeps
	metaStore   = 's' // the store's own ID
	metaTouched = 't' // present once a large version was touched
	metaVersion = 'v' // format version
)

func metaKey(kind byte, group uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixMeta, kind}, group)
}

func namedKey(name string) []byte {
	return append([]byte{prefixMeta, metaNamed}, name...)
}

// read returns a copy of the value of a row, nil when there is none.
func (s *Store) read(key []byte) ([]byte, error) { return readFrom(s.db, key) }

// readFrom is read of the store at a moment, or now.
func readFrom(r pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value = append([]byte{}, value...)
	return value, closer.Close()
}

func appendApplied(b []byte, g *group) []byte {
	b = binary.AppendUvarint(b, g.index)
	b = binary.AppendUvarint(b, uint64(g.time))
	return binary.AppendVarint(b, g.rows)
}

func decodeApplied(b []byte) (g group, ok bool) {
	index, n := binary.Uvarint(b)
	if n <= 0 {
		return g, false
	}
	time, k := binary.Uvarint(b[n:])
	if k <= 0 {
		return g, false
	}
	rows, l := binary.Varint(b[n+k:])
	return group{index, hlc.Timestamp(time), rows}, l > 0 && n+k+l == len(b)
}

// eachGroup visits the applied rows that an iterator with the given options
// sees.
func (s *Store) eachGroup(durable bool, visit func(id uint64, g group)) (err error) {
	prefix := []byte{prefixMeta, metaApplied}
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound:                prefix,
		UpperBound:                prefixEnd(prefix),
		OnlyReadGuaranteedDurable: durable,
	})
	if err != nil {
		return err
	}
	defer closing(it, &err)
	for it.First(); it.Valid(); it.Next() {
		g, ok := decodeApplied(it.Value())
		if !ok || len(it.Key()) != len(prefix)+8 {
			return corrupt(it.Key(), "applied index")
		}
		visit(binary.BigEndian.Uint64(it.Key()[len(prefix):]), g)
	}
	return it.Error()
}

func (s *Store) loadGroups() error {
	err := s.eachGroup(false, func(id uint64, g group) { s.groups[id] = &g })
	if err != nil {
		return err
	}
	// Without a log, all that Open finds is in tables.
	s.flushed = make(map[uint64]uint64)
	for id, g := range s.groups {
		s.flushed[id] = g.index
	}
	touched, err := s.read(metaKey(metaTouched, 0))
	if err != nil {
		return err
	}
	s.touchedLarge = touched != nil
	if err := s.loadResults(); err != nil {
		return err
	}
	key := metaKey(metaHorizon, 0)
	value, err := s.read(key)
	if err != nil || value == nil {
		return err
	}
	horizon, n := binary.Uvarint(value)
	if n != len(value) {
		return corrupt(key, "purge horizon")
	}
	s.horizon.Store(horizon)
	return nil
}

func (s *Store) loadResults() error {
	key := metaKey(metaResults, 0)
	value, err := s.read(key)
	if err != nil || value == nil {
		return err
	}
	count, n := binary.Uvarint(value)
	bytes, k := binary.Uvarint(value[max(n, 0):])
	if n <= 0 || k <= 0 || n+k != len(value) {
		return corrupt(key, "number of results")
	}
	s.results.Store(&resultTotals{int64(count), int64(bytes)})
	return nil
}

// Results returns how many results of idempotency keys there are, and about
// how many bytes they take.
func (s *Store) Results() (count, bytes int64) {
	r := s.results.Load()
	return r.count, r.bytes
}

// Applied returns the index of the last log entry of a group that was applied
// and the highest clock reading in it and all before it; zeros for a group
// that never applied one.
func (s *Store) Applied(groupID uint64) (index uint64, hwm hlc.Timestamp, err error) {
	if !s.life.begin() {
		return 0, 0, ErrClosed
	}
	defer s.life.done()
	s.groupsMu.RLock()
	defer s.groupsMu.RUnlock()
	if g := s.groups[groupID]; g != nil {
		return g.index, g.time, nil
	}
	return 0, 0, nil
}

// Horizon returns the purge horizon: every purged key had been deleted or
// expired by then. What a key without a row was before is not known.
func (s *Store) Horizon() hlc.Timestamp { return hlc.Timestamp(s.horizon.Load()) }

// FlushedIndex returns an index such that it and every lower one of the group
// survive a crash without the log (Invariant STORE-2). It is 0 for a group of
// which nothing is flushed.
//
// It is what an iterator reads that sees no memtables, only tables that a
// synced manifest names. Pebble flushes memtables in the order in which they
// were filled and a batch, with the applied index in it, lies in one of them;
// so the index found is that of the last batch that is in the tables, and all
// earlier ones are too. The iterator is opened again only after a flush has
// ended. On an error, and after the failure of the store, when Pebble may take for
// synced what is not (see gatedDir), the last known index stands; it is lower.
func (s *Store) FlushedIndex(groupID uint64) uint64 {
	s.flushedMu.Lock()
	defer s.flushedMu.Unlock()
	// Read the counter first: a flush ending in between is seen next time.
	generation := s.flushes.Load()
	if generation != s.flushedGen && s.life.begin() {
		defer s.life.done()
		found := make(map[uint64]uint64)
		err := s.eachGroup(true, func(id uint64, g group) { found[id] = g.index })
		switch {
		case err != nil:
			s.log.Error("flushed index not readable", "dir", s.dir, "error", err)
		case s.Err() == nil:
			s.flushed, s.flushedGen = found, generation
		}
	}
	return s.flushed[groupID]
}

// Flush writes everything applied so far to the disk and waits for it. It
// fails at once when the store has failed.
func (s *Store) Flush() error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	return s.flush()
}

// BeginFlush is Flush that does not wait. Options.OnFlush tells the end.
func (s *Store) BeginFlush() error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	_, err := s.beginFlush()
	return err
}

func (s *Store) beginFlush() (done <-chan struct{}, err error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	return s.db.AsyncFlush()
}

func (s *Store) flush() error {
	done, err := s.beginFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return s.Err()
	case <-s.failed:
		return s.Err()
	}
}

// ConfState returns the membership of a group as SetConfState stored it, nil
// if it never did.
func (s *Store) ConfState(groupID uint64) ([]byte, error) {
	return s.getMeta(metaKey(metaConf, groupID))
}

// SetConfState stores the membership of a group together with the index of
// the log entry that made it, in one step: a crash leaves both or neither. It
// does nothing when that entry was applied before, like Apply. Index 0 is for
// the membership that a group begins with; it is always stored.
func (s *Store) SetConfState(groupID, index uint64, state []byte) error {
	return s.write(func(w *pebble.Batch) error {
		if index > 0 {
			g := s.group(groupID)
			if index <= g.index {
				return nil
			}
			next := *g
			next.index = index
			s.apply.advance(w, groupID, next)
		}
		return w.Set(metaKey(metaConf, groupID), state, nil)
	})
}

// Meta returns what SetMeta stored under a name, nil if there is nothing. It
// is for what a node remembers about itself. Like everything here it is as
// durable as the last flush.
func (s *Store) Meta(name string) ([]byte, error) { return s.getMeta(namedKey(name)) }

// SetMeta stores a value under a name; nil removes it.
func (s *Store) SetMeta(name string, value []byte) error {
	return s.write(func(w *pebble.Batch) error {
		if value == nil {
			return w.Delete(namedKey(name), nil)
		}
		return w.Set(namedKey(name), value, nil)
	})
}

func (s *Store) getMeta(key []byte) ([]byte, error) {
	if !s.life.begin() {
		return nil, ErrClosed
	}
	defer s.life.done()
	value, err := s.read(key)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	return bytes.Clone(value), nil
}
