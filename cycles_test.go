package kahuna

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var flagCycles = flag.Int("cycles", 60, "how often TestOpenAndClose opens a store")

// segments counts the files of the log of the store.
func segments(t *testing.T, fs vfs.FS, dir string) (n int) {
	t.Helper()
	names, err := fs.List(fs.PathJoin(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".rlog") || strings.HasSuffix(name, ".tmp") {
			n++
		}
	}
	return n
}

// TestOpenAndClose: a store that is opened and closed again and again, with a
// write in between or none, keeps a few files of its log only.
func TestOpenAndClose(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	for i := range *flagCycles {
		db, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := db.Set(ctx, "n", fmt.Sprint(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		wantValue(t, db, "n", fmt.Sprint(i/2*2))
		if open := db.Stats().LogBytes; open > 1<<20 {
			t.Fatalf("after %d cycles: the log has %d bytes", i+1, open)
		}
		closeStore(t, db)
		if n := segments(t, vfs.Default, dir); n > 1 {
			t.Fatalf("after %d cycles: %d segments in a closed store", i+1, n)
		}
	}
}

// crashSegmentsMax is above the number of files at which Open shortens the log:
// those are removed behind its back.
const crashSegmentsMax = 12

// TestOpenAndCrash: so does one that is never closed but killed each time.
func TestOpenAndCrash(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewCrashableMem()
	for i := range *flagCycles {
		db, err := open("db", &Options{fs: mem})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			wantValue(t, db, "n", fmt.Sprint(i-1))
		}
		if _, err := db.Set(ctx, "n", fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
		image := mem.CrashClone(vfs.CrashCloneCfg{})
		closeStore(t, db)
		mem = image
		if n := segments(t, mem, "db"); n > crashSegmentsMax {
			t.Fatalf("after %d crashes: %d segments", i+1, n)
		}
	}
}
