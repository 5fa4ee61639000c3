package kahuna

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// errNoSpace is what a full disk says.
var errNoSpace error = &os.PathError{Op: "write", Path: "somewhere", Err: syscall.ENOSPC}

// smallDisk is a disk that takes so many writes until it is full. Files can
// still be removed, renamed and synced then, and locked if they are there.
type smallDisk struct {
	vfs.FS
	left atomic.Int64
}

func newSmallDisk(mem vfs.FS, left int64) *smallDisk {
	d := &smallDisk{}
	d.left.Store(left)
	d.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate, errorfs.OpMkdirAll, errorfs.OpLink:
			if d.left.Add(-1) < 0 {
				return errNoSpace
			}
		}
		return nil
	}))
	return d
}

// files returns the names and contents of all files, without locks.
func files(t testing.TB, fs vfs.FS, dir string) string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			b.WriteString(files(t, fs, path))
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %x\n", path, len(data), crc32.ChecksumIEEE(data))
	}
	return b.String()
}

// TestDiskFull fills the disk at every write in turn: while scripts run, and
// then again while the store opens. Each time the store says so, reads go on,
// and once there is space nothing acknowledged is lost.
func TestDiskFull(t *testing.T) {
	ctx := context.Background()
	stopped := 0
	for n := int64(0); n < 150; n += 21 {
		mem := vfs.NewMem()
		disk := newSmallDisk(mem, 1<<40)
		db, err := open("db", crashOptions(disk, false))
		if err != nil {
			t.Fatal(err)
		}
		disk.left.Store(n)
		acked, sent := 0, 0
		for err == nil && sent < 200 {
			sent++
			if _, err = db.Run(ctx, "set n @i; set (concat('pad/', @i)) repeat(concat(@i, 'x'), 500)", Params{"i": sent}, nil); err == nil {
				acked = sent
			}
		}
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(e.Message, "no space left") ||
			e.Code == CodeStorage != (e.Outcome == NotApplied) || e.Code != CodeStorage && e.Code != CodeOutcomeUnknown {
			t.Fatalf("write %d: %v", n, err)
		}
		readable(t, db, acked, sent)
		_ = db.Close()

		// As full as it is it opens to be read, and changes nothing.
		before := files(t, mem, "db")
		if db, err = open("db", crashOptions(disk, false)); err != nil {
			t.Fatalf("write %d: opening on a full disk: %v", n, err)
		}
		readable(t, db, acked, sent)
		if _, err := db.Run(ctx, "set n 0", nil, nil); !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "the disk was full when it was opened") {
			t.Errorf("write %d: a write: %v", n, err)
		}
		if err := db.Err(); !errors.Is(err, ErrStorage) {
			t.Errorf("write %d: Err is %v", n, err)
		}
		var b bytes.Buffer
		if _, err := db.Backup(ctx, &b); err != nil {
			t.Errorf("write %d: backup: %v", n, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if after := files(t, mem, "db"); after != before {
			t.Errorf("write %d: opening to read changed\n%s\nto\n%s", n, before, after)
		}
		if twin, _ := restored(t, b.Bytes(), nil); !t.Failed() {
			readable(t, twin, acked, sent)
		}

		// It fills up again while it opens.
		for m := int64(1); m < 40; m += 5 {
			disk.left.Store(m)
			if db, err = open("db", crashOptions(disk, false)); err != nil {
				t.Fatalf("write %d, then %d: %v", n, m, err)
			}
			readable(t, db, acked, sent)
			if db.node.Err() != nil {
				stopped++
			}
			_ = db.Close()
		}
		disk.left.Store(1 << 40)
		if db, err = open("db", crashOptions(disk, false)); err != nil {
			t.Fatalf("write %d: with space again: %v", n, err)
		}
		readable(t, db, acked, sent)
		if _, err := db.Run(ctx, "set n 0", nil, nil); err != nil || db.Err() != nil {
			t.Error(err, db.Err())
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if stopped < 20 {
		t.Errorf("only %d times the disk was full while opening: this proved too little", stopped)
	}
}

// readable checks that everything acknowledged can be read, and at most what
// was sent.
func readable(t *testing.T, db *DB, acked, sent int) {
	t.Helper()
	res, err := db.Run(context.Background(), "return [get n ?? 0, count(get by bucket pad)]", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var n, pads int
	if _, err := fmt.Sscan(res.Entries[0].Value, &n); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(res.Entries[1].Value, &pads); err != nil {
		t.Fatal(err)
	}
	if n != pads || n < acked || n > sent {
		t.Fatalf("n = %d and %d pads are there; %d were acknowledged, %d sent", n, pads, acked, sent)
	}
}

// TestDiskFullWithoutStore: where there is nothing to read, opening fails, with
// advice, and leaves what can be opened later.
func TestDiskFullWithoutStore(t *testing.T) {
	for n := int64(0); ; n++ {
		disk := newSmallDisk(vfs.NewMem(), n)
		db, err := open("db", crashOptions(disk, false))
		if err == nil {
			_ = db.Close()
			if disk.left.Load() >= 0 {
				break // enough
			}
		} else if !errors.Is(err, ErrStorage) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some space, then open the store again") {
			t.Errorf("write %d: %v", n, err)
		}
		disk.left.Store(1 << 40)
		if db, err = open("db", crashOptions(disk, false)); err != nil {
			t.Fatalf("write %d: later: %v", n, err)
		}
		mustRun(t, db, "set k 1", nil, nil)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReadOnlyDirectory: a directory that cannot be written to is refused with
// advice, and is not said to be in use.
func TestReadOnlyDirectory(t *testing.T) {
	mem := vfs.NewMem()
	db, err := open("db", crashOptions(mem, false))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := mem.Create("db/owner", vfs.WriteCategoryUnspecified) // of a process that crashed
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.WriteString(f, "process 1 (init) on host since ever\n"); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
	for _, cause := range []error{syscall.EROFS, syscall.EACCES} {
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
				return &os.PathError{Op: "open", Path: op.Path, Err: cause}
			}
			return nil
		}))
		_, err := open("db", crashOptions(fs, false))
		if !errors.Is(err, ErrStorage) || errors.Is(err, ErrInUse) ||
			!strings.Contains(err.Error(), cause.Error()+"; this process must be able to write to the directory and the files in it") {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

// TestInUse: a second process is told which one has the store; also when it has
// no place to say so, and also through another name of the directory. The
// attempt takes nothing from the first.
func TestInUse(t *testing.T) {
	if dir := os.Getenv("KAHUNA_TEST_OPEN"); dir != "" { // the second process
		db, err := Open(dir, nil)
		if err == nil {
			err = db.Close()
		}
		fmt.Println("answer:", errors.Is(err, ErrInUse), err)
		return
	}
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, nil)
	other := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestInUse$")
		cmd.Env = append(os.Environ(), "KAHUNA_TEST_OPEN="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, answer, _ := strings.Cut(string(out), "answer: ")
		answer, _, _ = strings.Cut(answer, "\n")
		return answer
	}
	want := fmt.Sprintf("is in use by process %d (%s) on ", os.Getpid(), os.Args[0])
	if got := other(); !strings.HasPrefix(got, "true ") || !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, link, dir + "/.", filepath.Join(filepath.Dir(dir), "x", "..", "data")} {
		if _, err := Open(name, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "owner")); err != nil {
		t.Fatal(err)
	}
	if got := other(); !strings.HasPrefix(got, "true ") || !strings.Contains(got, "is in use by another process; close the other process") {
		t.Error(got)
	}
	mustRun(t, db, "set k 1", nil, nil)
}

// TestFutureFormat: whatever part of a store a later program has written, it is
// refused with what to do, and nothing is changed.
func TestFutureFormat(t *testing.T) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	patch := func(t *testing.T, name string, change func([]byte)) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		change(data)
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string)
		want   []string
	}{
		"log": {func(t *testing.T, dir string) {
			all, err := filepath.Glob(filepath.Join(dir, "log", "*.rlog"))
			if err != nil || len(all) == 0 {
				t.Fatal(all, err)
			}
			patch(t, all[len(all)-1], func(b []byte) {
				binary.LittleEndian.PutUint32(b[8:], 99)
				binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
			})
		}, []string{"has format version 99, this program knows version 1", "open the data with the release that wrote it, or a newer one"}},
		"rows": {func(t *testing.T, dir string) {
			db, err := pebble.Open(filepath.Join(dir, "rows"), &pebble.Options{FormatMajorVersion: pebble.FormatTableFormatV6, Logger: quietLogger{}})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Set([]byte("Rv\x00\x00\x00\x00\x00\x00\x00\x00"), []byte{99}, pebble.Sync)
			if err = errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}, []string{"has format version 99, this program knows 3", "use the newer program that wrote it"}},
		"Pebble": {func(t *testing.T, dir string) {
			all, err := filepath.Glob(filepath.Join(dir, "rows", "marker.format-version.*"))
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			later := filepath.Join(dir, "rows", "marker.format-version.000099.999")
			if err := os.Rename(all[0], later); err != nil {
				t.Fatal(err)
			}
		}, []string{"rows", "format", "999", "open the data with the release that wrote it, or a newer one"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			mustRun(t, db, "set k 1", nil, nil)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			tt.change(t, dir)
			for range 2 {
				_, err := Open(dir, nil)
				if !errors.Is(err, ErrStorage) {
					t.Fatalf("%v", err)
				}
				for _, part := range tt.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%v: says nothing of %q", err, part)
					}
				}
			}
		})
	}
}

