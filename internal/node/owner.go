package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/shadow"
)

// makeDir makes dir and the directories above it that are missing, and syncs
// all of these: also one that is there may be the work of an earlier try that
// failed before it was synced. Those that may not be read are not ours. It
// reports whether it made dir.
func makeDir(fs vfs.FS, dir string) (made bool, err error) {
	info, err := fs.Stat(dir)
	if err == nil && !info.IsDir() {
		return false, fmt.Errorf("%s is a file; a store is a directory", dir)
	}
	made = err != nil
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	for parent := fs.PathDir(dir); ; parent = fs.PathDir(parent) {
		if err := syncDir(fs, parent); err != nil && !errors.Is(err, os.ErrPermission) {
			return made, err
		}
		if parent == fs.PathDir(parent) {
			return made, nil
		}
	}
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// owner holds a directory for this process: a lock that the operating system
// drops when the process dies, and beside it a file that says who it is.
type owner struct {
	fs   vfs.FS
	path string
	lock io.Closer
}

// ownedError says that another process has the directory.
type ownedError struct{ dir, who string }

func (e *ownedError) Error() string {
	return fmt.Sprintf("%s is in use by %s", e.dir, e.who)
}

// takeOwnership takes the lock of dir. Who has it is written beside it as well
// as that can be done: on a full disk the store can still be opened, as far as
// the rest of it can.
func takeOwnership(fs vfs.FS, dir string) (*owner, error) {
	dir, err := resolve(fs, dir)
	if err != nil {
		return nil, err
	}
	o := &owner{fs: fs, path: fs.PathJoin(dir, "owner")}
	if o.lock, err = fs.Lock(fs.PathJoin(dir, "LOCK")); err != nil {
		if !heldByOther(err) {
			return nil, fmt.Errorf("locking the directory: %w", err)
		}
		who := readOwner(fs, o.path)
		if who == "" {
			who = "another process"
		}
		return nil, &ownedError{dir, who}
	}
	if err := o.write(); err != nil {
		// Better no name than that of the process before.
		_ = fs.Remove(o.path)
	}
	return o, nil
}

func (o *owner) write() error {
	f, err := o.fs.Create(o.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	_, err = fmt.Fprintf(f, "process %d (%s) on %s since %s\n", os.Getpid(), os.Args[0], host,
		time.Now().UTC().Format(time.RFC3339))
	return errors.Join(err, f.Close())
}

// resolve returns the one name of a directory of the machine. Its lock is of
// the process and told apart by name: through two names one process could open
// a directory twice, and by closing one of them lose the lock of the other.
func resolve(fs vfs.FS, dir string) (string, error) {
	if s, ok := fs.(*shadow.FS); ok {
		fs = s.FS
	}
	if _, ok := fs.(privateFS); !ok {
		return dir, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// heldByOther tells a lock that somebody has from one that cannot be taken at
// all: the file cannot be made or opened, or the file system has no locks.
func heldByOther(err error) bool {
	path := (*fs.PathError)(nil)
	return !errors.As(err, &path) && !errors.Is(err, syscall.ENOLCK) && !errors.Is(err, errors.ErrUnsupported)
}

func readOwner(fs vfs.FS, path string) string {
	f, err := fs.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// release gives the directory free.
func (o *owner) release() error {
	_ = o.fs.Remove(o.path)
	return o.lock.Close()
}
