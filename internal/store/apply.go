package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// Bounds of one batch. They keep what Pebble has to take in one piece, old
// small versions included, below its limit of 4 GiB.
const (
	BatchOpsMax   = 1 << 20
	BatchBytesMax = 256 << 20 // keys, values and results
)

// Bounds of the memory kept between two calls of Apply.
const (
	overlayMax = 1 << 12 // keys
	scratchMax = 1 << 20 // bytes
)

// applier is the state of the one writer. What is not a result of the batch at
// hand is scratch, kept to save allocations.
type applier struct {
	store   *Store
	w       *pebble.Batch
	time    hlc.Timestamp // of the batch
	horizon hlc.Timestamp
	rows    int64
	// touchedLarge is set once the expiry of any large version has changed.
	// From then on the stored row of a key may have more in it than a hint
	// (meta.touched, meta.hasPrev), and lookup reads it.
	touchedLarge bool

	// overlay has what the earlier operations of the batch left, for a batch in
	// which the hints of some do not say it.
	overlay map[string]version
	results map[string]writtenResult // by the batch
	totals  resultTotals

	groups map[uint64]group // groups to publish after the commit

	key, head, value []byte
}

// writtenResult is what a batch left of the result of a key.
type writtenResult struct {
	time  hlc.Timestamp
	bytes int64
}

// resultTotals is how many results there are, and about what they take.
type resultTotals struct{ count, bytes int64 }

// resultOverhead is about what two rows take beside keys and result.
const resultOverhead = 112

// ResultBytes is about what the result of an idempotency key takes when it is
// so many bytes long.
func ResultBytes(key string, result int) int64 { return int64(2*len(key) + result + resultOverhead) }

// version is the newest version of a key: none when not exists. Its value,
// when it is not large, is in bytes or in text, of which one is empty.
type version struct {
	meta
	exists  bool
	large   bool
	bytes   []byte // valid until the next lookup
	text    string
	block   []byte // the kept older versions of its block
	scratch bool   // block is valid until the next lookup
	fresh   bool   // this batch wrote H rows of the key, or may have
}

// write runs fill and commits the Pebble batch it filled. Nothing is written
// when it fails or leaves the batch empty.
func (s *Store) write(fill func(w *pebble.Batch) error) error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.done()
	s.writer.Lock()
	defer s.writer.Unlock()
	if err := s.makeRoom(); err != nil {
		return err
	}
	w := s.db.NewBatch()
	defer w.Close()
	a := &s.apply
	a.begin(s, w)
	defer a.end()
	if err := fill(w); err != nil {
		return err
	}
	if w.Empty() {
		return nil
	}
	sorted := s.db.NewBatch()
	defer sorted.Close()
	if s.ordering.sort(w, sorted) {
		w = sorted
	}
	size := w.Len()
	if err := w.Commit(pebble.NoSync); err != nil {
		return s.commitFailed(err)
	}
	if err := s.Err(); err != nil {
		return err // Pebble reports some failures of a commit as fatal only
	}
	s.publish(a)
	s.account(size)
	return nil
}

// commitFailed stops the store: whether the batch can be read is not known.
func (s *Store) commitFailed(err error) error {
	s.fail(fmt.Errorf("commit: %w", err))
	return s.Err()
}

func (s *Store) publish(a *applier) {
	s.horizon.Store(uint64(a.horizon))
	s.touchedLarge = a.touchedLarge
	if totals := a.totals; totals != *s.results.Load() {
		s.results.Store(&totals)
	}
	if len(a.groups) == 0 {
		return
	}
	s.groupsMu.Lock()
	defer s.groupsMu.Unlock()
	for id, g := range a.groups {
		s.groups[id] = &g
	}
}

// group returns what is known of a group, for a writer.
func (s *Store) group(id uint64) *group {
	if g := s.groups[id]; g != nil {
		return g
	}
	return &group{}
}