type quietLogger struct{}

func (quietLogger) Infof(string, ...any)              {}
func (quietLogger) Errorf(string, ...any)             {}
func (quietLogger) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// TestForeignDirectory: a directory with somebody's files in it is no place for
// a new store, and nothing is left there; what a file system puts in its root,
// and what an Open or a restore that crashed left, is no reason.
func TestForeignDirectory(t *testing.T) {
	put := func(dir string, names ...string) {
		for _, name := range names {
			path := filepath.Join(dir, name)
			err := os.MkdirAll(filepath.Dir(path), 0o777)
			if err == nil {
				err = os.WriteFile(path, []byte("of somebody"), 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, advice := range map[string]string{
		"notes.txt":      "name the directory of a store, or one that is empty or does not exist",
		".hidden":        "name the directory of a store",
		"log/000001.log": "its rows are missing: restore it from a backup",
	} {
		dir := t.TempDir()
		put(dir, name)
		_, err := Open(dir, nil)
		what, _, _ := strings.Cut(name, "/")
		want := fmt.Sprintf("open %s: this is no store, and not empty: it has %s", dir, what)
		if !errors.Is(err, &Error{Code: CodeBadRequest}) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: %v", name, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s: left %v, %v", name, entries, err)
		}
	}
	dir := t.TempDir()
	put(dir, "lost+found/x", "LOCK", "owner", "rows.new/CURRENT")
	for range 2 {
		db := openTest(t, dir, nil)
		mustRun(t, db, "set k 1", nil, nil)
		closeStore(t, db)
		put(dir, "notes.txt") // beside a store that is there it harms nobody
	}
}
