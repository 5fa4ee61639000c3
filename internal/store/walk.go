package store

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
)

// Rows is a walk of rows in the order of their keys' bytes, all of the moment
// when it was made. It holds up nobody, but the memtables and files of that
// moment stay until Close, and Store.Close waits for it: it is for one read,
// not to be kept. It may be used by one goroutine at a time.
type Rows struct {
	store       *Store
	walk        *keyorder.Walk
	rows, ahead rowCursor
	large       largeValues
}

// Walk returns a walk of the newest versions of the keys in r, deleted and
// expired ones included, ascending or descending. The cost of it depends on
// what is delivered: see the package keyorder. It must be closed.
func (s *Store) Walk(r keyorder.Range, desc bool) (*Rows, error) {
	low, high := r.Buckets()
	head := []byte{prefixRow, spaceByte}
	bounds := span{append(bytes.Clone(head), low...), prefixEnd(head)}
	if high != "" {
		bounds.high = append(head, high...)
	}
	rows, err := s.openRows(bounds)
	if err != nil {
		return nil, err
	}
	rows.walk = keyorder.New(&rows.rows, &rows.ahead, r, desc)
	return rows, nil
}

// WalkBucket is Walk for those of the keys in r that are in the bucket, as
// kv.InBucket says.
func (s *Store) WalkBucket(bucket string, r keyorder.Range, desc bool) (*Rows, error) {
	rows, err := s.openRows(rowSpans(false, bucket)[0])
	if err != nil {
		return nil, err
	}
	rows.walk = keyorder.NewBucket(&rows.rows, bucket, r, desc)
	return rows, nil
}

func (s *Store) openRows(bounds span) (*Rows, error) {
	if !s.life.begin() {
		return nil, ErrClosed
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: bounds.low, UpperBound: bounds.high})
	if err != nil {
		s.life.done()
		return nil, readError(err)
	}
	r := &Rows{store: s, rows: rowCursor{it: it}, ahead: rowCursor{of: it}, large: largeValues{of: it}}
	return r, nil
}

// Next returns the next key, or ok false at the end. The key is valid until the
// next call. An error ends the walk. It is not called after Close.
func (r *Rows) Next() (key []byte, ok bool, err error) { return r.walk.Next() }

// Row returns the newest version of the key that Next has just returned.
func (r *Rows) Row() (kv.Row, error) {
	m, value, _, err := rowAt(r.rows.it)
	switch {
	case err != nil:
	case m.apart:
		m.row.Value, err = r.large.value(string(r.rows.key), m.row.Revision)
	default:
		m.row.Value = string(value)
	}
	return m.row, readError(err)
}

// Close ends the walk. It must be called once, also after an error, which it may
// return again.
func (r *Rows) Close() error {
	defer r.store.life.done()
	err := errors.Join(r.large.Close(), r.ahead.close(), r.rows.close())
	return readError(err)
}

// rowCursor implements keyorder.Cursor on the L rows within the bounds of an
// iterator, or of a clone that it makes when it is first moved.
type rowCursor struct {
	it, of *pebble.Iterator
	key    []byte
	seek   []byte
	err    error
}

func (c *rowCursor) close() error {
	if c.it == nil {
		return nil
	}
	return c.it.Close()
}

// ready makes the iterator.
func (c *rowCursor) ready() bool {
	if c.it != nil {
		return true
	}
	it, err := c.of.Clone(pebble.CloneOptions{})
	if err != nil {
		c.err = readError(err)
		return false
	}
	c.it = it
	return true
}

// moved reads the key to which the iterator has moved.
func (c *rowCursor) moved(valid bool) bool {
	c.err = nil
	if !valid {
		c.err = readError(c.it.Error())
		return false
	}
	var ok bool
	if c.key, ok = appendKeyOfRow(c.key[:0], c.it.Key()); !ok {
		c.err = readError(corrupt(c.it.Key(), "key"))
	}
	return ok
}

// place returns the Pebble key at a position.
func (c *rowCursor) place(at keyorder.Position) []byte {
	marker := byte(markerBare)
	if at.Slash {
		marker = markerSlash
	}
	c.seek = append(append(c.seek[:0], prefixRow, spaceByte), at.Bucket...)
	c.seek = append(append(c.seek, 0, marker), at.Rest...)
	return c.seek
}

// SeekGE implements keyorder.Cursor.
func (c *rowCursor) SeekGE(at keyorder.Position) bool {
	return c.ready() && c.moved(c.it.SeekGE(c.place(at)))
}

// SeekLT implements keyorder.Cursor.
func (c *rowCursor) SeekLT(at keyorder.Position) bool {
	return c.ready() && c.moved(c.it.SeekLT(c.place(at)))
}

// Last implements keyorder.Cursor.
func (c *rowCursor) Last() bool { return c.ready() && c.moved(c.it.Last()) }

// Next implements keyorder.Cursor.
func (c *rowCursor) Next() bool { return c.moved(c.it.Next()) }

// Prev implements keyorder.Cursor.
func (c *rowCursor) Prev() bool { return c.moved(c.it.Prev()) }

// Key implements keyorder.Cursor.
func (c *rowCursor) Key() []byte { return c.key }

// Err implements keyorder.Cursor.
func (c *rowCursor) Err() error { return c.err }

// appendKeyOfRow appends the key of the L row b.
func appendKeyOfRow(key, b []byte) ([]byte, bool) {
	b = b[min(2, len(b)):]
	i := bytes.IndexByte(b, 0)
	if i < 0 || i+1 >= len(b) {
		return key, false
	}
	bucket, marker, rest := b[:i], b[i+1], b[i+2:]
	key = append(key, bucket...)
	switch marker {
	case markerBare:
		return key, len(rest) == 0
	case markerSlash:
		return append(append(key, '/'), rest...), true
	}
	return key, false
}
