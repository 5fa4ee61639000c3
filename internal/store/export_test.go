package store

import "context"

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
