package raftlog

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// op is a change of the file system.
type op string

const (
	opCreate op = "create"
	opWrite  op = "write"
	opSync   op = "sync"
	opRename op = "rename"
	opRemove op = "remove"
	opRead   op = "read"
)

// hookFS calls before every operation, which it may refuse with an error, and
// after every successful one.
type hookFS struct {
	vfs.FS
	before func(op, string) error
	after  func(op, string)

	mu   sync.Mutex
	open []*hookFile
}

func (fs *hookFS) do(o op, path string, fn func() error) error {
	if fs.before != nil {
		if err := fs.before(o, path); err != nil {
			return err
		}
	}
	if err := fn(); err != nil {
		return err
	}
	if fs.after != nil {
		fs.after(o, path)
	}
	return nil
}

func (fs *hookFS) wrap(f vfs.File, err error, path string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	h := &hookFile{File: f, fs: fs}
	h.path.Store(&path)
	fs.mu.Lock()
	fs.open = append(fs.open, h)
	fs.mu.Unlock()
	return h, nil
}

func (fs *hookFS) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = fs.do(opCreate, name, func() error { f, err = fs.FS.Create(name, c); return err })
	return fs.wrap(f, err, name)
}

func (fs *hookFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return fs.wrap(f, err, name)
}

func (fs *hookFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, o...)
	return fs.wrap(f, err, name)
}

func (fs *hookFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.wrap(f, err, name)
}

func (fs *hookFS) Rename(from, to string) error {
	return fs.do(opRename, to, func() error {
		if err := fs.FS.Rename(from, to); err != nil {
			return err
		}
		// Open files are known by their new name.
		fs.mu.Lock()
		defer fs.mu.Unlock()
		for _, f := range fs.open {
			if *f.path.Load() == from {
				f.path.Store(&to)
			}
		}
		return nil
	})
}

func (fs *hookFS) Remove(name string) error {
	return fs.do(opRemove, name, func() error { return fs.FS.Remove(name) })
}

type hookFile struct {
	vfs.File
	fs   *hookFS
	path atomic.Pointer[string]
}

func (f *hookFile) do(o op, fn func() error) error { return f.fs.do(o, *f.path.Load(), fn) }

func (f *hookFile) Close() error {
	f.fs.mu.Lock()
	f.fs.open = slices.DeleteFunc(f.fs.open, func(x *hookFile) bool { return x == f })
	f.fs.mu.Unlock()
	return f.File.Close()
}

func (f *hookFile) Write(b []byte) (n int, err error) {
	err = f.do(opWrite, func() error { n, err = f.File.Write(b); return err })
	return n, err
}

func (f *hookFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.do(opWrite, func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *hookFile) ReadAt(b []byte, off int64) (n int, err error) {
	if f.fs.before != nil {
		if err := f.fs.before(opRead, *f.path.Load()); err != nil {
			return 0, err
		}
	}
	return f.File.ReadAt(b, off)
}

func (f *hookFile) Sync() error     { return f.do(opSync, f.File.Sync) }
func (f *hookFile) SyncData() error { return f.do(opSync, f.File.SyncData) }

// files returns the contents of the directory, without the lock file.
func files(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]string)
	for _, name := range names {
		if name != lockName {
			m[name] = string(readFile(t, fs, fs.PathJoin(dir, name)))
		}
	}
	return m
}

// segmentNames returns the names of the segments in the directory, ascending.
func segmentNames(t testing.TB, fs vfs.FS, dir string) []string {
	t.Helper()
	all, err := fs.List(dir) // alone: the janitor may take files away meanwhile
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range all {
		if strings.HasSuffix(name, segmentSuffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	return b
}

// writeFile replaces a file, on disk.
func writeFile(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Write may change what it is given.
	if _, err := f.Write(append([]byte(nil), b...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	d, err := fs.OpenDir(fs.PathDir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
}
