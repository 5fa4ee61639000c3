package kahuna

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDamagedTable: a table of the rows with a byte changed is named as damage,
// by Open or by the first call that meets it, in one line that names the file.
func TestDamagedTable(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := db.Set(ctx, fmt.Sprint("k", i), strings.Repeat("v", 500), nil); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, db)
	names, err := fs.List("db/rows")
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			damage(t, fs, "db/rows/"+name)
			damaged++
		}
	}
	if damaged == 0 {
		t.Fatalf("no tables among %v", names)
	}
	db, err = open("db", crashOptions(fs, false))
	if err == nil {
		for i := 0; i < 100 && err == nil; i++ {
			_, _, err = db.Get(ctx, fmt.Sprint("k", i))
		}
		_ = db.Close()
	}
	if !errors.Is(err, ErrCorrupt) || strings.ContainsAny(err.Error(), "\n<") || !strings.Contains(err.Error(), "0000") {
		t.Errorf("got %v, want ErrCorrupt in a line that names the file", err)
	}
}

// damage changes a few bytes near the beginning of a file.
func damage(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	for i := 20; i < 60; i++ {
		data[i] ^= 0xff
	}
	out, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestMissingLog: rows whose log is gone, or is that of another time, are no
// store; the error names the directory and says what to do.
func TestMissingLog(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	write := func() {
		db, err := open("db", crashOptions(fs, false))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := db.Set(ctx, "k", "v", nil); err != nil {
				t.Fatal(err)
			}
		}
		closeStore(t, db)
	}
	write()
	if _, err := vfs.Clone(fs, fs, "db/log", "old"); err != nil {
		t.Fatal(err)
	}
	write()
	for _, state := range []string{"no log", "an old log"} {
		if err := fs.RemoveAll("db/log"); err != nil {
			t.Fatal(err)
		}
		if state == "an old log" {
			if _, err := vfs.Clone(fs, fs, "old", "db/log"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the first try must not begin a log that the second finds
			_, err := open("db", crashOptions(fs, false))
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrCorrupt) || !strings.Contains(e.Message, "of its log are missing") ||
				!strings.Contains(e.Hint, "db/log") || !strings.Contains(e.Hint, "backup") {
				t.Errorf("%s: %v", state, err)
			}
		}
	}
}
