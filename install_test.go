package kahuna

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"kahuna/internal/node"
	"kahuna/internal/raftlog"
	"kahuna/internal/store"
)

// snapshotOf makes a store, runs sources in it one after the other, and returns
// its rows with their place in its log.
func snapshotOf(t *testing.T, sources ...string) (at raftlog.Mark, rows func(add func(key, value []byte) error) error) {
	t.Helper()
	fs := vfs.NewMem()
	makeStore(t, fs, sources...)
	st, err := store.Open(store.Options{FS: fs, Dir: "db/rows"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	l, err := raftlog.Open(raftlog.Options{FS: fs, Dir: "db/log"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if at.Index, _, err = st.Applied(1); err == nil {
		at.Term, err = l.Group(1).Term(at.Index)
	}
	if err != nil {
		t.Fatal(err)
	}
	return at, func(add func(key, value []byte) error) error {
		_, err := st.Export(add)
		return err
	}
}

func makeStore(t *testing.T, fs vfs.FS, sources ...string) {
	t.Helper()
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		mustRun(t, db, source, nil, nil)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// crashImages calls do with the disk, and returns what a crash would leave of it
// at every sync and every change of a name, in their order.
func crashImages(disk *vfs.MemFS, rng *rand.Rand, do func(vfs.FS) error) (images []*vfs.MemFS, err error) {
	var mu sync.Mutex
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename, errorfs.OpCreate,
			errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpMkdirAll:
			mu.Lock()
			defer mu.Unlock()
			images = append(images, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: [...]int{0, 50, 90}[rng.IntN(3)], RNG: rng}))
		}
		return nil
	}))
	err = do(fs)
	mu.Lock()
	defer mu.Unlock()
	return images, err
}

// stateAfterInstall opens a store that a crash left, says what is in it, and
// that it takes writes, also after another Open.
func stateAfterInstall(fs vfs.FS) (state string, err error) {
	for n := range 2 {
		db, err := open("db", crashOptions(fs, false))
		if err != nil {
			return "", err
		}
		res, err := db.Run(context.Background(), "let s = concat(get a, ' ', get b ?? 'none', ' ', get c ?? 'none'); set w (to_int(get w ?? 0) + 1); return [s, get w]", nil, nil)
		if err != nil {
			return "", err
		}
		state = res.Entries[0].Value
		if want := fmt.Sprint(n + 1); res.Entries[1].Value != want {
			return "", fmt.Errorf("write %s reads %s", want, res.Entries[1].Value)
		}
		if err := db.Close(); err != nil {
			return "", err
		}
	}
	return state, nil
}

// TestInstallCrash crashes the installing of a snapshot at every step, and what
// the next Open does of it too: the store opens with all of the old rows or all
// of the new ones, with the new ones as soon as the intent is there, and writes
// on behind them (Invariant SNAP-1).
func TestInstallCrash(t *testing.T) {
	const before, after = "old gone none", "new none kept"
	at, rows := snapshotOf(t, "set a 1", "set a 2", "set c 'x'", "set c 'kept'", "set a 'new'")
	var none, intended, whole, again int
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 8))
		disk := vfs.NewCrashableMem()
		makeStore(t, disk, "set a 'old'; set b 'gone'")
		images, err := crashImages(disk, rng, func(fs vfs.FS) error {
			return node.Install(node.Options{FS: fs, Dir: "db", SegmentBytes: 64 << 10, MemTableBytes: 64 << 10}, at, rows)
		})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, disk.CrashClone(vfs.CrashCloneCfg{}))
		for i, image := range images {
			_, err := image.Stat("db/rows.install")
			intent := err == nil
			var inner []*vfs.MemFS
			if intent && again < 400 {
				inner, err = crashImages(image.CrashClone(vfs.CrashCloneCfg{}), rng, func(fs vfs.FS) error {
					_, err := stateAfterInstall(fs)
					return err
				})
				if err != nil {
					t.Errorf("seed %d, image %d: %v", seed, i, err)
				}
			}
			got, err := stateAfterInstall(image)
			switch {
			case err != nil || got != before && got != after:
				t.Errorf("seed %d, image %d of %d, intent %v: %q, %v", seed, i, len(images), intent, got, err)
			case got == before && (intent || whole > 0 || i == len(images)-1):
				t.Errorf("seed %d, image %d of %d: the old rows, with intent %v", seed, i, len(images), intent)
			case intent:
				intended++
			case got == after:
				whole++
			default:
				none++
			}
			for k, image := range inner {
				again++
				db, err := open("db", crashOptions(image, false))
				if err != nil {
					t.Errorf("seed %d, image %d.%d of %d: %v", seed, i, k, len(inner), err)
					continue
				}
				if got := mustRun(t, db, "return get a", nil, nil).Text(); got != "new" {
					t.Errorf("seed %d, image %d.%d of %d: %s", seed, i, k, len(inner), got)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		whole = 0
	}
	t.Logf("images: %d before the intent, %d with it, %d crashed again", none, intended, again)
	if none < 20 || intended < 10 || again < 50 {
		t.Error("this proved too little")
	}
}

// TestInstallRefused: a snapshot that is older than the rows, one whose rows are
// elsewhere in the log, and one that breaks off, leave the store as it was.
func TestInstallRefused(t *testing.T) {
	// Each Open below adds an entry to the log.
	at, rows := snapshotOf(t, slices.Repeat([]string{"set a 'new'"}, 20)...)
	fs := vfs.NewMem()
	makeStore(t, fs, "set a 'old'")
	options := node.Options{FS: fs, Dir: "db", SegmentBytes: 64 << 10, MemTableBytes: 64 << 10}
	broken := fmt.Errorf("connection reset")
	for what, tt := range map[string]struct {
		at   raftlog.Mark
		rows func(add func(key, value []byte) error) error
		want string
	}{
		"older":      {raftlog.Mark{Index: 2, Term: 2}, rows, "is older than the rows"},
		"elsewhere":  {raftlog.Mark{Index: at.Index + 5, Term: 2}, rows, "has rows at"},
		"broken off": {at, func(add func(key, value []byte) error) error { return broken }, broken.Error()},
	} {
		if err := node.Install(options, tt.at, tt.rows); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", what, err)
		}
		db, err := open("db", crashOptions(fs, false))
		if err != nil {
			t.Fatal(err)
		}
		if got := mustRun(t, db, "return get a", nil, nil).Text(); got != "old" {
			t.Errorf("%s: a is %s", what, got)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat("db/rows.received"); err == nil {
			t.Errorf("%s: Open left rows that were not received", what)
		}
	}
}
