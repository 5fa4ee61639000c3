package kahuna

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStrangers: a log is opened with the rows it belongs to, and with no
// others, whichever of the two is older and whether or not they were ever
// written to. Nothing is lost by trying.
func TestStrangers(t *testing.T) {
	top := t.TempDir()
	dir := func(name string) string { return filepath.Join(top, name) }
	create := func(name, sources string) {
		db, err := Open(dir(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		if sources != "" {
			mustRun(t, db, sources, nil, nil)
		}
		if name == "busy" {
			stream, _ := backup(t, db)
			if _, err := Restore(dir("restored"), bytes.NewReader(stream), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	create("busy", "set k 'busy'")
	create("other", "set k 'other'")
	create("unused", "")
	swap := func(a, b string) {
		t.Helper()
		for _, move := range [][2]string{{a, "kept"}, {b, a}, {"kept", b}} {
			from, to := filepath.Join(dir(move[0]), "log"), filepath.Join(dir(move[1]), "log")
			if move[0] == "kept" {
				from = dir("kept")
			}
			if move[1] == "kept" {
				to = dir("kept")
			}
			if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	for _, pair := range [][2]string{{"busy", "other"}, {"busy", "unused"}, {"restored", "busy"}} {
		swap(pair[0], pair[1])
		for _, name := range pair[:] {
			if name == "busy" && pair[0] == "restored" {
				continue // a restored store had no log yet
			}
			_, err := Open(dir(name), nil)
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeCorrupt || e.Key != dir(name) ||
				!strings.Contains(e.Message, "its log is that of another store") || !strings.Contains(e.Hint, filepath.Join(dir(name), "log")) {
				t.Errorf("rows of %s with the log of the other of %v: %v", name, pair, err)
			}
		}
		swap(pair[0], pair[1])
	}
	for name, want := range map[string]string{"busy": "busy", "other": "other", "restored": "busy", "unused": "null"} {
		db, err := Open(dir(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustRun(t, db, "return get k ?? 'null'", nil, nil).Text(); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
