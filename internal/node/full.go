package node

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"kahuna/internal/shadow"
	"kahuna/script"
)

// isNoSpace reports whether a disk had no room left.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// openFull opens the store on a full disk to be read: it recovers as ever, but
// what it writes to do so goes to memory, and then it is as a store whose disk
// failed while it ran. Nothing on the disk changes, so that a later Open finds
// what this one found. It holds the directory's lock like every other; where
// that cannot be taken, and where there is no store, it returns nil.
//
// The memory it takes is about that of the log's end which the rows do not
// have yet.
func openFull(ctx context.Context, o Options, cause error) *Node {
	if _, err := o.FS.Stat(o.FS.PathJoin(o.Dir, rowsDir)); err != nil {
		return nil
	}
	o.FS = shadow.New(o.FS)
	o.toRead = true
	o.SegmentBytes = 4 << 20 // there is next to nothing to write
	n, err := start(ctx, o)
	if err != nil {
		return nil
	}
	if e := (*script.Error)(nil); errors.As(cause, &e) && e.Err != nil {
		cause = e.Err // without advice: fail has its own
	}
	n.fail(fmt.Errorf("the disk was full when it was opened: %w", cause))
	return n
}
