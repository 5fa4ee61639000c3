package store

import (
	"github.com/cockroachdb/pebble/v2"
)

const (
	// blindMax is up to how many revisions are deleted without a look at
	// which of them exist.
	blindMax = 4
	// pointMax is from how many versions on a range is deleted instead of
	// single versions. A deleted range costs all later readers near it a
	// little, a deleted version only its own.
	pointMax = 64
)

// dropOutdated deletes the versions that a step of the newest revision from
// old to newest pushes out of the kept number. All versions before the step
// are above old less that number, so only as many can be concerned as the
// revision grows by: one, unless a script wrote the key several times.
func (a *applier) dropOutdated(key string, old, newest int64) {
	n := a.store.history
	if n < 0 {
		return
	}
	n = max(n, 1)
	last := min(newest-n, old-1) // the newest that goes; old itself is settled
	first := max(old-n+1, 0)     // the oldest that can be there
	if last < first {
		return
	}
	if last-first < pointMax {
		for rev := first; rev <= last; rev++ {
			a.deleteHistory(key, rev)
		}
		return
	}
	a.deleteRange(key, last+1)
}

// deleteRange deletes all versions below a revision.
func (a *applier) deleteRange(key string, below int64) {
	a.key = appendHistoryBelow(a.key[:0], key, below)
	end := prefixEnd(appendHistoryPrefix(nil, key))
	a.w.DeleteRange(a.key, end, nil)
}

// dropHistory deletes the versions of a key below a revision, whatever of
// them there is, newest being its newest version.
func (a *applier) dropHistory(key string, newest *version, below int64) error {
	below = max(below, 0)
	// Versions above the newest do not exist, nor does the H row of the newest
	// itself unless it is large.
	candidates := min(below, newest.row.Revision)
	if newest.large && below > newest.row.Revision {
		candidates = below
	}
	switch {
	case candidates <= 0:
		return nil
	case candidates <= blindMax:
		for rev := range candidates {
			a.deleteHistory(key, rev)
		}
		return nil
	case newest.fresh:
		// The batch has versions that an iterator would not show.
		a.deleteRange(key, below)
		return nil
	}
	return a.dropExisting(key, below)
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
		if len(it.Key()) != len(prefix)+8 {
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