// Apply applies one entry of the log of a group: its rows and results, the
// applied index and the clock's high-water mark, all in one step. It does not
// wait for the disk. An index at or below the applied one is a no-op (Invariant
// PART-5); gaps between indexes are allowed, and so is a nil batch, for an
// entry that has no effect on rows. A *BatchError leaves the store as it was.
// Strings of the batch are copied; Apply keeps nothing of it.
//
// It waits while too much is not yet on disk.
func (s *Store) Apply(groupID, index uint64, b *kv.Batch) error {
	if b == nil {
		b = &kv.Batch{}
	}
	return s.write(func(w *pebble.Batch) error {
		g := s.group(groupID)
		if index <= g.index {
			return nil
		}
		if op, detail := checkBatch(b); detail != "" {
			return &BatchError{groupID, index, op, detail}
		}
		a := &s.apply
		a.time = b.Time
		overlay := len(b.Ops) > 1 && !a.hinted(b.Ops)
		for i := range b.Ops {
			detail, err := a.op(&b.Ops[i], overlay)
			if err != nil {
				return fmt.Errorf("apply log entry %d of group %d: %w", index, groupID, err)
			}
			if detail != "" {
				return &BatchError{groupID, index, i, detail}
			}
		}
		if err := a.storeResults(b); err != nil {
			return fmt.Errorf("apply log entry %d of group %d: %w", index, groupID, err)
		}
		if old := s.Horizon(); a.horizon != old {
			w.Set(metaKey(metaHorizon, 0), binary.AppendUvarint(nil, uint64(a.horizon)), nil)
		}
		a.advance(w, groupID, group{index: index, time: max(g.time, b.Time), rows: g.rows + a.rows})
		return nil
	})
}

// hinted reports whether the hints of ops are all that is to be known. Who drops
// a history also has to know whether the batch wrote some of it.
func (a *applier) hinted(ops []kv.Op) bool {
	for i := range ops {
		op := &ops[i]
		if op.Kind == kv.Purge || op.Kind == kv.Prune || op.Old == nil || op.Tail == nil || op.Old.Revision >= 0 && !a.trusts(op) {
			return false
		}
	}
	return true
}

// trusts reports whether the hints of op say all there is to know of a key that
// exists.
func (a *applier) trusts(op *kv.Op) bool {
	return len(op.Old.Value) < largeBytes && !a.touchedLarge && op.Tail != nil && op.Tail.Known
}

// checkBatch finds what Apply must not even begin with.
func checkBatch(b *kv.Batch) (op int, detail string) {
	if len(b.Ops) > BatchOpsMax || len(b.Results) > BatchOpsMax {
		return -1, "too many operations"
	}
	size := 0
	for i := range b.Ops {
		o := &b.Ops[i]
		size += len(o.Key) + len(o.Row.Value)
		switch {
		case o.Space != kv.Persistent:
			return i, "not of the persistent space"
		case !validKey(o.Key):
			return i, "bad key"
		case o.Kind < kv.Put || o.Kind > kv.Prune:
			return i, "unknown kind " + o.Kind.String()
		case o.Kind == kv.Put && (o.Row.Revision < 0 || o.Row.Prev < -1 || o.Row.Prev >= o.Row.Revision):
			return i, "revisions out of order"
		case o.Row.Expires < 0:
			return i, "expiry before 1970"
		case o.Row.Deleted && (o.Row.Value != "" || o.Row.Expires != 0):
			return i, "tombstone with a value or an expiry"
		}
	}
	for i := range b.Results {
		r := &b.Results[i]
		size += len(r.Key) + len(r.Result)
		if r.Key == "" || len(r.Key) > KeyBytesMax {
			return -1, "bad idempotency key"
		}
	}
	if size > BatchBytesMax {
		return -1, "too large"
	}
	return 0, ""
}

func (a *applier) begin(s *Store, w *pebble.Batch) {
	a.store, a.w = s, w
	a.horizon, a.rows, a.touchedLarge = s.Horizon(), 0, s.touchedLarge
	a.totals = *s.results.Load()
	if a.overlay == nil {
		a.overlay = make(map[string]version)
	}
	if a.results == nil {
		a.results = make(map[string]writtenResult)
	}
	if a.groups == nil {
		a.groups = make(map[uint64]group)
	}
}

