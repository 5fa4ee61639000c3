package store

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// memTablesMax is how many memtables' worth of bytes may be in memory
	// before writers wait for a flush.
	memTablesMax = 4
	// sublevelsMax is how many layers of young tables there may be before
	// writers wait for a compaction: each is one more place to look for every
	// reader.
	sublevelsMax = 24
)

// room counts what was written since Pebble was last asked how full it is.
type room struct {
	sinceLook atomic.Int64 // bytes
	stalls    atomic.Int64
}

// account notes the size of a committed batch.
func (s *Store) account(size int) { s.room.sinceLook.Add(int64(size)) }

// makeRoom waits while too much is not yet flushed or compacted. It gives up
// when the store fails or is closed. The caller is the one writer.
func (s *Store) makeRoom() error {
	if err := s.Err(); err != nil {
		return err
	}
	if s.room.sinceLook.Load() < s.memTableBytes/8 {
		return nil
	}
	stalled := false
	for s.full(s.db.Metrics()) {
		if !stalled {
			stalled = true
			s.room.stalls.Add(1)
			s.log.Warn("writes wait for the disk", "dir", s.dir)
		}
		select {
		case <-s.progress:
		case <-s.failed:
			return s.Err()
		case <-s.closing:
			return ErrClosed
		}
	}
	s.room.sinceLook.Store(0)
	return nil
}

func (s *Store) full(m *pebble.Metrics) bool {
	return m.MemTable.Size > uint64(memTablesMax*s.memTableBytes) ||
		m.Levels[0].Sublevels > sublevelsMax
}
