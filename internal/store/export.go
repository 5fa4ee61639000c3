package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/hlc"
)

// Contents says what is in a copy of a store's rows.
type Contents struct {
	Index    uint64        // highest applied index of any group
	Time     hlc.Timestamp // highest clock reading of any group
	Rows     int64         // keys, deleted and expired ones included
	Versions int64         // rows and their history, with what is beyond the kept number in their blocks
	Results  int64         // results of idempotency keys
}

// iteratorBytes is how much Export reads through one iterator, which keeps the
// memtables and the files it began with.
const iteratorBytes = 64 << 20

// Export calls visit for everything in the store as it is at one moment, after
// some Apply and before the next: all rows as they are on Pebble, in ascending
// order of their keys. Writers are not held up; what they supersede meanwhile
// stays on disk until Export returns. The slices are valid during the call of
// visit only. It returns ErrCorrupt for a row that Build would refuse. An error
// of visit ends it and is returned as it is.
func (s *Store) Export(visit func(key, value []byte) error) (Contents, error) {
	return s.export(iteratorBytes, visit)
}

func (s *Store) export(chunk int, visit func(key, value []byte) error) (c Contents, err error) {
	if !s.life.begin() {
		return Contents{}, ErrClosed
	}
	defer s.life.done()
	snapshot := s.db.NewSnapshot()
	defer closing(snapshot, &err)
	var t tally
	var next []byte
	for first := true; first || next != nil; first = false {
		if next, err = exportFrom(snapshot, next, chunk, &t, visit); err != nil {
			return Contents{}, err
		}
	}
	return t.contents(), nil
}

// exportFrom visits rows from a key on, about chunk bytes of them, and returns
// where to go on, nil at the end.
func exportFrom(snapshot *pebble.Snapshot, from []byte, chunk int, t *tally, visit func(key, value []byte) error) (next []byte, err error) {
	it, err := snapshot.NewIter(&pebble.IterOptions{LowerBound: from})
	if err != nil {
		return nil, readError(err)
	}
	defer closing(it, &err)
	size := 0
	for it.First(); it.Valid(); it.Next() {
		if size > chunk {
			return append([]byte{}, it.Key()...), nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, readError(err)
		}
		if err := t.add(it.Key(), value); err != nil {
			return nil, readError(err)
		}
		if err := visit(it.Key(), value); err != nil {
			return nil, err
		}
		size += len(it.Key()) + len(value)
	}
	return nil, readError(it.Error())
}

// tally checks rows one by one, and counts them.
type tally struct {
	sum   Contents
	apart int64 // rows whose value is in an H row of their own
}

// contents returns what was counted.
func (t *tally) contents() Contents {
	c := t.sum
	// An H row of the newest version itself is not history (STORE-4).
	c.Versions += c.Rows - t.apart
	return c
}

// add returns ErrCorrupt when the store could not read the row.
func (t *tally) add(key, value []byte) error {
	ok := false
	switch key[0] {
	case prefixRow:
		t.sum.Rows++
		m, _, block, good := decodeRow(value)
		if m.apart {
			t.apart++
		}
		_, ok = decodeRowKey(key)
		n, sound := checkBlock(block, blockOf(m.row.Revision))
		t.sum.Versions += int64(n)
		ok = ok && good && sound
	case prefixHistory:
		ok = t.addHistory(key, value)
	case prefixDying:
		ok = len(key) > dyingHead
	case prefixResult:
		t.sum.Results++
		_, ok = decodeResult(value)
	case prefixAge:
		ok = len(key) > ageHead
	case prefixMeta:
		return t.addMeta(key, value)
	}
	if !ok {
		return corrupt(key, "not as it should be")
	}
	return nil
}

