package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir makes dir and the directories above it that are missing, and syncs
// all of these: also one that is there may be the work of an earlier try that
// failed before it was synced. Those that may not be read are not ours.
func makeDir(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for parent := fs.PathDir(dir); ; parent = fs.PathDir(parent) {
		if err := syncDir(fs, parent); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		if parent == fs.PathDir(parent) {
			return nil
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

func takeOwnership(fs vfs.FS, dir string) (*owner, error) {
	o := &owner{fs: fs, path: fs.PathJoin(dir, "owner")}
	lock, err := fs.Lock(fs.PathJoin(dir, "LOCK"))
	if err != nil {
		if who := readOwner(fs, o.path); who != "" {
			return nil, &ownedError{dir, who}
		}
		return nil, err
	}
	o.lock = lock
	f, err := fs.Create(o.path, vfs.WriteCategoryUnspecified)
	if err == nil {
		host, _ := os.Hostname()
		_, err = fmt.Fprintf(f, "process %d (%s) on %s since %s\n", os.Getpid(), os.Args[0], host,
			time.Now().UTC().Format(time.RFC3339))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return o, nil
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
