package store

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// blindMax is up to how many rows are deleted without a look at which of
	// them exist.
	blindMax = 4
	// pointMax is from how many rows on a range is deleted instead of single
	// rows. A deleted range costs all later readers near it a little, a deleted
	// row only its own.
	pointMax = 64
)

// dropOutdated deletes what a step of the newest revision from old to that of
// next pushes out of the kept number: blocks when all of them is out. All that
// was out before the step is gone, so only as much can be concerned as the
// revision grows by: one version, unless a script wrote the key several times.
// Nothing is deleted of norev versions, which left nothing.
func (a *applier) dropOutdated(key string, old int64, next *version) {
	n := a.store.history
	if n < 0 {
		return
	}
	n = max(n, 1)
	newest, kept := next.row.Revision, next.row.KeptPrev()
	from := max(old-n+1, 0) // the oldest revision that can be there
	if first, last := from, min(newest-n, kept, old-1); next.singles && last >= first {
		if last-first >= pointMax {
			a.deleteRange(key, blockOf(last+1))
			first = blockOf(last + 1)
		}
		for rev := first; rev <= last; rev++ {
			a.deleteHistory(key, rev)
		}
	}
	if n == 1 {
		return // no version was ever kept
	}
	first, last := blockOf(from), min(blockOf(newest-n+1)-blockRevisions, blockOf(kept))
	if last-first >= pointMax*blockRevisions {
		a.deleteRange(key, last+blockRevisions)
		return
	}
	for b := first; b <= last; b += blockRevisions {
		a.deleteBlock(key, b)
	}
}

// deleteRange deletes all versions below a revision.
func (a *applier) deleteRange(key string, below int64) {
	a.key = appendHistoryBelow(a.key[:0], key, below)
	end := prefixEnd(appendHistoryPrefix(nil, key))
	a.w.DeleteRange(a.key, end, nil)
}

// dropHistory deletes the versions of a key below a revision, whatever of
// them there is, newest being its newest version: all of them, or whole blocks.
func (a *applier) dropHistory(key string, newest *version, below int64) error {
	revision := newest.row.Revision
	if below <= revision {
		below = blockOf(below)
	}
	// The block of the newest version is in its L row.
	blocks := blockOf(min(below, revision, newest.row.KeptPrev()+blockRevisions)) / blockRevisions
	switch {
	case below <= 0, !newest.singles && blocks == 0:
	case !newest.singles && blocks <= blindMax:
		for b := range blocks {
			a.deleteBlock(key, b*blockRevisions)
		}
	case revision < blindMax: // the large one itself included
		for rev := range revision + 1 {
			a.deleteHistory(key, rev)
		}
	case newest.fresh:
		// The batch has versions that an iterator would not show.
		a.deleteRange(key, below)
	default:
		return a.dropExisting(key, below)
	}
	return nil
}

// prune deletes the versions of a key below a revision, which is not above that
// of v, its newest one, and changes v accordingly.
func (a *applier) prune(key string, v *version, below int64) error {
	first := blockOf(below)
	if err := a.dropHistory(key, v, first); err != nil {
		return err
	}
	if v.singles {
		for rev := first; rev < below; rev++ {
			a.deleteHistory(key, rev)
		}
	}
	if first < blockOf(v.row.Revision) {
		return a.pruneBlock(key, below)
	}
	block, ok := trimBlock(v.block, below)
	switch {
	case !ok:
		return corrupt([]byte(key), "block of versions")
	case len(block) == len(v.block) && (!v.marked || len(block) > 0):
		return nil
	case len(block) == 0 && v.marked:
		v.marked = false
		a.w.Delete(appendHistoryPrefix(nil, key), nil)
	}
	v.block = block
	a.setRow(key, v)
	return nil
}

// pruneBlock deletes the versions below a revision from the block it is in.
func (a *applier) pruneBlock(key string, below int64) error {
	if below == blockOf(below) {
		return nil
	}
	k := appendBlockKey(nil, key, below)
	was, err := a.read(k)
	if err != nil {
		return err
	}
	block, ok := trimBlock(was, below)
	switch {
	case !ok:
		return corrupt(k, "block of versions")
	case len(block) < len(was):
		a.w.Delete(k, nil) // in any case: the row is not new; see ordering.sort
		if len(block) > 0 {
			a.w.Set(k, block, nil)
		}
	}
	return nil
}

// read returns the value of a row as the batch at hand leaves it, nil for none.
func (a *applier) read(key []byte) (value []byte, err error) {
	if value, err = a.store.read(key); err != nil {
		return nil, err
	}
	for r := a.w.Reader(); ; {
		kind, k, v, ok, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return value, nil
		case kind == pebble.InternalKeyKindRangeDelete:
			if bytes.Compare(k, key) <= 0 && bytes.Compare(key, v) < 0 {
				value = nil
			}
		case !bytes.Equal(k, key):
		case kind == pebble.InternalKeyKindDelete:
			value = nil
		default:
			value = bytes.Clone(v)
		}
	}
}

// dropExisting looks which versions there are and deletes those.
func (a *applier) dropExisting(key string, below int64) (err error) {
	prefix := appendHistoryPrefix(nil, key)
	it, err := a.store.db.NewIter(&pebble.IterOptions{
		LowerBound: appendHistoryBelow(nil, key, below),
		UpperBound: prefixEnd(prefix),
	})
	if err != nil {
		return err
	}
	defer closing(it, &err)
	n := 0
	for it.First(); it.Valid(); it.Next() {
		if _, _, ok := splitRevision(it.Key()[len(prefix):]); !ok {
			return corrupt(it.Key(), "key")
		}
		if n++; n > pointMax {
			a.deleteRange(key, below)
			break
		}
		a.w.Delete(it.Key(), nil)
	}
	return it.Error()
}
