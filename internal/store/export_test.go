package store

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// CompactedBytes compacts everything and returns the size of the tables: what
// the rows take when Pebble has caught up, however busy the machine is.
func (s *Store) CompactedBytes() (int64, error) {
	if err := s.Flush(); err != nil {
		return 0, err
	}
	if err := s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false); err != nil {
		return 0, err
	}
	return int64(s.db.Metrics().Table.Local.LiveSize), nil
}

// ExportChunks is Export with an iterator for about every n bytes.
func (s *Store) ExportChunks(n int, visit func(key, value []byte) error) (Contents, error) {
	return s.export(n, visit)
}

// Tombstones flushes and returns how many deletions of rows and of ranges the
// tables have.
func (s *Store) Tombstones() (n uint64, err error) {
	if err := s.Flush(); err != nil {
		return 0, err
	}
	levels, err := s.db.SSTables(pebble.WithProperties())
	for _, tables := range levels {
		for _, t := range tables {
			n += t.Properties.NumDeletions
		}
	}
	return n, err
}
