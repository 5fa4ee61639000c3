package partition

import (
	"errors"
	"runtime"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
	"kahuna/script"
)

// slowRead is the part of a slow transaction that the executor adds: reads
// take the mutex one by one, and those without a lock are remembered.
type slowRead struct {
	sleep func(ms int64) (now int64, err error)
	// poll lets others go on, and returns why the run is to stop, or nil. It is
	// told how many bytes the run has brought into memory since the last time.
	poll  func(made int64) error
	made  int64
	check *check // of a run that has read much
	loads int    // rows read one by one
	// rowsMax, when not 0, is how many rows a read of the past may visit.
	rowsMax int
	reads   map[lockKey]readMark
	row     kv.Row // what was read last: under the mutex it may change
	// session is set in an interactive transaction.
	session *Session
	// leases are live rows that end, see touch.go.
	leases leases
	// more is what to lock in the next run, if this one does not validate,
	// besides what was read.
	more LockSet
}

// loadsYield is after how many rows, read one by one, a run outside the executor
// lets others run: who got the mutex after it may wait for its processor.
const loadsYield = 8

// madeMost is how many bytes a run outside the executor may bring into memory
// before it accounts for them.
const madeMost = 64 << 10

// wanted returns what to lock in the next run.
func (r *slowRead) wanted() LockSet {
	for k, m := range r.reads {
		r.more.AddPoint(Point{k.space, k.key, m.write})
	}
	return r.more
}

// unlocked reports whether FaultNoLocks keeps the locks away.
func (r *slowRead) unlocked(p *Partition) bool {
	return p.faulty(FaultNoLocks) && r.session != nil && r.session.holder != nil
}

// readMark is what an unlocked read saw.
type readMark struct {
	rev      int64
	modified hlc.Timestamp
	expires  int64
	live     bool
	write    bool // it was read for writing it
}

// same reports whether m saw what o saw.
func (m readMark) same(o readMark) bool {
	m.write = o.write
	return m == o
}

func mark(row *kv.Row, now int64) readMark {
	return readMark{rev: row.Revision, modified: row.Modified, expires: row.Expires, live: row.Revision >= 0 && row.Live(now)}
}

// noRow is what is read of a key without a row.
var noRow = kv.Row{Revision: -1, Prev: -1}

// latest returns the newest version of key, Revision -1 when it has no row. It
// must not be changed, and is valid until the next call of tx.
func (tx *Tx) latest(space kv.Space, key string, write bool) (*kv.Row, error) {
	if tx.slow != nil {
		row, err := tx.latestSlow(space, key, write)
		tx.slow.row = row
		return &tx.slow.row, err
	}
	if len(tx.p.locks.active) > 0 && tx.p.locks.lockedByOther(tx.ticket, space, key, write) {
		tx.blocked.AddPoint(Point{space, key, write})
		return &noRow, errLocked
	}
	if c := tx.seenCell(space, key); c != nil {
		return c.newest(), nil
	}
	return tx.load(space, key)
}

func (tx *Tx) latestSlow(space kv.Space, key string, write bool) (kv.Row, error) {
	if s := tx.slow.session; s != nil {
		if err := s.lockFor(&LockSet{Points: []Point{{space, key, write}}}); err != nil {
			return kv.Row{}, err
		}
	}
	if err := tx.pace(); err != nil {
		return kv.Row{}, err
	}
	row, unlocked, err := tx.loadSlow(space, key, write)
	if !unlocked {
		return row, err
	}
	if err != nil {
		if err == errRestart {
			tx.slow.more.AddPoint(Point{space, key, write})
		}
		return row, err
	}
	k, m := lockKey{space, key}, mark(&row, tx.now)
	seen, ok := tx.slow.reads[k]
	m.write = write || ok && seen.write
	tx.slow.reads[k] = m
	if ok && !seen.same(m) {
		return row, errRestart
	}
	return row, nil
}

// pace lets others go on between two reads of a run outside the executor. It
// returns why the run is to stop, or nil.
func (tx *Tx) pace() error {
	if tx.slow.loads++; tx.slow.loads%loadsYield == 0 {
		runtime.Gosched()
	}
	if tx.slow.made >= madeMost {
		if err := tx.poll(); err != nil {
			return err
		}
	}
	tx.p.giveWay()
	return nil
}

