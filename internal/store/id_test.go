package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestID: a store keeps the ID it was made with; one that was made before there
// were IDs gets one that a crash does not take (Invariant STORE-5).
func TestID(t *testing.T) {
	fs := vfs.NewCrashableMem()
	open := func(id uint64) *Store {
		t.Helper()
		s, err := Open(Options{FS: fs, Dir: "db", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(7)
	if s.ID() != 7 {
		t.Errorf("made with ID %d", s.ID())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(8)
	if s.ID() != 7 {
		t.Errorf("opened again with ID %d", s.ID())
	}
	if err := s.db.Delete(metaKey(metaStore, 0), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(9)
	if s.ID() != 9 {
		t.Errorf("an old store got ID %d", s.ID())
	}
	defer s.Close()
	fs = fs.CrashClone(vfs.CrashCloneCfg{})
	s = open(10)
	if s.ID() != 9 {
		t.Errorf("after a crash it has ID %d", s.ID())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
