package store

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/shadow"
)

// gate is a file system whose writes can be shut off for good. Pebble expects
// the process to end when an update of its manifest fails, because it does not
// know what of it reached the disk; if it went on, it could remove files that
// the manifest on disk names. We must not end the process, so we end the
// writing instead (Invariant STORE-3): the next Open then recovers exactly as
// after a crash.
//
// While Pebble opens, it does not take no for an answer: it repeats a flush that
// failed until it succeeds, which it never does with a manifest that has failed
// once, and does not return. So it does not hear of a failure then: the gate
// shuts, and all that Pebble writes from there on goes to memory and is dropped
// with the store, for Open fails.
type gate struct {
	vfs.FS
	fail    func(error) // shuts the gate
	shut    atomic.Pointer[error]
	opening atomic.Bool // also while a store that could not be opened is closed
	instead *shadow.FS  // where files are behind a gate that was shut while opening
	// pause is called before an operation is refused, once opened is set.
	pause  func()
	opened atomic.Bool

	mu    sync.Mutex
	files map[*gatedFile]struct{} // open for writing
}

func newGate(disk vfs.FS, fail func(error), pause func()) *gate {
	return &gate{FS: disk, fail: fail, pause: pause, instead: shadow.New(disk), files: make(map[*gatedFile]struct{})}
}

func (g *gate) close(err error) { g.shut.CompareAndSwap(nil, &err) }

// check returns why nothing may be written.
func (g *gate) check() error {
	p := g.shut.Load()
	if p == nil || g.opening.Load() {
		return nil
	}
	if g.opened.Load() {
		g.pause()
	}
	return *p
}

// diverted returns whether writes go to memory.
func (g *gate) diverted() bool { return g.shut.Load() != nil && g.opening.Load() }

// hide notes a failure while Pebble opens, and reports whether Pebble must not
// hear of it.
func (g *gate) hide(err error) bool {
	if err == nil || !g.opening.Load() || errors.Is(err, os.ErrNotExist) {
		return false
	}
	g.fail(err)
	return true
}

// disk returns where files are.
func (g *gate) disk() vfs.FS {
	if g.diverted() {
		return g.instead
	}
	return g.FS
}

// change does something to the names on the disk.
func (g *gate) change(do func(vfs.FS) error) error {
	if err := g.check(); err != nil {
		return err
	}
	fs := g.disk()
	err := do(fs)
	if fs != vfs.FS(g.instead) && g.hide(err) {
		return do(g.instead)
	}
	return err
}

// file opens a file for writing.
func (g *gate) file(open func(vfs.FS) (vfs.File, error)) (f vfs.File, err error) {
	err = g.change(func(fs vfs.FS) (err error) {
		f, err = open(fs)
		return err
	})
	if err != nil {
		return nil, err
	}
	gated := &gatedFile{f, g, g.diverted()}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files[gated] = struct{}{}
	return gated, nil
}

// closeFiles closes the files that Pebble left open, as it does with some when
// writing them failed. Nobody may use them any more.
func (g *gate) closeFiles() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for f := range g.files {
		_ = f.File.Close() // it failed already, or would not have been left
	}
	clear(g.files)
}

// Create implements vfs.FS.
func (g *gate) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(func(fs vfs.FS) (vfs.File, error) { return fs.Create(name, category) })
}

// OpenReadWrite implements vfs.FS.
func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file(func(fs vfs.FS) (vfs.File, error) { return fs.OpenReadWrite(name, category, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (g *gate) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(func(fs vfs.FS) (vfs.File, error) { return fs.ReuseForWrite(oldname, newname, category) })
}

// Open implements vfs.FS.
func (g *gate) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.disk().Open(name, opts...)
}

// List implements vfs.FS.
func (g *gate) List(dir string) ([]string, error) { return g.disk().List(dir) }

// Stat implements vfs.FS.
func (g *gate) Stat(name string) (vfs.FileInfo, error) { return g.disk().Stat(name) }

// OpenDir implements vfs.FS.
func (g *gate) OpenDir(name string) (vfs.File, error) {
	f, err := g.disk().OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &gatedDir{f, g}, nil
}

// Link implements vfs.FS.
func (g *gate) Link(oldname, newname string) error {
	return g.change(func(fs vfs.FS) error { return fs.Link(oldname, newname) })
}

// Remove implements vfs.FS.
func (g *gate) Remove(name string) error {
	return g.change(func(fs vfs.FS) error { return fs.Remove(name) })
}

// RemoveAll implements vfs.FS.
func (g *gate) RemoveAll(name string) error {
	return g.change(func(fs vfs.FS) error { return fs.RemoveAll(name) })
}

// Rename implements vfs.FS.
func (g *gate) Rename(oldname, newname string) error {
	return g.change(func(fs vfs.FS) error { return fs.Rename(oldname, newname) })
}

// MkdirAll implements vfs.FS.
func (g *gate) MkdirAll(dir string, perm os.FileMode) error {
	return g.change(func(fs vfs.FS) error { return fs.MkdirAll(dir, perm) })
}

// Unwrap implements vfs.FS.
func (g *gate) Unwrap() vfs.FS { return g.FS }

// gatedFile is a file open for writing.
type gatedFile struct {
	vfs.File
	gate     *gate
	inMemory bool
}

// do writes to the file. What is dropped counts as written.
func (f *gatedFile) do(write func() error) error {
	if err := f.gate.check(); err != nil {
		return err
	}
	if f.gate.diverted() && !f.inMemory {
		return nil
	}
	if err := write(); err != nil && !f.gate.hide(err) {
		return err
	}
	return nil
}

// Close implements vfs.File.
func (f *gatedFile) Close() error {
	f.gate.mu.Lock()
	delete(f.gate.files, f)
	f.gate.mu.Unlock()
	return f.File.Close()
}

// Write implements vfs.File.
func (f *gatedFile) Write(p []byte) (n int, err error) {
	if err := f.do(func() error { n, err = f.File.Write(p); return err }); err != nil {
		return n, err
	}
	return len(p), nil
}

// WriteAt implements vfs.File.
func (f *gatedFile) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.do(func() error { n, err = f.File.WriteAt(p, off); return err }); err != nil {
		return n, err
	}
	return len(p), nil
}

// Preallocate implements vfs.File.
func (f *gatedFile) Preallocate(offset, length int64) error {
	return f.do(func() error { return f.File.Preallocate(offset, length) })
}

// Sync implements vfs.File.
func (f *gatedFile) Sync() error { return f.do(f.File.Sync) }

// SyncTo implements vfs.File.
func (f *gatedFile) SyncTo(length int64) (fullSync bool, err error) {
	err = f.do(func() error { fullSync, err = f.File.SyncTo(length); return err })
	return fullSync && err == nil, err
}

// SyncData implements vfs.File.
func (f *gatedFile) SyncData() error { return f.do(f.File.SyncData) }

// gatedDir is a directory open for syncing. Pebble panics when that fails, so
// it never does: the store fails instead. All that comes after is refused, and
// FlushedIndex believes nothing that comes after.
type gatedDir struct {
	vfs.File
	gate *gate
}

// Sync implements vfs.File.
func (d *gatedDir) Sync() error {
	if d.gate.shut.Load() != nil {
		return nil
	}
	if err := d.File.Sync(); err != nil {
		d.gate.fail(err)
	}
	return nil
}

// SyncData implements vfs.File.
func (d *gatedDir) SyncData() error { return d.Sync() }