// loadSlow reads the newest version outside the executor. unlocked says that
// key is not locked for it; it fails with errRestart where somebody else has it
// locked.
func (tx *Tx) loadSlow(space kv.Space, key string, write bool) (row kv.Row, unlocked bool, err error) {
	p := tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.runnableIn(tx.term); err != nil {
		return noRow, false, err
	}
	if space == kv.Persistent && p.rows[key] == nil {
		tx.slow.made += int64(cellOverhead + len(key))
		p.fetch(key)
	}
	if tx.ticket.covers(space, key, write) || tx.slow.unlocked(p) {
		row, err := tx.load(space, key)
		if err == nil && !tx.ticket.covers(space, key, true) {
			tx.borrow(space, key, row)
		}
		return *row, false, err
	}
	if tx.slow.session == nil && p.locks.lockedByOther(tx.ticket, space, key, write) {
		return kv.Row{}, true, errRestart
	}
	newest, err := tx.load(space, key)
	return *newest, true, err
}

// seenMax is how many cells a transaction remembers: a script that writes what
// it has read finds them without another look into the maps.
const seenMax = 4

// see remembers c, which is in its map. A transaction does so that has the
// mutex all the time, or c could be another one's meanwhile.
func (tx *Tx) see(c *cell) {
	if tx.seen < seenMax && tx.p.opts.Faults == 0 {
		tx.cells[tx.seen] = c
		tx.seen++
	}
}

// seenCell returns the cell of key if tx remembers it. One that was evicted since
// still shows what it did: nobody else has written meanwhile.
func (tx *Tx) seenCell(space kv.Space, key string) *cell {
	for _, c := range tx.cells[:tx.seen] {
		if c.key == key && c.space == space {
			return c
		}
	}
	return nil
}

// newest returns the newest version, Revision -1 when there is none.
func (c *cell) newest() *kv.Row {
	if !c.exists {
		return &noRow
	}
	return &c.row
}

// load reads the newest version under the mutex. It must not be changed.
func (tx *Tx) load(space kv.Space, key string) (*kv.Row, error) {
	p := tx.p
	if space == kv.Ephemeral {
		c := p.eph.cells[key]
		if c == nil {
			if tx.slow == nil {
				p.touchElsewhere(tx.ts)
			}
			return &noRow, nil
		}
		if tx.slow == nil {
			c.touch(tx.ts)
			tx.see(c)
		}
		c.used = true
		tx.dep = max(tx.dep, c.seq)
		return &c.row, nil
	}
	if tx.fetch && tx.slow == nil && p.rows[key] == nil && p.opts.Faults == 0 {
		return &noRow, tx.miss(need{key: key})
	}
	misses := p.stats.CacheMisses
	c, err := p.cell(key)
	if err != nil {
		return &noRow, err
	}
	if p.stats.CacheMisses != misses && tx.slow == nil {
		if tx.misses++; tx.misses > p.opts.FastMisses {
			return &noRow, script.ErrSlowPath
		}
	}
	if tx.slow == nil {
		if c.counted || c.seq > p.applied {
			c.touch(tx.ts)
			tx.see(c)
		} else {
			p.touchElsewhere(tx.ts) // too large for the cache
		}
	}
	if c.seq > p.applied && p.faulty(FaultStaleRead) {
		row, ok, err := p.store.Get(key)
		if err == nil && !ok {
			row = noRow
		}
		return &row, err
	}
	tx.dep = max(tx.dep, c.seq)
	return c.newest(), nil
}

// fetch brings a row into the cache, unless it has a cell, and lets go of the
// mutex while it reads the store. It does not say when it fails: who needs the
// row will. Held: mu.
func (p *Partition) fetch(key string) {
	if p.rows[key] != nil {
		return // by now; what the store has may be older
	}
	id := p.beginFetch(key)
	p.mu.Unlock()
	c := newCell(kv.Persistent, key)
	var err error
	c.row, c.exists, err = p.store.Load(key, &c.tail)
	p.mu.Lock()
	p.endFetch(c, id, err)
}

