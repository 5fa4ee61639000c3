package node

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// privateFS is the file system of the machine, on which everything that is made
// belongs to the user of this process alone: files have mode 0600, directories
// 0700, from the moment they exist. What is there already keeps its mode.
type privateFS struct{ vfs.FS }

// touch makes an empty file unless there is one. It does not open one that is
// there: to close it again would drop the process's locks on it.
func touch(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Create implements vfs.FS: the file is new, also when there was one.
func (fs privateFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	err := touch(name)
	for errors.Is(err, os.ErrExist) {
		if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		err = touch(name)
	}
	if err != nil {
		return nil, err
	}
	return fs.FS.OpenReadWrite(name, category)
}

// OpenReadWrite implements vfs.FS.
func (fs privateFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := touch(name); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return fs.FS.OpenReadWrite(name, category, opts...)
}

// Lock implements vfs.FS.
func (fs privateFS) Lock(name string) (io.Closer, error) {
	if err := touch(name); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return fs.FS.Lock(name)
}

// MkdirAll implements vfs.FS.
func (fs privateFS) MkdirAll(dir string, _ os.FileMode) error { return fs.FS.MkdirAll(dir, 0o700) }

// Unwrap implements vfs.FS.
func (fs privateFS) Unwrap() vfs.FS { return fs.FS }
