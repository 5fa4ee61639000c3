// Package shadow is a file system that reads a disk and changes nothing on it:
// what is written goes to memory, and is gone with the process.
//
// It is for a disk that cannot be written to, when what is on it is to be read
// by code that must write to do so. What it holds in memory is all that was
// written, and each file of the disk that was opened for writing or given
// another name.
package shadow

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is a shadow of a disk. It is safe for concurrent use.
type FS struct {
	vfs.FS // the disk; a lock is taken there

	// mu makes a change of names one step.
	mu     sync.Mutex
	memory *vfs.MemFS
	// hidden are the names of the disk that are no more, or whose file is in
	// memory by now; of a directory, all below it.
	hidden map[string]bool
}

// New returns a shadow of disk in which nothing was written yet.
func New(disk vfs.FS) *FS {
	return &FS{FS: disk, memory: vfs.NewMem(), hidden: map[string]bool{}}
}

// onDisk returns whether the name is to be looked for on the disk.
func (fs *FS) onDisk(name string) bool {
	for {
		if fs.hidden[name] {
			return false
		}
		dir := fs.PathDir(name)
		if dir == name {
			return true
		}
		name = dir
	}
}

// Create implements vfs.FS.
func (fs *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.memory.MkdirAll(fs.PathDir(name), 0o755); err != nil {
		return nil, err
	}
	fs.hidden[name] = true
	return fs.memory.Create(name, category)
}

// Open implements vfs.FS.
func (fs *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.onDisk(name) {
		return fs.FS.Open(name, opts...)
	}
	return fs.memory.Open(name, opts...)
}

// OpenReadWrite implements vfs.FS. It copies the file.
func (fs *FS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.fetch(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return fs.memory.OpenReadWrite(name, category, opts...)
}

// fetch copies a file of the disk to memory, under its name.
func (fs *FS) fetch(name string) error {
	if err := fs.memory.MkdirAll(fs.PathDir(name), 0o755); err != nil || !fs.onDisk(name) {
		return err
	}
	from, err := fs.FS.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := fs.memory.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return errors.Join(err, to.Close())
	}
	fs.hidden[name] = true
	return to.Close()
}

// OpenDir implements vfs.FS. The directory is only good for being synced.
func (fs *FS) OpenDir(name string) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.memory.MkdirAll(name, 0o755); err != nil {
		return nil, err
	}
	return fs.memory.OpenDir(name)
}

// Remove implements vfs.FS.
func (fs *FS) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.onDisk(name) {
		if _, err := fs.FS.Stat(name); err != nil {
			return err
		}
		fs.hidden[name] = true
		return nil
	}
	return fs.memory.Remove(name)
}

// RemoveAll implements vfs.FS.
func (fs *FS) RemoveAll(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.hidden[name] = true
	return fs.memory.RemoveAll(name)
}

// Rename implements vfs.FS, for files. It copies one of the disk.
func (fs *FS) Rename(oldname, newname string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.rename(oldname, newname)
}

func (fs *FS) rename(oldname, newname string) error {
	if err := fs.fetch(oldname); err != nil {
		return err
	}
	if err := fs.memory.MkdirAll(fs.PathDir(newname), 0o755); err != nil {
		return err
	}
	if err := fs.memory.Rename(oldname, newname); err != nil {
		return err
	}
	fs.hidden[newname] = true
	return nil
}

// Link implements vfs.FS. It copies the file.
func (fs *FS) Link(oldname, newname string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.onDisk(newname) {
		if _, err := fs.FS.Stat(newname); err == nil {
			return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: os.ErrExist}
		}
	}
	if err := errors.Join(fs.fetch(oldname), fs.memory.MkdirAll(fs.PathDir(newname), 0o755)); err != nil {
		return err
	}
	if err := fs.memory.Link(oldname, newname); err != nil {
		return err
	}
	fs.hidden[newname] = true
	return nil
}

// ReuseForWrite implements vfs.FS.
func (fs *FS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.rename(oldname, newname); err != nil {
		return nil, err
	}
	return fs.memory.OpenReadWrite(newname, category)
}

// MkdirAll implements vfs.FS.
func (fs *FS) MkdirAll(dir string, perm os.FileMode) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.memory.MkdirAll(dir, perm)
}

// List implements vfs.FS.
func (fs *FS) List(dir string) ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	names, missing := fs.memory.List(dir)
	if fs.onDisk(dir) {
		found, err := fs.FS.List(dir)
		if err != nil && missing != nil {
			return nil, err
		}
		missing = nil
		for _, name := range found {
			if !fs.hidden[fs.PathJoin(dir, name)] {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), missing
}

// Stat implements vfs.FS.
func (fs *FS) Stat(name string) (vfs.FileInfo, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.onDisk(name) {
		if info, err := fs.FS.Stat(name); err == nil || !errors.Is(err, os.ErrNotExist) {
			return info, err
		}
	}
	return fs.memory.Stat(name)
}

// Unwrap implements vfs.FS: there is nothing below that may be written to.
func (fs *FS) Unwrap() vfs.FS { return nil }
