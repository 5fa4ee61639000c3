package store

import (
	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/kv"
)

// Scan calls visit for the newest version of every key, deleted and expired
// ones included, of the bucket text (exactly those of kv.InBucket), or, with
// prefix, of every key that begins with text; an empty prefix is every key.
// They come in the order of (bucket, rest) and are of one moment. An error of
// visit ends the scan and is returned as it is.
func (s *Store) Scan(prefix bool, text string, visit func(key string, row kv.Row) error) (err error) {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	spans := rowSpans(prefix, text)
	opts := &pebble.IterOptions{LowerBound: spans[0].low, UpperBound: spans[len(spans)-1].high}
	it, err := s.db.NewIter(opts)
	if err != nil {
		return readError(err)
	}
	defer closing(it, &err)
	large := largeValues{of: it}
	defer closing(&large, &err)
	for _, r := range spans {
		// Between the two ranges of a prefix lie foreign buckets.
		for it.SeekGE(r.low); it.Valid() && string(it.Key()) < string(r.high); it.Next() {
			if err := s.visitRow(it, &large, visit); err != nil {
				return err
			}
		}
		if err := it.Error(); err != nil {
			return readError(err)
		}
	}
	return nil
}

func (s *Store) visitRow(it *pebble.Iterator, large *largeValues, visit func(string, kv.Row) error) error {
	m, value, _, err := rowAt(it)
	if err != nil {
		return readError(err)
	}
	key, ok := decodeRowKey(it.Key())
	if !ok {
		return readError(corrupt(it.Key(), "key"))
	}
	if m.apart {
		m.row.Value, err = large.value(key, m.row.Revision)
		if err != nil {
			return readError(err)
		}
	} else {
		m.row.Value = string(value)
	}
	return visit(key, m.row)
}

// largeValues reads H rows of the same moment as another iterator, with one
// made when the first is needed.
type largeValues struct {
	of, it *pebble.Iterator
}

func (l *largeValues) value(key string, revision int64) (string, error) {
	if l.it == nil {
		it, err := l.of.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{}})
		if err != nil {
			return "", err
		}
		l.it = it
	}
	return valueApart(l.it, key, revision)
}

func (l *largeValues) Close() error {
	if l.it == nil {
		return nil
	}
	return l.it.Close()
}
