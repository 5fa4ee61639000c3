package store

import (
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// gate is a file system whose writes can be shut off for good. Pebble expects
// the process to end when an update of its manifest fails, because it does not
// know what of it reached the disk; if it went on, it could remove files that
// the manifest on disk names. We must not end the process, so we end the
// writing instead (Invariant STORE-3): the next Open then recovers exactly as
// after a crash.
type gate struct {
	vfs.FS
	fail func(error) // called when a directory can not be synced; shuts the gate
	shut atomic.Pointer[error]
	// pause is called before an operation is refused; nil while the store is
	// being opened.
	pause func()

	mu    sync.Mutex
	files map[*gatedFile]struct{} // open for writing
}

func (g *gate) close(err error) { g.shut.CompareAndSwap(nil, &err) }

func (g *gate) check() error {
	p := g.shut.Load()
	if p == nil {
		return nil
	}
	if g.pause != nil {
		g.pause()
	}
	return *p
}

func (g *gate) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	gated := &gatedFile{f, g}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.files == nil {
		g.files = make(map[*gatedFile]struct{})
	}
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
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.file(g.FS.Create(name, category))
}

// OpenReadWrite implements vfs.FS.
func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.file(g.FS.OpenReadWrite(name, category, opts...))
}

// ReuseForWrite implements vfs.FS.
func (g *gate) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.file(g.FS.ReuseForWrite(oldname, newname, category))
}

// OpenDir implements vfs.FS.
func (g *gate) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &gatedDir{f, g}, nil
}

// Link implements vfs.FS.
func (g *gate) Link(oldname, newname string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.Link(oldname, newname)
}

// Remove implements vfs.FS.
func (g *gate) Remove(name string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (g *gate) RemoveAll(name string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.RemoveAll(name)
}

// Rename implements vfs.FS.
func (g *gate) Rename(oldname, newname string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.Rename(oldname, newname)
}

// MkdirAll implements vfs.FS.
func (g *gate) MkdirAll(dir string, perm os.FileMode) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.MkdirAll(dir, perm)
}

// Unwrap implements vfs.FS.
func (g *gate) Unwrap() vfs.FS { return g.FS }

// gatedFile is a file open for writing.
type gatedFile struct {
	vfs.File
	gate *gate
}

// Close implements vfs.File.
func (f *gatedFile) Close() error {
	f.gate.mu.Lock()
	delete(f.gate.files, f)
	f.gate.mu.Unlock()
	return f.File.Close()
}

// Write implements vfs.File.
func (f *gatedFile) Write(p []byte) (int, error) {
	if err := f.gate.check(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

// WriteAt implements vfs.File.
func (f *gatedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.gate.check(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// Preallocate implements vfs.File.
func (f *gatedFile) Preallocate(offset, length int64) error {
	if err := f.gate.check(); err != nil {
		return err
	}
	return f.File.Preallocate(offset, length)
}

// Sync implements vfs.File.
func (f *gatedFile) Sync() error {
	if err := f.gate.check(); err != nil {
		return err
	}
	return f.File.Sync()
}

// SyncTo implements vfs.File.
func (f *gatedFile) SyncTo(length int64) (fullSync bool, err error) {
	if err := f.gate.check(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

// SyncData implements vfs.File.
func (f *gatedFile) SyncData() error {
	if err := f.gate.check(); err != nil {
		return err
	}
	return f.File.SyncData()
}

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
