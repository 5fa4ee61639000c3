package kahuna

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	stream "kahuna/internal/backup"
)

// backup returns a backup and what it says of itself.
func backup(t testing.TB, db *DB) ([]byte, BackupInfo) {
	t.Helper()
	var b bytes.Buffer
	info, err := db.Backup(context.Background(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if info.Bytes != int64(b.Len()) {
		t.Errorf("Bytes is %d, there are %d", info.Bytes, b.Len())
	}
	return b.Bytes(), info
}

// restored opens the store that Restore makes of a backup.
func restored(t testing.TB, b []byte, o *Options) (*DB, BackupInfo) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	info, err := Restore(dir, bytes.NewReader(b), o)
	if err != nil {
		t.Fatal(err)
	}
	return openTest(t, dir, o), info
}

func mustRun(t testing.TB, db *DB, source string, params Params, o *RunOptions) *Result {
	t.Helper()
	res, err := db.Run(context.Background(), source, params, o)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return res
}

// render shows all of a result that does not depend on how long it took.
func render(res *Result) string {
	s := fmt.Sprint(res.Type, " ", res.Op)
	for _, e := range res.Entries {
		s += fmt.Sprintf(" [%s %v %.8q %v r%d m%d x%d]", e.Key, len(e.Value), e.Value, e.Kind != KindNull, e.Revision, unixMs(e.Modified), unixMs(e.Expires))
	}
	return s
}

// TestBackupRoundTrip compares a store with the one made of its backup: rows,
// revisions, history, times, tombstones, expiry, remembered results, clock.
func TestBackupRoundTrip(t *testing.T) {
	var ms atomic.Int64
	ms.Store(1_790_000_000_000)
	o := &Options{now: func() int64 { return ms.Add(1) }, sweep: time.Hour}
	db := openTest(t, t.TempDir(), o)
	large := strings.Repeat("large ", 1000)
	var at []int64
	for i := range 6 {
		mustRun(t, db, "set k @i; set `dir/sub/k` @i; set big concat(@i, @large) ex 1h; set (concat('n/', @i)) @i", Params{"i": i, "large": large}, nil)
		at = append(at, ms.Load())
	}
	mustRun(t, db, "extend big 2h; delete `dir/sub/k`; set short 1 ex 1s; set once 1 norev; set once 2 norev; eset e 1", nil, nil)
	first := mustRun(t, db, "let n = to_int(get counter) + 1; set counter n; return n", nil, &RunOptions{IdempotencyKey: "count-1"})
	asked := []string{
		"get k", "get big", "get `dir/sub/k`", "get short", "get once", "get counter", "get nothing", "exists k", "exists `dir/sub/k`",
		"get by prefix ''", "get by bucket n", "get k at 0", "get k at 3", "get big at 1", "get `dir/sub/k` at 5", "get once at 0",
	}
	for _, ms := range at {
		for _, key := range []string{"k", "big", "dir/sub/k", "short", "n/3", "nothing"} {
			asked = append(asked, fmt.Sprintf("get %s as of %d", "`"+key+"`", ms))
		}
	}
	ask := func(db *DB) string {
		var b strings.Builder
		for _, source := range asked {
			res, err := db.Run(context.Background(), source, nil, nil)
			if err != nil {
				fmt.Fprintf(&b, "%s: %v\n", source, err)
				continue
			}
			fmt.Fprintf(&b, "%s: %s\n", source, render(res))
		}
		return b.String()
	}
	want := ask(db)
	if strings.Count(want, ": Get ") < 30 {
		t.Fatalf("the questions find too little:\n%s", want)
	}

	stream, info := backup(t, db)
	newest := mustRun(t, db, "get counter", nil, nil).Entries[0].Modified
	if !info.Time.Equal(newest) || info.Rows != 12 || info.Results != 1 || info.Versions < info.Rows+15 ||
		info.Taken.Before(info.Time) || info.Index == 0 || info.RawBytes < 6*6000 || info.Bytes > info.RawBytes {
		t.Errorf("%+v; the newest write was at %v", info, newest)
	}
	mustRun(t, db, "set k 'after the backup'; set late 1", nil, nil)

	// A machine whose clock is behind.
	ms.Store(1_700_000_000_000)
	twin, again := restored(t, stream, o)
	if again != info {
		t.Errorf("restored %+v, backed up %+v", again, info)
	}
	if got := ask(twin); got != want {
		t.Errorf("restored\n%s\nwant\n%s", got, want)
	}
	if res := mustRun(t, twin, "eget e", nil, nil); res.Type != TypeDoesNotExist {
		t.Errorf("an ephemeral row came back: %s", render(res))
	}
	// It goes on where the backup ends.
	repeat := mustRun(t, twin, "let n = to_int(get counter) + 1; set counter n; return n", nil, &RunOptions{IdempotencyKey: "count-1"})
	if render(repeat) != render(first) {
		t.Errorf("repeated: %s, first: %s", render(repeat), render(first))
	}
	mustRun(t, twin, "set k 'on'; set `dir/sub/k` 'again'", nil, nil)
	e := mustRun(t, twin, "get k", nil, nil).Entries[0]
	if e.Revision != 6 || e.Modified.Before(newest) {
		t.Errorf("the next write has revision %d and time %v; the backup has 5 and %v", e.Revision, e.Modified, newest)
	}
	if e := mustRun(t, twin, "get `dir/sub/k`", nil, nil).Entries[0]; e.Revision != 7 {
		t.Errorf("written after its deletion: revision %d", e.Revision)
	}
	if got := mustRun(t, twin, "get k at 5", nil, nil).Entries[0].Value; got != "5" {
		t.Errorf("k at 5 is %q", got)
	}
	// And its own backup is one, too.
	_, info = backup(t, twin)
	if info.Rows != 12 {
		t.Errorf("of the restored: %+v", info)
	}
}

func TestBackupEmpty(t *testing.T) {
	stream, info := backup(t, openTest(t, "", nil))
	if info.Rows != 0 || !info.Time.IsZero() {
		t.Errorf("%+v", info)
	}
	db, _ := restored(t, stream, nil)
	mustRun(t, db, "set k 1", nil, nil)
}

// TestBackupUnderLoad takes backups while scripts move amounts between accounts:
// in each of them the sum is right, and everything is there that was
// acknowledged before it was begun (Invariant BACKUP-2).
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	db := openTest(t, t.TempDir(), nil)
	const accounts, each, rounds = 50, 100, 4
	pad := strings.Repeat("x", 2000)
	for i := range accounts {
		mustRun(t, db, "set (concat('acct/', @i)) @n; set (concat('pad/', @i)) concat(@i, @pad)", Params{"i": i, "n": each, "pad": pad}, nil)
	}
	const writers = 4
	var acked [writers]atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 5))
			for i := int64(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := db.Run(context.Background(), `let a = to_int(get @from); let b = to_int(get @to)
					set @from a - @n; set @to b + @n; set @mine @i`, Params{"from": fmt.Sprint("acct/", rng.IntN(accounts/2)),
					"to": fmt.Sprint("acct/", accounts/2+rng.IntN(accounts/2)), "n": rng.IntN(9), "mine": fmt.Sprint("acked/", g), "i": i}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				acked[g].Store(i)
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	for round := range rounds {
		var before [writers]int64
		for g := range before {
			before[g] = acked[g].Load()
		}
		stream, _ := backup(t, db)
		sent := acked[0].Load() + 1
		twin, _ := restored(t, stream, nil)
		res := mustRun(t, twin, "let s = 0; for v in (get by bucket acct) do let s = s + v end "+
			"return [s, get `acked/0` ?? 0, get `acked/1` ?? 0, get `acked/2` ?? 0, get `acked/3` ?? 0]", nil, nil)
		if got := res.Entries[0].Value; got != fmt.Sprint(accounts*each) {
			t.Errorf("round %d: the sum is %s", round, got)
		}
		for g, n := range before {
			var got int64
			if _, err := fmt.Sscan(res.Entries[1+g].Value, &got); err != nil || got < n || g == 0 && got > sent {
				t.Errorf("round %d: of writer %d are %d scripts there, %d were acknowledged before: %v", round, g, got, n, err)
			}
		}
	}
}

// gatedWriter lets writes through one by one.
type gatedWriter struct {
	io.Writer
	arrived chan struct{} // gets a value when a Write begins
	pass    chan error    // its result
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	w.arrived <- struct{}{}
	if err := <-w.pass; err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// fillUp writes what takes several blocks of a backup.
func fillUp(t testing.TB, db *DB) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 200<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for i := range 8 {
		if _, err := db.Set(context.Background(), fmt.Sprint("noise/", i), string(noise), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupSlowWriter: while a writer takes its time, scripts run, and none of
// what they write is in the backup; when it fails, the error says so, and the
// store is as it was.
func TestBackupSlowWriter(t *testing.T) {
	db := openTest(t, t.TempDir(), nil)
	fillUp(t, db)
	mustRun(t, db, "set k 'before'", nil, nil)
	broken := errors.New("broken pipe")
	for _, fail := range []bool{false, true} {
		var b bytes.Buffer
		w := &gatedWriter{&b, make(chan struct{}), make(chan error)}
		var info BackupInfo
		answer := make(chan error)
		go func() {
			var err error
			info, err = db.Backup(context.Background(), w)
			answer <- err
		}()
		<-w.arrived
		for i := range 300 {
			mustRun(t, db, "set k @i; set (concat('noise/', @i % 8)) 'gone'", Params{"i": i}, nil)
		}
		w.pass <- nil
		var err error
		for writes := 1; ; writes++ {
			select {
			case <-w.arrived:
				if fail && writes == 3 {
					w.pass <- broken
				} else {
					w.pass <- nil
				}
				continue
			case err = <-answer:
			}
			break
		}
		if fail {
			var e *Error
			if !errors.Is(err, ErrBackup) || !errors.Is(err, broken) || !errors.As(err, &e) || e.Outcome != NotApplied ||
				!strings.Contains(err.Error(), "backup: what was to take the backup failed: broken pipe") {
				t.Errorf("%v", err)
			}
			mustRun(t, db, "set k 'after'", nil, nil)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		twin, again := restored(t, b.Bytes(), nil)
		if got := mustRun(t, twin, "get k", nil, nil).Text(); got != "before" || again != info {
			t.Errorf("k is %q, %+v", got, again)
		}
	}
}

// TestBackupEnds: a backup ends with its context and with the store, and Close
// does not wait for a writer that is stuck.
func TestBackupEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithTimeout(context.Background(), -time.Second)
	defer cancelLate()
	db := openTest(t, t.TempDir(), nil)
	fillUp(t, db)
	for want, ctx := range map[error]context.Context{context.Canceled: ctx, context.DeadlineExceeded: late} {
		var e *Error
		if _, err := db.Backup(ctx, io.Discard); !errors.Is(err, want) || !errors.As(err, &e) || e.Code != CodeCanceled {
			t.Errorf("%v, want %v", err, want)
		}
	}
	writes := 0
	if _, err := db.Backup(context.Background(), writerFunc(func(p []byte) (int, error) { writes++; return len(p), nil })); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"cancel", "cancel before the last write", "close"} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var b bytes.Buffer
		w := &gatedWriter{&b, make(chan struct{}), make(chan error)}
		answer := make(chan error)
		go func() {
			_, err := db.Backup(ctx, w)
			answer <- err
		}()
		<-w.arrived
		want := context.Canceled
		switch how {
		case "cancel":
			cancel()
		case "cancel before the last write":
			// Everything has been read by then, or will be at once.
			for range writes - 2 {
				w.pass <- nil
				<-w.arrived
			}
			cancel()
		case "close":
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			want = ErrClosed
		}
		w.pass <- nil
		var err error
		for open := true; open; {
			select {
			case <-w.arrived: // what had been read by then
				w.pass <- nil
			case err = <-answer:
				open = false
			}
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", how, err, want)
		}
	}
	if _, err := db.Backup(context.Background(), io.Discard); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestBackupOfStoppedStore: a store that cannot write any more can still be
// brought to safety, with all that it acknowledged.
func TestBackupOfStoppedStore(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("input/output error")
		}
		return nil
	}))
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 20 {
		mustRun(t, db, "set n @i", Params{"i": i}, nil)
	}
	broken.Store(true)
	if _, err := db.Run(context.Background(), "set n 99", nil, nil); err == nil {
		t.Fatal("the disk did not fail")
	}
	stream, _ := backup(t, db)
	twin, _ := restored(t, stream, nil)
	if got := mustRun(t, twin, "get n", nil, nil).Text(); got != "19" {
		t.Errorf("n is %s", got)
	}
}

