package kahuna

import (
	"context"
	"io"
	"time"

	"kahuna/internal/node"
)

// BackupInfo tells what is in a backup.
type BackupInfo struct {
	// Time is the commit time of the newest script in the backup, to the
	// millisecond: everything that committed in an earlier millisecond is in it,
	// and nothing of a later one. It is zero when nothing was ever written.
	Time time.Time
	// Taken is when the backup was begun, by the clock of the machine.
	Taken time.Time
	// Index is the number of the newest entry of the log in it.
	Index uint64
	// Rows are the keys in it; those that are deleted or expired, but not yet
	// collected, count too. Versions are the rows and their history.
	Rows, Versions int64
	// Results are the remembered results of idempotency keys.
	Results int64
	// RawBytes are keys and values with all that the store keeps about them;
	// Bytes is the length of the backup, in which they are compressed.
	RawBytes, Bytes int64
}

func backupInfo(n node.BackupInfo) BackupInfo {
	return BackupInfo{Time: unixMilli(n.Time.Millis()), Taken: unixMilli(n.TakenMs), Index: n.Index, Rows: n.Rows,
		Versions: n.Versions, Results: n.Results, RawBytes: n.RawBytes, Bytes: n.Bytes}
}

// Backup writes the persistent space to w as it is at one moment, while scripts
// run on: every script that was acknowledged before the call is in it, and
// every script is in it whole or not at all. With the rows come their history,
// deleted and expired rows, revisions and times to live, the results of
// idempotency keys, and the store's clock. The ephemeral space is not in it.
//
// It takes the memory of a few rows, and as long as w does. What scripts
// overwrite meanwhile stays on the disk until it returns. It may run several
// times at once.
//
// It ends early when ctx does, w fails, or the store is closed, but never
// interrupts a Write of w. The store is as it was then, and what w has is no
// backup. Errors are *Error: ErrBackup when w failed, whose error it wraps,
// ErrCanceled with ctx, ErrClosed, ErrStorage or ErrCorrupt when the store
// cannot be read completely. A store that stopped writing can still be backed
// up if it has applied all that it acknowledged.
func (db *DB) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	info, err := db.node.Backup(ctx, w)
	if err != nil {
		return BackupInfo{}, errorOf(err)
	}
	return backupInfo(info), nil
}

// Restore makes a store in the directory dir from a backup. dir must not exist,
// or be empty. r must end where the backup does; Restore gives up when r fails.
//
// The backup is checked completely, checksums, order, counts and formats,
// before the directory becomes a store in one step: neither a bad backup nor a
// crash leaves half a store. After a crash Open refuses the directory, and
// Restore begins again in it. After an error it is as it was before.
//
// The store goes on where the backup ends: revisions count on, its clock is not
// behind, a script that is repeated with its idempotency key gets its first
// result. Times to live and the ages of history and results have run on since
// the backup. From opts come the limits of memory and the Logger.
//
// Errors are *Error: ErrBackup for a backup that cannot be restored,
// ErrBadRequest for a directory that is not empty, ErrInUse for one that a
// process has open, ErrStorage when the disk failed.
func Restore(dir string, r io.Reader, opts *Options) (BackupInfo, error) {
	if dir == "" {
		return BackupInfo{}, badRequest("restore", "", "no directory was given", "")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return BackupInfo{}, err
	}
	info, err := node.Restore(o.node(dir), r)
	if err != nil {
		return BackupInfo{}, errorOf(err)
	}
	return backupInfo(info), nil
}
