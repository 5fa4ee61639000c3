package kahuna

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// mode is what a fault does to the operation it strikes.
type mode string

const (
	failOnce  mode = "fails once"
	failOn    mode = "fails from then on"
	failLate  mode = "done, but reported as failed"
	failTorn  mode = "half done" // a write
	diskFull  mode = "disk full" // every write, of all files
	slowSync  mode = "slow"      // takes two seconds
	crash     mode = "crash before"
	crashLate mode = "crash after"
)

// fault is one planned failure: of the nth operation of a class.
type fault struct {
	mode mode
	class
	nth int
}

// class is a kind of operation on a kind of file.
type class struct{ op, file string }

func (f *fault) String() string {
	if f == nil {
		return "no fault"
	}
	return fmt.Sprintf("%s of %s number %d: %s", f.op, f.file, f.nth, f.mode)
}

// fileKind says what a file of a store is.
func fileKind(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasSuffix(name, ".rlog"):
		return "segment"
	case strings.HasSuffix(name, ".tmp") && strings.Contains(path, "log/"):
		return "spare"
	case strings.HasSuffix(name, ".sst"):
		return "table"
	case strings.HasPrefix(name, "MANIFEST"):
		return "manifest"
	case name == "db" || name == "rows" || name == "log" || name == "rows.new" || name == "":
		return "directory"
	}
	return "other"
}

// classOf is the class of an operation. The log writes in place, and syncs
// data, only what is, or is about to be, a segment, by a handle that may be
// older than the file's present name.
func classOf(k errorfs.OpKind, path string) class {
	c := class{opKind(k), fileKind(path)}
	if (k == errorfs.OpFileWriteAt || k == errorfs.OpFileSyncData) && c.file == "spare" {
		c.file = "segment"
	}
	return c
}

func opKind(k errorfs.OpKind) string {
	switch k {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpMkdirAll:
		return "create"
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate:
		return "write"
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return "sync"
	case errorfs.OpRename:
		return "rename"
	case errorfs.OpRemove, errorfs.OpRemoveAll:
		return "remove"
	case errorfs.OpFileRead, errorfs.OpFileReadAt:
		return "read"
	case errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpList, errorfs.OpStat, errorfs.OpFileStat:
		return "open"
	}
	return ""
}

// faultClasses are the operations that faults strike, with how far to count.
var faultClasses = []struct {
	class
	most int
}{
	{class{"write", "segment"}, 30}, {class{"sync", "segment"}, 30}, {class{"remove", "segment"}, 3},
	{class{"read", "segment"}, 6}, {class{"open", "segment"}, 4},
	{class{"create", "spare"}, 4}, {class{"write", "spare"}, 6}, {class{"sync", "spare"}, 6}, {class{"rename", "spare"}, 4},
	{class{"create", "table"}, 4}, {class{"write", "table"}, 12}, {class{"sync", "table"}, 4},
	{class{"remove", "table"}, 3}, {class{"read", "table"}, 20}, {class{"open", "table"}, 4},
	{class{"create", "manifest"}, 2}, {class{"write", "manifest"}, 6}, {class{"sync", "manifest"}, 4},
	{class{"read", "manifest"}, 2},
	{class{"create", "other"}, 6}, {class{"write", "other"}, 6}, {class{"sync", "other"}, 4},
	{class{"remove", "other"}, 4}, {class{"rename", "directory"}, 1},
	{class{"sync", "directory"}, 12}, {class{"open", "directory"}, 8}, {class{"create", "directory"}, 2},
}

// drawFault plans a fault, or none.
func drawFault(rng *rand.Rand) *fault {
	if rng.IntN(8) == 0 {
		return nil
	}
	c := faultClasses[rng.IntN(len(faultClasses))]
	if rng.IntN(2) == 0 {
		c = faultClasses[rng.IntN(2)] // what every commit needs
	}
	modes := []mode{failOnce, failOn}
	switch c.op {
	case "write":
		modes = append(modes, failLate, failTorn, diskFull, diskFull, crash, crashLate)
	case "sync":
		modes = append(modes, failLate, crash, crash, crashLate)
		if c.file == "segment" {
			modes = append(modes, slowSync)
		}
	case "create":
		modes = append(modes, diskFull, crash, crashLate)
	case "rename", "remove":
		modes = append(modes, failLate, crash, crashLate)
	}
	return &fault{modes[rng.IntN(len(modes))], c.class, 1 + rng.IntN(1+rng.IntN(c.most))}
}

// faultCounts counts the faults that really struck.
type faultCounts map[struct {
	mode
	class
}]int

func (c faultCounts) add(o faultCounts) {
	for k, n := range o {
		c[k] += n
	}
}

// by counts by one property.
func (c faultCounts) by(property func(mode, class) string) map[string]int {
	n := map[string]int{}
	for k, v := range c {
		n[property(k.mode, k.class)] += v
	}
	return n
}

// disk is a disk in memory with one planned fault.
type disk struct {
	mem  *vfs.MemFS
	hits faultCounts

	mu     sync.Mutex
	rng    *rand.Rand // of the crash image
	plan   *fault
	seen   int        // operations of the plan's class
	hit    bool       // the plan came true
	open   bool       // while a store was open
	full   bool       // no space is left
	opened bool       // a store is open
	dead   bool       // the machine has crashed: nothing happens any more
	image  *vfs.MemFS // what the crash left
}

func newDisk(mem *vfs.MemFS, rng *rand.Rand, plan *fault) *disk {
	return &disk{mem: mem, rng: rng, plan: plan, hits: faultCounts{}}
}

