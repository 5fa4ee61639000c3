package store

import (
	"errors"
	"fmt"
	"io"
)

// Errors of the store, to be tested with errors.Is.
var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrHistoryGone: the version visible at the time asked for is no longer
	// kept.
	ErrHistoryGone = errors.New("history not available")
	// ErrCorrupt: a row on disk can not be read.
	ErrCorrupt = errors.New("store is damaged")
	// ErrFailed: an earlier write to the disk failed, so the store takes no
	// more of them. The text of the error has the cause.
	ErrFailed = errors.New("store stopped after a failed write")
)

// LockedError says that another store, of this process or another one, has
// the directory open.
type LockedError struct {
	Dir    string
	Detail string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("directory %s is in use by another process (%s): stop that one, or choose another directory", e.Dir, e.Detail)
}

// FormatError says that the directory was written in a format that this
// program does not know.
type FormatError struct {
	Dir         string
	Found, Want uint64 // Found is 0 when the directory has rows but no version
}

func (e *FormatError) Error() string {
	switch {
	case e.Found == 0:
		return fmt.Sprintf("directory %s has data that is not a store of this program: choose another directory", e.Dir)
	case e.Found > e.Want:
		return fmt.Sprintf("directory %s has format version %d, this program knows %d: use the newer program that wrote it", e.Dir, e.Found, e.Want)
	}
	return fmt.Sprintf("directory %s has format version %d, this program needs %d: open it with the program that wrote it", e.Dir, e.Found, e.Want)
}

// BatchError says that a batch breaks the rules of Apply. Nothing of it was
// applied, and it would be refused again: it is a defect of whoever made it.
type BatchError struct {
	Group, Index uint64
	Op           int // position in Batch.Ops, -1 for the batch as a whole
	Detail       string
}

func (e *BatchError) Error() string {
	if e.Op < 0 {
		return fmt.Sprintf("log entry %d of group %d refused: %s", e.Index, e.Group, e.Detail)
	}
	return fmt.Sprintf("log entry %d of group %d refused: operation %d: %s", e.Index, e.Group, e.Op, e.Detail)
}

// closing closes c when a function ends. An error of that counts only if there
// was none before, which stays as it is.
func closing(c io.Closer, err *error) {
	if e := c.Close(); *err == nil {
		*err = e
	}
}

func corrupt(key []byte, detail string) error {
	return fmt.Errorf("%w: row %q: %s", ErrCorrupt, key, detail)
}