// end forgets everything of the batch. A map that grew large is not kept:
// clearing it takes time in proportion to the largest it ever was.
func (a *applier) end() {
	a.w = nil
	clear(a.groups)
	if len(a.results) > overlayMax {
		a.results = nil
	}
	if len(a.overlay) > overlayMax {
		a.overlay = nil
	}
	clear(a.results)
	clear(a.overlay)
	if cap(a.value) > scratchMax {
		a.value = nil
	}
}

// advance writes the applied row of a group and publishes it at the commit.
func (a *applier) advance(w *pebble.Batch, id uint64, g group) {
	a.value = appendApplied(a.value[:0], &g)
	w.Set(metaKey(metaApplied, id), a.value, nil)
	a.groups[id] = g
}

// op applies one operation. A detail refuses the batch.
func (a *applier) op(op *kv.Op, overlay bool) (detail string, err error) {
	old, err := a.lookup(op)
	if err != nil {
		return "", err
	}
	next := old
	switch op.Kind {
	case kv.Put:
		prev := int64(-1)
		if old.exists {
			prev = old.row.Revision
		}
		if op.Row.Prev != prev {
			return fmt.Sprintf("revision %d is to supersede %d, but %d is the newest", op.Row.Revision, op.Row.Prev, prev), nil
		}
		next = a.put(op, &old)
	case kv.Touch:
		if !old.exists || old.row.Deleted {
			return "", nil
		}
		next.row.Expires = op.Row.Expires
		if next.large {
			next.touched = true
			a.distrustHints()
		}
		a.setRow(op.Key, &next)
	case kv.Purge:
		if !old.exists {
			return "", nil
		}
		a.key = appendRowKey(a.key[:0], prefixRow, op.Key)
		a.w.Delete(a.key, nil)
		if err := a.dropHistory(op.Key, &old, old.row.Revision+1); err != nil {
			return "", err
		}
		if old.marked {
			a.w.Delete(appendHistoryPrefix(nil, op.Key), nil)
		}
		a.horizon = max(a.horizon, endOfLife(&old.row, a.time))
		a.rows--
		next = version{fresh: true}
	case kv.Prune:
		if !old.exists {
			return "", nil
		}
		if err := a.prune(op.Key, &next, min(op.Row.Revision, old.row.Revision)); err != nil {
			return "", err
		}
	}
	a.moveDying(op.Key, &old, &next)
	if op.Tail != nil {
		keepTail(op.Tail, &next)
	}
	if overlay {
		if len(next.bytes) > 0 { // of the scratch buffer
			next.text, next.bytes = string(next.bytes), nil
		}
		if next.scratch {
			next.block, next.scratch = bytes.Clone(next.block), false
		}
		a.overlay[op.Key] = next
	}
	return "", nil
}

// keepTail leaves in t what the next operation on the key has to know.
func keepTail(t *kv.Tail, v *version) {
	t.Known, t.Singles, t.Marked = true, v.singles, v.marked
	if v.scratch {
		t.Block = append(t.Block[:0], v.block...)
	} else {
		t.Block = v.block
	}
}

// distrustHints notes for good that a large version was touched.
func (a *applier) distrustHints() {
	if !a.touchedLarge {
		a.touchedLarge = true
		a.w.Set(metaKey(metaTouched, 0), nil, nil)
	}
}

// endOfLife returns the time from which on a purged key was absent anyway.
func endOfLife(r *kv.Row, batch hlc.Timestamp) hlc.Timestamp {
	switch {
	case r.Deleted:
		return r.Modified
	case r.Expires != 0:
		return max(r.Modified, min(batch, hlc.At(r.Expires)))
	}
	return max(r.Modified, batch)
}

// lookup returns the newest version of the key of op.
func (a *applier) lookup(op *kv.Op) (version, error) {
	if v, ok := a.overlay[op.Key]; ok {
		return v, nil
	}
	if old := op.Old; old != nil {
		switch {
		case old.Revision < 0:
			return version{}, nil
		case a.trusts(op):
			v := version{meta: meta{row: *old, singles: op.Tail.Singles, marked: op.Tail.Marked}, exists: true, text: old.Value, block: op.Tail.Block}
			v.row.Value = ""
			return v, nil
		}
	}
	a.key = appendRowKey(a.key[:0], prefixRow, op.Key)
	data, closer, err := a.store.db.Get(a.key)
	if err == pebble.ErrNotFound {
		return version{}, nil
	}
	if err != nil {
		return version{}, err
	}
	a.value = append(a.value[:0], data...)
	if err := closer.Close(); err != nil {
		return version{}, err
	}
	m, value, block, ok := decodeRow(a.value)
	if !ok {
		return version{}, corrupt(a.key, "version")
	}
	return version{meta: m, exists: true, large: m.apart, bytes: value, block: block, scratch: true}, nil
}