// memoryRestore is Restore on a disk in memory.
func memoryRestore(fs vfs.FS, r io.Reader) error {
	_, err := Restore("db", r, crashOptions(fs, false))
	return err
}

// smallBackup is a short backup with rows of all kinds, and what a restored
// store must say.
func smallBackup(t testing.TB) []byte {
	db := openTest(t, "", nil)
	mustRun(t, db, "set a 1", nil, nil)
	mustRun(t, db, "set a 2; set `b/c` 'x' ex 1h; set d 1", nil, &RunOptions{IdempotencyKey: "id"})
	mustRun(t, db, "delete d", nil, nil)
	stream, _ := backup(t, db)
	return stream
}

// checkSmall opens what was made of smallBackup.
func checkSmall(fs vfs.FS) error {
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		return err
	}
	defer db.Close()
	res, err := db.Run(context.Background(), "let v = [get a, get a at 0, get `b/c`, get d ?? 'gone']; set a 3; return v", nil, nil)
	if err != nil {
		return err
	}
	got := ""
	for _, e := range res.Entries {
		got += e.Value + " "
	}
	if got != "2 1 x gone " {
		return fmt.Errorf("restored %q", got)
	}
	return nil
}

// readThrough reads a backup to its end.
func readThrough(b []byte) error {
	r, err := stream.NewReader(bytes.NewReader(b))
	for err == nil {
		_, _, err = r.Next()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// TestRestoreDamaged: whatever byte of a backup changes, wherever it ends, that
// is found; and Restore, tried with some of them, refuses it and leaves nothing.
func TestRestoreDamaged(t *testing.T) {
	good := smallBackup(t)
	if len(good) > 2000 {
		t.Fatalf("%d bytes are too many for this test", len(good))
	}
	fs := vfs.NewMem()
	try := func(bad []byte, what string, n int) {
		err := memoryRestore(fs, bytes.NewReader(bad))
		var e *Error
		if !errors.Is(err, ErrBackup) || !errors.As(err, &e) || e.Op != "restore" || e.Key != "db" || e.Hint == "" || e.Outcome != NotApplied {
			t.Errorf("%s %d: %v", what, n, err)
		}
		if names, err := fs.List("db"); err == nil {
			t.Errorf("%s %d: left %v", what, n, names)
		}
	}
	bad := bytes.Clone(good)
	for i := range good {
		for change := 1; change < 256; change++ {
			bad[i] = good[i] ^ byte(change)
			if err := readThrough(bad); err == nil {
				t.Errorf("byte %d changed by %#x: not found", i, change)
			}
		}
		if err := readThrough(good[:i]); err == nil {
			t.Errorf("cut at %d: not found", i)
		}
		if i%9 == 0 {
			try(bad, "byte", i)
			try(good[:i], "cut at", i)
		}
		bad[i] = good[i]
	}
	if err := readThrough(good); err != nil {
		t.Fatal(err)
	}
	if err := memoryRestore(fs, bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if err := checkSmall(fs); err != nil {
		t.Error(err)
	}
}

// TestRestoreCrash takes images of the disk as a crash would leave it, at every
// sync and every change of a name: none of them has half a store. Before the
// end, a store is not there, or Open refuses the directory and another Restore
// makes it whole; after the end it is there whole (Invariant BACKUP-3).
func TestRestoreCrash(t *testing.T) {
	stream := smallBackup(t)
	var unfinished, none, whole int
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 3))
		mem := vfs.NewCrashableMem()
		var mu sync.Mutex
		var images []*vfs.MemFS
		take := func() {
			percent := [...]int{0, 50, 90}[rng.IntN(3)]
			images = append(images, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
		}
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename, errorfs.OpCreate, errorfs.OpMkdirAll:
				mu.Lock()
				defer mu.Unlock()
				take()
			}
			return nil
		}))
		if err := memoryRestore(fs, bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		finished := len(images)
		for range 3 {
			take()
		}
		for i, image := range images {
			if _, err := image.Stat("db/rows"); err == nil {
				whole++
				if err := checkSmall(image); err != nil {
					t.Errorf("seed %d, image %d of %d: half a store: %v", seed, i, finished, err)
				}
				continue
			}
			if i >= finished {
				t.Errorf("seed %d, image %d: no store after the end", seed, i)
			}
			if _, err := image.Stat("db/rows.restore"); err != nil {
				none++
			} else {
				unfinished++
				if _, err := open("db", crashOptions(image, false)); err == nil || !strings.Contains(err.Error(), "restore the backup again, or remove rows.restore") {
					t.Errorf("seed %d, image %d of %d: opened: %v", seed, i, finished, err)
				}
			}
			if err := memoryRestore(image, bytes.NewReader(stream)); err != nil {
				t.Errorf("seed %d, image %d of %d: restore again: %v", seed, i, finished, err)
			} else if err := checkSmall(image); err != nil {
				t.Errorf("seed %d, image %d of %d: restored again: %v", seed, i, finished, err)
			}
		}
	}
	t.Logf("images: %d unfinished, %d without anything, %d whole", unfinished, none, whole)
	if unfinished < 20 || none == 0 || whole < 6 {
		t.Error("this proved too little")
	}
}

