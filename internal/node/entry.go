package node

import (
	"errors"
	"fmt"

	"kahuna/internal/store"
)

// entryError says that an entry of the log cannot be applied. Unlike a failure
// of the disk it comes again whenever the store is opened.
type entryError struct {
	index uint64
	err   error
}

// Error implements error.
func (e *entryError) Error() string {
	return fmt.Sprintf("entry %d of the log cannot be applied: %v", e.index, e.err)
}

// Unwrap returns why.
func (e *entryError) Unwrap() error { return e.err }

// blame returns the error of applying items, which is err. When the store
// refused some that were applied together, it applies them one by one, so that
// the rows have all before the one that is refused, and the error names it.
func (g *group) blame(items []applyItem, err error) error {
	var refused *store.BatchError
	var undecoded *entryError
	if !errors.As(err, &refused) && !errors.As(err, &undecoded) {
		return err
	}
	m := &g.merged
	for _, item := range items {
		for i := range item.apply.Entries {
			m.reset()
			// Without the batch it came from, which may be in use again.
			err := g.applyEntry(m, &item.apply.Entries[i], nil)
			if err == nil {
				err = g.applyMerged(m)
			}
			if errors.As(err, &refused) {
				return &entryError{item.apply.Entries[i].Index, err}
			}
			if err != nil {
				return err
			}
		}
	}
	return err
}

// entryHint is what to do about an entryError in the store in dir.
func entryHint(dir string) string {
	return "opening " + dir + " again stops at the same entry: if another release wrote it, open it with that one; else keep a copy " +
		"of the directory, report the fault, and restore it from a backup"
}