// put writes a new newest version and settles what becomes of the old one.
func (a *applier) put(op *kv.Op, old *version) version {
	next := version{
		meta:   meta{row: op.Row},
		exists: true,
		large:  len(op.Row.Value) >= largeBytes,
		text:   op.Row.Value,
		fresh:  old.fresh,
	}
	next.row.Value = ""
	next.block, next.scratch, next.singles, next.marked = old.block, old.scratch, old.singles, old.marked
	if old.exists {
		next.row.Supersede(&old.row)
		a.supersede(op.Key, old, &next)
	} else {
		next.row.Supersede(&kv.Row{Revision: -1})
		a.rows++
	}
	if next.large {
		single := version{meta: meta{row: next.row, hasPrev: next.hasPrev, prevExpires: next.prevExpires}, text: next.text}
		a.setHistory(op.Key, &single)
		next.apart, next.text = true, ""
		next.fresh, next.singles = true, true
	}
	a.setRow(op.Key, &next)
	return next
}

// supersede moves old into the history, or drops it, for next to be the newest
// version, and drops what that pushes out of the history.
func (a *applier) supersede(key string, old, next *version) {
	kept := !old.row.NoRev && a.store.keeps(old.row.Revision, next.row.Revision)
	switch {
	case kept && old.large:
		if old.touched {
			next.hasPrev, next.prevExpires = true, old.row.Expires
		}
		next.fresh = true
	case kept && len(old.bytes)+len(old.text) <= smallBytes:
		next.block = appendKept(next.block, old)
	case kept:
		a.setHistory(key, old)
		next.fresh, next.singles = true, true
	case old.large:
		a.deleteHistory(key, old.row.Revision)
	}
	if len(next.block) > 0 && blockOf(next.row.Revision) != blockOf(old.row.Revision) {
		a.setBlock(key, old.row.Revision, next.block)
		next.block, next.fresh = next.block[:0], true
	}
	if len(next.block) > 0 && !next.marked {
		a.key = appendHistoryPrefix(a.key[:0], key)
		a.w.Set(a.key, nil, nil)
		next.marked = true
	}
	if old.row.NoRev {
		// next follows the same kept version as old did, and answers for it.
		next.hasPrev, next.prevExpires = old.hasPrev, old.prevExpires
	}
	a.dropOutdated(key, old.row.Revision, next)
}

// keeps reports whether a revision is kept next to a newest one.
func (s *Store) keeps(revision, newest int64) bool {
	return s.history < 0 || revision > newest-s.history
}

func (a *applier) setRow(key string, v *version) {
	a.key = appendRowKey(a.key[:0], prefixRow, key)
	var more byte
	if v.singles {
		more |= moreSingle
	}
	if v.marked {
		more |= moreMarked
	}
	if len(v.block) > 0 {
		more |= moreBlock
	}
	a.head = appendMeta(a.head[:0], &v.meta, more)
	if len(v.block) > 0 {
		a.head = binary.AppendUvarint(a.head, uint64(len(v.bytes)+len(v.text)))
	}
	a.set(v, v.block)
}

func (a *applier) setHistory(key string, v *version) {
	a.key = appendHistoryKey(a.key[:0], key, v.row.Revision)
	a.head = appendMeta(a.head[:0], &v.meta, 0)
	a.set(v, nil)
}

func (a *applier) deleteHistory(key string, revision int64) {
	a.key = appendHistoryKey(a.key[:0], key, revision)
	a.w.Delete(a.key, nil)
}

func (a *applier) setBlock(key string, revision int64, block []byte) {
	a.key = appendBlockKey(a.key[:0], key, revision)
	a.w.Set(a.key, block, nil)
}

func (a *applier) deleteBlock(key string, revision int64) {
	a.key = appendBlockKey(a.key[:0], key, revision)
	a.w.Delete(a.key, nil)
}

