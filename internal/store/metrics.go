package store

// Metrics is what a store can tell about itself.
type Metrics struct {
	DiskBytes            int64 // all files
	Rows                 int64 // keys with a row, tombstones and expired ones included
	MemTableBytes        int64 // not yet flushed, in whole memtables
	CacheBytes           int64 // cached blocks
	CacheHits            int64 // since Open
	CacheMisses          int64
	Flushes              int64 // since Open
	Compactions          int64 // since Open
	CompactionDebtBytes  int64 // estimate of what is left to compact
	Sublevels            int64 // layers of young tables; writers wait above 24
	Stalls               int64 // times writers had to wait for the disk, since Open
	Tables               int64
	FilterHits           int64 // lookups that a bloom filter spared, since Open
	FilterMisses         int64
	Results, ResultBytes int64 // of idempotency keys
}

// Metrics returns the numbers of this moment; all are zero after Close.
func (s *Store) Metrics() Metrics {
	if !s.life.begin() {
		return Metrics{}
	}
	defer s.life.done()
	p := s.db.Metrics()
	m := Metrics{
		DiskBytes:           int64(p.DiskSpaceUsage()),
		MemTableBytes:       int64(p.MemTable.Size),
		CacheBytes:          p.BlockCache.Size,
		CacheHits:           p.BlockCache.Hits,
		CacheMisses:         p.BlockCache.Misses,
		Flushes:             p.Flush.Count,
		Compactions:         p.Compact.Count,
		CompactionDebtBytes: int64(p.Compact.EstimatedDebt),
		Sublevels:           int64(p.Levels[0].Sublevels),
		Stalls:              s.room.stalls.Load(),
		FilterHits:          p.Filter.Hits,
		FilterMisses:        p.Filter.Misses,
	}
	m.Results, m.ResultBytes = s.Results()
	for i := range p.Levels {
		m.Tables += p.Levels[i].TablesCount
	}
	s.groupsMu.RLock()
	defer s.groupsMu.RUnlock()
	for _, g := range s.groups {
		m.Rows += g.rows
	}
	return m
}