// beginFetch notes that the row of a key without a cell is about to be read.
func (p *Partition) beginFetch(key string) (id uint64) {
	p.fetches++
	id, ok := p.fetching[key]
	if !ok {
		id = p.fetches
		p.fetching[key] = id
	}
	return id
}

// endFetch takes what was read, unless it may be outdated.
//
// Invariant PART-7: what was read of the store without the mutex comes into the
// cache only when the key had no cell before, and got none since: whatever
// changes a row makes one, or ends its fetch, as a Prune does when it is ordered
// and when it is applied.
func (p *Partition) endFetch(c *cell, id uint64, err error) {
	p.stats.CacheMisses++
	switch {
	case p.fetching[c.key] != id:
	case err != nil:
		delete(p.fetching, c.key)
	default:
		p.fill(c)
	}
}

// fill puts a cell with what the store has of a key into the cache. Held: mu.
func (p *Partition) fill(c *cell) *cell {
	if _, ok := p.pruning[c.key]; ok {
		c.tail = kv.Tail{}
	}
	p.insert(c)
	p.recent.add(c)
	p.evict()
	return c
}

// insert adds the cell of a persistent key that has none. From here on the key
// may be written, which makes what is being fetched of it void: the cell may be
// gone again when the fetch is done.
func (p *Partition) insert(c *cell) {
	p.rows[c.key] = c
	if len(p.fetching) > 0 {
		delete(p.fetching, c.key)
	}
}

// cell returns the cell of a persistent key, from the store if need be.
func (p *Partition) cell(key string) (*cell, error) {
	if c := p.rows[key]; c != nil {
		p.stats.CacheHits++
		c.used = true
		return c, nil
	}
	p.stats.CacheMisses++
	c := newCell(kv.Persistent, key)
	var err error
	if c.row, c.exists, err = p.store.Load(key, &c.tail); err != nil {
		return nil, storageError(err)
	}
	return p.fill(c), nil
}

func storageError(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return &script.Error{Code: script.CodeCorrupt, Message: "the store can not be read: " + err.Error(), Err: err,
			Hint: "nothing was changed; restore the directory from a backup"}
	}
	return &script.Error{Code: script.CodeStorage, Message: "the store can not be read: " + err.Error(), Err: err,
		Hint: "nothing was changed; see the disk and the log of the process"}
}

// poll lets others go on, and returns why the run is to stop, or nil.
func (tx *Tx) poll() error {
	if tx.slow == nil || tx.slow.poll == nil {
		return nil
	}
	made := tx.slow.made
	tx.slow.made = 0
	return tx.slow.poll(made)
}

// validate reports whether everything that was read without a lock is still
// so at commit, and locked by nobody.
//
// Invariant PART-6: nor has time overtaken the run.
func (tx *Tx) validate(commit hlc.Timestamp) (bool, error) {
	p := tx.p
	if p.faulty(FaultNoValidation) {
		return true, nil
	}
	if c := tx.slow.check; c != nil {
		if !c.holds(commit) {
			return false, nil
		}
		for i := range tx.writes {
			k := lockKey{tx.writes[i].space, tx.writes[i].key}
			if seen, ok := tx.slow.reads[k]; ok {
				if ok, err := tx.validateKey(k, seen, commit); !ok {
					return false, err
				}
			}
		}
	} else {
		for k, seen := range tx.slow.reads {
			if ok, err := tx.validateKey(k, seen, commit); !ok {
				return false, err
			}
		}
	}
	return !tx.outlived(commit.Millis()), nil
}

func (tx *Tx) validateKey(k lockKey, seen readMark, at hlc.Timestamp) (bool, error) {
	p := tx.p
	w := tx.own(k.space, k.key)
	if w != nil && p.faulty(FaultLostUpdate) {
		return true, nil
	}
	if p.locks.lockedByOther(tx.ticket, k.space, k.key, w != nil) {
		return false, nil
	}
	row, err := tx.load(k.space, k.key)
	if err != nil {
		return false, err
	}
	return seen.same(mark(row, at.Millis())) && !tx.overtaken(k, row, w != nil), nil
}