// set writes a version under a.key, straight into the batch: a.head, its value,
// and what is behind it.
func (a *applier) set(v *version, behind []byte) {
	op := a.w.SetDeferred(len(a.key), len(a.head)+len(v.bytes)+len(v.text)+len(behind))
	copy(op.Key, a.key)
	n := copy(op.Value, a.head)
	n += copy(op.Value[n:], v.bytes)
	n += copy(op.Value[n:], v.text)
	copy(op.Value[n:], behind)
	op.Finish()
}

// moveDying keeps the X row of a key in step with its newest version.
func (a *applier) moveDying(key string, old, next *version) {
	was, had := int64(0), false
	if old.exists {
		was, had = dyingAt(&old.row)
	}
	is, has := int64(0), false
	if next.exists {
		is, has = dyingAt(&next.row)
	}
	if had == has && was == is {
		return
	}
	if had {
		a.key = appendDyingKey(a.key[:0], was, key)
		a.w.Delete(a.key, nil)
	}
	if has {
		a.key = appendDyingKey(a.key[:0], is, key)
		a.w.Set(a.key, nil, nil)
	}
}

// storeResults forgets and remembers results.
func (a *applier) storeResults(b *kv.Batch) error {
	if err := a.forget(b.Forget); err != nil {
		return err
	}
	for i := range b.Results {
		r := &b.Results[i]
		if err := a.overwrite(r.Key, b.Forget); err != nil {
			return err
		}
		a.key = appendResultKey(a.key[:0], r.Key)
		a.value = appendResult(a.value[:0], r)
		a.w.Set(a.key, a.value, nil)
		a.key = appendAgeKey(a.key[:0], uint64(r.Time), r.Key)
		a.value = binary.AppendUvarint(a.value[:0], uint64(len(r.Result)))
		a.w.Set(a.key, a.value, nil)
		size := ResultBytes(r.Key, len(r.Result))
		a.results[r.Key] = writtenResult{r.Time, size}
		a.totals.count++
		a.totals.bytes += size
	}
	if a.totals != *a.store.results.Load() {
		a.value = binary.AppendUvarint(a.value[:0], uint64(a.totals.count))
		a.value = binary.AppendUvarint(a.value, uint64(a.totals.bytes))
		a.w.Set(metaKey(metaResults, 0), a.value, nil)
	}
	return nil
}

// forget removes the results of a period (Invariant IDEM-1). Their J rows tell all
// there is to know of them.
func (a *applier) forget(p kv.Period) error {
	if p.From >= p.To {
		return nil
	}
	return a.store.eachResult(p, func(key []byte, it *pebble.Iterator) (bool, error) {
		size, n := binary.Uvarint(it.Value())
		a.key = append(append(a.key[:0], prefixResult), key...)
		if n != len(it.Value()) || n == 0 {
			// Written before J rows told the length.
			data, err := a.store.read(a.key)
			if err != nil {
				return false, err
			}
			r, ok := decodeResult(data)
			if !ok {
				return false, corrupt(a.key, "result")
			}
			size = uint64(len(r.Result))
		}
		a.w.Delete(a.key, nil)
		a.w.Delete(it.Key(), nil)
		a.totals.count--
		a.totals.bytes -= ResultBytes(string(key), int(size))
		return true, nil
	})
}

// overwrite removes the J row of the result a key has, if any, and takes the
// result off the totals. The results of the period are gone.
func (a *applier) overwrite(key string, gone kv.Period) error {
	old, ok := a.results[key]
	if !ok {
		k := appendResultKey(nil, key)
		data, err := a.store.read(k)
		if err != nil {
			return err
		}
		if data == nil {
			return nil
		}
		r, ok := decodeResult(data)
		if !ok {
			return corrupt(k, "result")
		}
		if gone.Has(r.Time) {
			return nil
		}
		old = writtenResult{r.Time, ResultBytes(key, len(r.Result))}
	}
	a.totals.count--
	a.totals.bytes -= old.bytes
	a.key = appendAgeKey(a.key[:0], uint64(old.time), key)
	a.w.Delete(a.key, nil)
	return nil
}