// fs returns the disk as a file system.
func (d *disk) fs() vfs.FS {
	return errorfs.Wrap(&lateFS{d.mem, d}, errorfs.InjectorFunc(d.before))
}

var (
	errIO   = fmt.Errorf("injected: %w", syscall.EIO)
	errFull = fmt.Errorf("injected: %w", syscall.ENOSPC)
	errDead = errors.New("injected: the machine is off")
)

// strike reports whether the operation is the planned one. Held: mu.
func (d *disk) strike(c class, modes ...mode) bool {
	if d.plan == nil || d.hit || d.plan.class != c || !slices.Contains(modes, d.plan.mode) {
		return false
	}
	if d.seen++; d.seen < d.plan.nth {
		return false
	}
	d.hit, d.open = true, d.opened
	d.hits[struct {
		mode
		class
	}{d.plan.mode, c}]++
	return true
}

// crashNow takes what a power failure would leave, and stops everything.
// Held: mu.
func (d *disk) crashNow() error {
	d.dead = true
	d.image = powerFailure(d.mem, d.rng)
	return errDead
}

// powerFailure returns what is left of a disk: what was synced, and some of
// what was not.
func powerFailure(mem *vfs.MemFS, rng *rand.Rand) *vfs.MemFS {
	percent := [...]int{0, 0, 100, 50, 90}[rng.IntN(5)]
	return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
}

// before is asked before every operation.
func (d *disk) before(op errorfs.Op) error {
	err, pause := d.fate(classOf(op.Kind, op.Path))
	if pause {
		time.Sleep(2 * time.Second)
	}
	return err
}

func (d *disk) fate(c class) (err error, pause bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return errDead, false
	case d.strike(c, slowSync):
		return nil, true
	case d.strike(c, crash):
		return d.crashNow(), false
	case d.strike(c, diskFull):
		d.full = true
		return errFull, false
	case d.strike(c, failOnce, failOn):
		return errIO, false
	case d.full && (c.op == "write" || c.op == "create"):
		return errFull, false
	case d.hit && d.plan.mode == failOn && d.plan.class == c:
		return errIO, false
	}
	return nil, false
}

// after is asked after every operation that succeeded.
func (d *disk) after(c class) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return errDead
	case d.strike(c, crashLate):
		return d.crashNow()
	case d.strike(c, failLate):
		return errIO
	}
	return nil
}

// torn reports whether a write is to be left half done.
func (d *disk) torn(c class) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.strike(c, failTorn)
}

// struck reports whether the planned fault was one of op on a kind of file and
// has come true since the store was opened.
func (d *disk) struck(file string, ops ...string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hit && d.open && d.plan.mode != slowSync && (d.plan.file == file || d.plan.mode == diskFull) && slices.Contains(ops, d.plan.op)
}

// ready arms the disk when a store is open, unless its fault has struck before.
func (d *disk) ready(plan *fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = true
	if !d.hit {
		d.plan = plan
	}
}

func (d *disk) crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// heal makes the disk a good one again.
func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.hit, d.full = nil, false, false
}

// lateFS fails operations after, or while, they are done, which errorfs can
// not.
type lateFS struct {
	vfs.FS
	disk *disk
}

func (fs *lateFS) file(f vfs.File, path, op string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	if err := fs.disk.after(class{op, fileKind(path)}); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &lateFile{f, fs.disk, path}, nil
}

// Create implements vfs.FS.
func (fs *lateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.file(f, name, "create", err)
}

// OpenReadWrite implements vfs.FS.
func (fs *lateFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, opts...)
	return fs.file(f, name, "open", err)
}

// ReuseForWrite implements vfs.FS.
func (fs *lateFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, c)
	return fs.file(f, newname, "create", err)
}

// OpenDir implements vfs.FS.
func (fs *lateFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.file(f, name, "open", err)
}

// Rename implements vfs.FS.
func (fs *lateFS) Rename(oldname, newname string) error {
	if err := fs.FS.Rename(oldname, newname); err != nil {
		return err
	}
	return fs.disk.after(class{"rename", fileKind(oldname)})
}

// Remove implements vfs.FS.
func (fs *lateFS) Remove(name string) error {
	if err := fs.FS.Remove(name); err != nil {
		return err
	}
	return fs.disk.after(class{"remove", fileKind(name)})
}

type lateFile struct {
	vfs.File
	disk *disk
	path string
}

// Write implements vfs.File.
func (f *lateFile) Write(p []byte) (int, error) {
	return f.write(classOf(errorfs.OpFileWrite, f.path), p, f.File.Write)
}

// WriteAt implements vfs.File.
func (f *lateFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write(classOf(errorfs.OpFileWriteAt, f.path), p, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
}

func (f *lateFile) write(c class, p []byte, do func([]byte) (int, error)) (int, error) {
	if f.disk.torn(c) {
		n, _ := do(p[:len(p)/2])
		return n, errIO
	}
	n, err := do(p)
	if err == nil {
		err = f.disk.after(c)
	}
	return n, err
}

// Sync implements vfs.File.
func (f *lateFile) Sync() error { return f.synced(errorfs.OpFileSync, f.File.Sync()) }

// SyncData implements vfs.File.
func (f *lateFile) SyncData() error { return f.synced(errorfs.OpFileSyncData, f.File.SyncData()) }

// SyncTo implements vfs.File.
func (f *lateFile) SyncTo(length int64) (full bool, err error) {
	full, err = f.File.SyncTo(length)
	return full, f.synced(errorfs.OpFileSyncTo, err)
}

func (f *lateFile) synced(op errorfs.OpKind, err error) error {
	if err != nil {
		return err
	}
	return f.disk.after(classOf(op, f.path))
}
