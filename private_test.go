//go:build unix

package kahuna

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

// checkPrivate finds what other users could read below dir, and returns how
// many files there are.
func checkPrivate(t *testing.T, when, dir string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an open store removes files
		}
		if err != nil {
			return err
		}
		files++
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s: %s has mode %v, want %v", when, path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestFilesArePrivate: no other user can read what a store and a restore make,
// the directories above it included.
func TestFilesArePrivate(t *testing.T) {
	// What t.TempDir makes is not ours.
	outer := filepath.Join(t.TempDir(), "outer")
	dir := filepath.Join(outer, "store")
	db := openTest(t, dir, &Options{segment: 64 << 10, MemTableBytes: 64 << 10})
	fillUp(t, db)
	if n := checkPrivate(t, "while it is open", outer); n < 12 {
		t.Errorf("there were %d files only", n)
	}
	stream, _ := backup(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	checkPrivate(t, "after Close", outer)
	db = openTest(t, dir, nil)
	checkPrivate(t, "when it was opened again", outer)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	outer = filepath.Join(t.TempDir(), "outer")
	dir = filepath.Join(outer, "restored")
	if _, err := Restore(dir, bytes.NewReader(stream), nil); err != nil {
		t.Fatal(err)
	}
	checkPrivate(t, "after Restore", outer)
}
