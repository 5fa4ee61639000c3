package node

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/backup"
	"kahuna/internal/store"
	"kahuna/script"
)

// restoreName is where the rows of a restore are until they are complete.
// Beside the lock it is all there is in the directory then: there is no store
// before the one rename that makes it.
const restoreName = rowsDir + ".restore"

// unfinishedError says that a directory has the beginning of a restore.
type unfinishedError struct{ dir string }

func (e *unfinishedError) Error() string {
	return fmt.Sprintf("a restore into %s was begun and not finished", e.dir)
}

// checkUnfinished refuses a directory with the beginning of a restore: with a
// new store in it nobody would notice that the data is not there.
func checkUnfinished(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(fs.PathJoin(dir, rowsDir)); err == nil {
		return nil
	}
	if _, err := fs.Stat(fs.PathJoin(dir, restoreName)); err == nil {
		return &unfinishedError{dir}
	}
	return nil
}

// Restore makes a store in o.Dir, which must not exist or be empty, from a
// backup. The directory becomes a store by one rename, after everything was
// read, checked and synced. A crash before that leaves a directory that Open
// refuses and that Restore can be called for again; an error leaves it as it
// was (Invariant BACKUP-3).
func Restore(o Options, r io.Reader) (BackupInfo, error) {
	o = o.withDefaults()
	// Before anything is made: what is no backup leaves no trace.
	br, err := backup.NewReader(r)
	if err == nil {
		err = checkRowsFormat(br.Header().RowsFormat)
	}
	if err != nil {
		return BackupInfo{}, restoreError(o.Dir, err)
	}
	made, err := makeDir(o.FS, o.Dir)
	if err != nil {
		return BackupInfo{}, restoreError(o.Dir, err)
	}
	own, err := takeOwnership(o.FS, o.Dir)
	if err == nil {
		if err = checkEmpty(o.FS, o.Dir); err == nil {
			err = restoreInto(o, br)
			if err != nil {
				err = errors.Join(err, o.FS.RemoveAll(o.FS.PathJoin(o.Dir, restoreName)))
			}
		}
		err = errors.Join(err, own.release())
	}
	if err != nil {
		if made {
			err = errors.Join(err, o.FS.RemoveAll(o.Dir))
		}
		return BackupInfo{}, restoreError(o.Dir, err)
	}
	return BackupInfo{br.Header(), br.Summary(), br.Bytes()}, nil
}

// restoreInto makes the rows in the directory, which is locked and empty.
func restoreInto(o Options, br *backup.Reader) error {
	fs, building := o.FS, o.FS.PathJoin(o.Dir, restoreName)
	if err := fs.RemoveAll(building); err != nil {
		return err
	}
	found, err := store.Build(store.Options{FS: orderedFS{fs}, Dir: building, ID: newStoreID(), CacheBytes: o.BlockCacheBytes,
		MemTableBytes: o.MemTableBytes, Logger: o.Logger}, func(add func(key, value []byte) error) error {
		for {
			key, value, err := br.Next()
			switch {
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			}
			if err := add(key, value); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	s := br.Summary()
	want := store.Contents{Index: s.Index, Time: s.Time, Rows: s.Rows, Versions: s.Versions, Results: s.Results}
	if found != want {
		return fmt.Errorf("%w: the backup has %+v, its trailer says %+v", store.ErrCorrupt, found, want)
	}
	// The name that is there from the beginning must not come back.
	if err := syncDir(fs, o.Dir); err != nil {
		return err
	}
	rows := fs.PathJoin(o.Dir, "rows")
	if err := fs.Rename(building, rows); err != nil {
		return err
	}
	if err := syncDir(fs, o.Dir); err != nil {
		// Removed it may only be under the other name, or a crash in the middle
		// could leave half of it.
		return errors.Join(err, fs.Rename(rows, building))
	}
	return nil
}

// newRowsName is where the rows of a new store are made.
const newRowsName = rowsDir + ".new"

// notEmptyError says that a directory has something in it.
type notEmptyError struct{ dir, what string }

func (e *notEmptyError) Error() string {
	return fmt.Sprintf("%s is not empty: it has %s", e.dir, e.what)
}

// checkEmpty refuses a directory with anything in it but what a restore or an
// Open that did not get far may have left, and what a file system has in its
// root.
func checkEmpty(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	return firstForeign(dir, names)
}

// checkForeign refuses a directory that has no rows and something else in it: a
// store is not made among somebody's files. It is asked before the lock is
// taken, so that nothing is left there; another process may be making the store
// meanwhile.
func checkForeign(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil || slices.Contains(names, rowsDir) {
		return err
	}
	return firstForeign(dir, names)
}

func firstForeign(dir string, names []string) error {
	slices.Sort(names)
	for _, name := range names {
		switch name {
		case "LOCK", "owner", restoreName, newRowsName, receivedName, "lost+found":
		default:
			return &notEmptyError{dir, name}
		}
	}
	return nil
}

// rowsFormatError says that the rows in a backup are not of this program's
// format.
type rowsFormatError struct{ found uint32 }

func (e *rowsFormatError) Error() string {
	return fmt.Sprintf("the backup is of a store of format version %d, this program has version %d", e.found, store.FormatVersion)
}

func checkRowsFormat(found uint32) error {
	if found != store.FormatVersion {
		return &rowsFormatError{found}
	}
	return nil
}

// restoreError makes the error of Restore.
func restoreError(dir string, err error) error {
	e := &script.Error{Op: "restore", Key: dir, Code: CodeBackup, Err: err, Message: err.Error()}
	const untouched = "; nothing was restored"
	var (
		version  *backup.VersionError
		rows     *rowsFormatError
		damaged  *backup.DamageError
		reading  *backup.ReadError
		notEmpty *notEmptyError
	)
	switch {
	case errors.Is(err, backup.ErrNotBackup):
		e.Hint = "name a file that DB.Backup or kahuna-cli backup has written" + untouched
	case errors.As(err, &version), errors.As(err, &rows):
		e.Hint = "restore it with the release that wrote it, or a newer one" + untouched
	case errors.As(err, &damaged) && damaged.Cut:
		e.Hint = "copy the backup again, or take another one" + untouched
	case errors.As(err, &damaged), errors.Is(err, store.ErrCorrupt):
		e.Hint = "copy the backup again, binary, or take another one" + untouched
	case errors.As(err, &reading):
		e.Hint = "try again from the beginning of the backup" + untouched
	case errors.As(err, &notEmpty):
		e.Code, e.Hint = script.CodeBadRequest, "name another directory, or move away what is in this one"
	default:
		opened := openError(dir, err)
		if !errors.As(opened, &e) {
			return opened
		}
		again := *e
		again.Op = "restore"
		if isNoSpace(err) {
			again.Hint = "free some space, then restore again" + untouched
		}
		return &again
	}
	return e
}