// TestRestoreDiskFails: a disk that fails while restoring is told apart from a
// bad backup, and leaves no store.
func TestRestoreDiskFails(t *testing.T) {
	stream := smallBackup(t)
	for n := int64(1); ; n++ {
		var writes atomic.Int64
		mem := vfs.NewMem()
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemoveAll && writes.Add(1) >= n {
				return errNoSpace
			}
			return nil
		}))
		err := memoryRestore(fs, bytes.NewReader(stream))
		if writes.Load() < n {
			if err != nil || n < 20 {
				t.Errorf("%d writes: %v", n, err)
			}
			return
		}
		if _, stat := mem.Stat("db/rows"); stat == nil && err != nil {
			continue // nothing can be taken back any more
		}
		if err != nil && (!errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "free some space, then restore again; nothing was restored")) {
			t.Errorf("write %d: %v", n, err)
		}
		if err == nil {
			if err := checkSmall(mem); err != nil {
				t.Errorf("write %d failed, and nobody was told: %v", n, err)
			}
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	good := smallBackup(t)
	later := bytes.Clone(good)
	later[8] = 9
	busy := t.TempDir()
	openTest(t, busy, nil)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	closed := t.TempDir()
	if db, err := Open(closed, nil); err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir string
		stream    io.Reader
		is        error
		want      string
	}{
		{"no directory", "", nil, &Error{Code: CodeBadRequest}, "restore: no directory was given"},
		{"no backup", "", strings.NewReader("PK\x03\x04 this is some other file, and longer than a header"), ErrBackup,
			"this is no backup; name a file that DB.Backup or kahuna-cli backup has written; nothing was restored"},
		{"later version", "", bytes.NewReader(later), ErrBackup,
			"the backup has format version 9, this program reads 1; restore it with the release that wrote it, or a newer one; nothing was restored"},
		{"cut off", "", bytes.NewReader(good[:100]), ErrBackup,
			"the backup is cut off at offset 100: its end is missing; copy the backup again, or take another one; nothing was restored"},
		{"read error", "", io.MultiReader(bytes.NewReader(good[:32]), iotest.ErrReader(errors.New("connection reset"))), ErrBackup,
			"reading the backup at offset 32: connection reset; try again from the beginning of the backup; nothing was restored"},
		{"in use", busy, bytes.NewReader(good), ErrInUse, fmt.Sprintf("in use by process %d", os.Getpid())},
		{"a store", closed, bytes.NewReader(good), &Error{Code: CodeBadRequest},
			"is not empty: it has log; name another directory, or move away what is in this one"},
		{"not empty", full, bytes.NewReader(good), &Error{Code: CodeBadRequest}, "is not empty: it has notes.txt; name another directory"},
		{"a file", filepath.Join(full, "notes.txt"), bytes.NewReader(good), ErrStorage, "is a file; a store is a directory"},
	} {
		dir := tt.dir
		if dir == "" && tt.stream != nil {
			dir = filepath.Join(t.TempDir(), "new")
		}
		_, err := Restore(dir, tt.stream, nil)
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if _, stat := os.Stat(dir); tt.dir == "" && stat == nil {
			t.Errorf("%s: the directory was made", tt.name)
		}
	}
	names, err := os.ReadDir(full)
	if err != nil || !slices.ContainsFunc(names, func(e os.DirEntry) bool { return e.Name() == "notes.txt" }) {
		t.Errorf("%v, %v", names, err)
	}
	// An empty directory is as good as none.
	if _, err := Restore(t.TempDir(), bytes.NewReader(good), nil); err != nil {
		t.Error(err)
	}
}

// TestBackupIsBounded backs up many times the memory it may take.
func TestBackupIsBounded(t *testing.T) {
	db := openTest(t, t.TempDir(), nil)
	value := strings.Repeat("0123456789", 10_000)
	for i := range 300 {
		if _, err := db.Set(context.Background(), fmt.Sprint("k/", i), value, nil); err != nil {
			t.Fatal(err)
		}
	}
	longest := 0
	w := writerFunc(func(p []byte) (int, error) {
		longest = max(longest, len(p))
		return len(p), nil
	})
	info, err := db.Backup(context.Background(), w)
	if err != nil || info.RawBytes < 30_000_000 || longest > 1<<20 {
		t.Errorf("%+v in writes of up to %d bytes, %v", info, longest, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
