package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/kv"
	"kahuna/internal/store"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "missing")
	s, err := store.Open(store.Options{Dir: dir, HistoryRevisions: -1})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, 7, put("a/b", "v", 7), put("big", strings.Repeat("b", 5000), 7))
	if err := s.SetMeta("node", []byte("n1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
	s, err = store.Open(store.Options{Dir: dir, HistoryRevisions: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if index, time, err := s.Applied(1); index != 1 || time != 7 || err != nil {
		t.Fatal(index, time, err)
	}
	if n := s.FlushedIndex(1); n != 1 {
		t.Fatalf("flushed index %d after a clean reopen", n)
	}
	if row, ok, err := s.Get("big"); !ok || err != nil || len(row.Value) != 5000 {
		t.Fatal(len(row.Value), ok, err)
	}
	if v, err := s.Meta("node"); string(v) != "n1" || err != nil {
		t.Fatal(v, err)
	}
	if m := s.Metrics(); m.Rows != 2 || m.DiskBytes == 0 || m.MemTableBytes == 0 {
		t.Fatalf("%+v", m)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "."), link} {
		_, err = store.Open(store.Options{Dir: name})
		var locked *store.LockedError
		if !errors.As(err, &locked) || locked.Dir != s.Dir() || locked.Detail == "" {
			t.Fatalf("opened twice, as %s: %v", name, err)
		}
	}
	apply(t, s, 1, put("k", "", 1)) // the first one is none the worse
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(store.Options{Dir: dir}); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// What is not a lock held by somebody is not called one.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var locked *store.LockedError
	if _, err := store.Open(store.Options{Dir: file}); err == nil || errors.As(err, &locked) {
		t.Fatalf("a file for a directory: %v", err)
	}
	if _, err := store.Open(store.Options{}); err == nil {
		t.Fatal("opened without a directory")
	}
}

// quiet is a pebble.Logger.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(format) }

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct {
		key, value string
		found      uint64
	}{
		"newer":   {"Rv\x00\x00\x00\x00\x00\x00\x00\x00", "\x07", 7},
		"foreign": {"something", "else", 0},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			db, err := pebble.Open("db", &pebble.Options{FS: fs, Logger: quiet{}, FormatMajorVersion: pebble.FormatTableFormatV6})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Set([]byte(c.key), []byte(c.value), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			var format *store.FormatError
			for range 2 { // a refusal changes nothing
				_, err = store.Open(store.Options{FS: fs, Dir: "db"})
				if !errors.As(err, &format) || format.Found != c.found || format.Want != store.FormatVersion {
					t.Fatalf("%v", err)
				}
			}
		})
	}
}

func TestClosed(t *testing.T) {
	s := openMem(t, vfs.NewMem(), -1)
	apply(t, s, 1, put("k", "", 1))
	visiting, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-visiting
		closed <- s.Close()
	}()
	// Close waits for the scan, and the scan's own calls are refused instead of
	// waiting for Close.
	err := s.Scan(true, "", func(string, kv.Row) error {
		close(visiting)
		for {
			if _, _, err := s.Get("k"); err != nil {
				return err
			}
		}
	})
	if err != store.ErrClosed {
		t.Fatalf("Get while closing: %v", err)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	none := func(string, kv.Row) error { return nil }
	for name, call := range map[string]func() error{
		"Get":      func() error { _, _, err := s.Get("k"); return err },
		"At":       func() error { _, _, err := s.At("k", 0); return err },
		"Versions": func() error { return s.Versions("k", func(kv.Row) bool { return true }) },
		"Scan":     func() error { return s.Scan(true, "", none) },
		"Apply":    func() error { return s.Apply(1, 2, nil) },
		"Applied":  func() error { _, _, err := s.Applied(1); return err },
		"Flush":    s.Flush,
		"Dying":    func() error { return s.Dying(1, store.DyingCursor{}, 1, nil) },
		"OldVersions": func() error {
			_, err := s.OldVersions(1, "", 1, nil)
			return err
		},
		"Result":       func() error { _, _, err := s.Result("k"); return err },
		"OldResults":   func() error { return s.OldResults(kv.Period{To: 1}, 1, nil) },
		"ConfState":    func() error { _, err := s.ConfState(1); return err },
		"SetConfState": func() error { return s.SetConfState(1, 1, nil) },
		"Meta":         func() error { _, err := s.Meta("x"); return err },
		"SetMeta":      func() error { return s.SetMeta("x", nil) },
	} {
		if err := call(); err != store.ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m := s.Metrics(); m != (store.Metrics{}) {
		t.Errorf("Metrics: %+v", m)
	}
	s.FlushedIndex(1)
	s.Horizon()
}

// Readers see whole versions of a key that is overwritten and purged all the
// time, whose value is sometimes in its own row.
func TestConcurrentReaders(t *testing.T) {
	s := openMem(t, vfs.NewMem(), 2)
	defer s.Close()
	const key = "a/b"
	values := []string{strings.Repeat("0", 10), strings.Repeat("1", 3000)}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			check := func(_ string, r kv.Row) error {
				if r.Value != values[r.Revision%2] {
					t.Errorf("revision %d has a value of %d bytes", r.Revision, len(r.Value))
				}
				return nil
			}
			for {
				select {
				case <-done:
					return
				default:
				}
				if r, ok, err := s.Get(key); err != nil {
					t.Error(err)
				} else if ok {
					check(key, r)
				}
				if err := s.Scan(false, "a", check); err != nil {
					t.Error(err)
				}
				newer := int64(1 << 40)
				err := s.Versions(key, func(r kv.Row) bool {
					if r.Revision >= newer {
						t.Errorf("revision %d after %d", r.Revision, newer)
					}
					newer = r.Revision
					check(key, r)
					return true
				})
				if err != nil {
					t.Error(err)
				}
				s.FlushedIndex(1)
				s.Metrics()
			}
		})
	}
	prev := int64(-1)
	for i := range 2000 {
		if i%300 == 299 {
			apply(t, s, 1, kv.Op{Kind: kv.Purge, Key: key})
			prev = -1
			continue
		}
		op := next(key, values[(prev+1)%2], prev, 1)
		op.Row.NoRev = i%3 == 0
		apply(t, s, 1, op)
		prev++
	}
	close(done)
	readers.Wait()
}
