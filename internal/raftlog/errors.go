package raftlog

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is the answer of a closed log.
	ErrClosed = errors.New("raftlog: closed")

	// ErrMissing is returned by Open when the log must exist and does not.
	ErrMissing = errors.New("raftlog: the files of the log are missing")

	// ErrFailed is the answer of a log that could not write or sync. The
	// error returned also wraps the cause. It is final; whether the writes
	// that got it will be seen after the next Open is unknown.
	ErrFailed = errors.New("raftlog: failed, no more writes are accepted")

	// ErrInvalidWrite is given to a write that does not continue its group's
	// log: entries with a gap before or between them. Nothing of it was
	// written.
	ErrInvalidWrite = errors.New("raftlog: invalid write")

	// ErrTooLarge is given to a write that does not fit in a frame. Nothing
	// of it was written.
	ErrTooLarge = errors.New("raftlog: write too large")
)

// CorruptError says that a file of the log is not as it was written. Open
// changes nothing on disk when it returns one.
type CorruptError struct {
	File   string // path of the segment
	Offset int64  // where the first bad byte range begins
	Detail string
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("raftlog: %s is damaged at offset %d: %s", e.File, e.Offset, e.Detail)
}

// VersionError says that a segment was written in a format that this program
// does not know.
type VersionError struct {
	File    string
	Version uint32
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("raftlog: %s has format version %d, this program knows version %d: "+
		"open the data with the release that wrote it, or a newer one; nothing was changed",
		e.File, e.Version, formatVersion)
}

// StrangerError says that a segment belongs to the log of another store. Open
// changes nothing on disk when it returns one.
type StrangerError struct {
	File          string
	StoreID, Want uint64
}

// Error implements error.
func (e *StrangerError) Error() string {
	return fmt.Sprintf("raftlog: %s belongs to store %016x, not to store %016x", e.File, e.StoreID, e.Want)
}