// addHistory reports whether an H row is sound.
func (t *tally) addHistory(key, value []byte) bool {
	rowKey, end, ok := splitHistoryKey(key)
	if _, sound := decodeRowKey(rowKey); !ok || !sound {
		return false
	}
	if len(end) == 0 {
		return len(value) == 0
	}
	revision, block, ok := splitRevision(end)
	if !ok {
		return false
	}
	if block {
		n, ok := checkBlock(value, blockOf(revision))
		t.sum.Versions += int64(n)
		return ok && n > 0
	}
	t.sum.Versions++
	m, _, _, ok := decodeRow(value)
	return ok && m.row.Revision == revision
}

func (t *tally) addMeta(key, value []byte) error {
	if len(key) < 2 {
		return corrupt(key, "key")
	}
	switch key[1] {
	case metaApplied:
		g, ok := decodeApplied(value)
		if !ok || len(key) != len(metaKey(metaApplied, 0)) {
			return corrupt(key, "applied index")
		}
		t.sum.Index, t.sum.Time = max(t.sum.Index, g.index), max(t.sum.Time, g.time)
	case metaVersion:
		if found, n := binary.Uvarint(value); n != len(value) || found != FormatVersion {
			return corrupt(key, "format version")
		}
	case metaConf, metaStore, metaHorizon, metaNamed, metaTouched, metaResults:
	default:
		return corrupt(key, "of a kind that this program does not know")
	}
	return nil
}

// buildBytes is the size from which Build writes what it was given.
const buildBytes = 1 << 20

// Build makes a store in o.Dir, which must not exist or be empty, from the rows
// of an Export: rows hands all of them to add, in their order. The new store
// begins a history of its own: it has the ID of the options, has applied no log and
// has no membership, and its clock stands where that of the other one did. When Build returns, the
// store is on disk and closed. After an error the directory is of no use.
// Errors of rows are returned as they are.
func Build(o Options, rows func(add func(key, value []byte) error) error) (c Contents, err error) {
	return build(o, false, rows)
}

// Continue is Build of a store that goes on where the other one was: it has
// applied as much of the logs, and has their memberships. It is what is
// installed of a snapshot.
func Continue(o Options, rows func(add func(key, value []byte) error) error) (c Contents, err error) {
	return build(o, true, rows)
}

func build(o Options, goOn bool, rows func(add func(key, value []byte) error) error) (c Contents, err error) {
	s, err := Open(o)
	if err != nil {
		return Contents{}, err
	}
	defer closing(s, &err)
	b := builder{store: s, goOn: goOn, batch: s.db.NewBatch()}
	defer func() { err = errors.Join(err, b.batch.Close()) }()
	if len(s.groups) > 0 {
		return Contents{}, fmt.Errorf("build store: %s has rows", o.Dir)
	}
	if err := rows(b.add); err != nil {
		return Contents{}, err
	}
	if err := b.commit(); err != nil {
		return Contents{}, err
	}
	return b.tally.contents(), s.Flush()
}

// builder writes rows to a new store.
type builder struct {
	store *Store
	goOn  bool // in the logs of the other store
	batch *pebble.Batch
	tally tally
}

func (b *builder) add(key, value []byte) error {
	if len(key) == 0 {
		return corrupt(key, "no key")
	}
	if err := b.tally.add(key, value); err != nil {
		return err
	}
	if key[0] == prefixMeta {
		switch key[1] {
		case metaVersion, metaStore:
			return nil // the store has its own
		case metaConf:
			if !b.goOn {
				return nil
			}
		case metaApplied:
			if !b.goOn {
				g, _ := decodeApplied(value)
				g.index = 0
				value = appendApplied(nil, &g)
			}
		}
	}
	if err := b.batch.Set(key, value, nil); err != nil {
		return err
	}
	if b.batch.Len() < buildBytes {
		return nil
	}
	return b.commit()
}

func (b *builder) commit() error {
	if err := b.store.makeRoom(); err != nil {
		return err
	}
	size := b.batch.Len()
	if err := b.batch.Commit(pebble.NoSync); err != nil {
		return b.store.commitFailed(err)
	}
	b.store.account(size)
	b.batch.Reset()
	return b.store.Err()
}
