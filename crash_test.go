package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// The crash tests run a store on a disk in memory and take images of it as a
// power failure would leave it: what was synced, and any part of what was not.
// Each image is opened as a store and must hold exactly a prefix of the scripts
// in their order, at least as long as what had been acknowledged when the
// image was taken (Invariant LOG-1).

const crashKeys = 5

// crashWorld is what the keys must hold after the first n scripts.
type crashWorld struct {
	mu     sync.Mutex
	states []map[string]string // states[n], rendered rows by key
	acked  int
}

func renderRow(value string, revision int64) string { return fmt.Sprintf("r%d %s", revision, value) }

// crashScript makes the next script and the state after it. It always writes
// two keys or more, so that a torn script shows.
func (w *crashWorld) next(rng *rand.Rand, counters map[string]int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.states)
	state := map[string]string{}
	for k, v := range w.states[n-1] {
		state[k] = v
	}
	src := ""
	for _, i := range rng.Perm(crashKeys)[:2+rng.IntN(crashKeys-2)] {
		key := fmt.Sprintf("dir%d/k%d", i%2, i)
		if _, live := state[key]; live && rng.IntN(4) == 0 {
			src += fmt.Sprintf("delete '%s'\n", key)
			counters[key]++
			delete(state, key)
			continue
		}
		size := rng.IntN(40)
		if rng.IntN(20) == 0 {
			size = 3000
		}
		value := fmt.Sprintf("%d:%0*d", n, size, 0)
		src += fmt.Sprintf("set '%s' '%s'\n", key, value)
		rev, ok := counters[key]
		if ok {
			rev++
		}
		counters[key] = rev
		state[key] = renderRow(value, rev)
	}
	w.states = append(w.states, state)
	return src
}

func (w *crashWorld) ack(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = n
}

func (w *crashWorld) progress() (acked, sent int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked, len(w.states) - 1
}

// check opens image and says what is wrong with it. It returns how many
// scripts the image holds.
func (w *crashWorld) check(image vfs.FS, acked, sent int) (int, error) {
	db, err := open("db", crashOptions(image, false))
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	found := map[string]string{}
	for e, err := range db.Prefix(context.Background(), "dir", nil) {
		if err != nil {
			return 0, err
		}
		found[e.Key] = renderRow(e.Value, e.Revision)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := sent; n >= acked; n-- {
		if equalRows(w.states[n], found) {
			// The store goes on where it stopped.
			if _, err := db.Run(context.Background(), "set probe 1", nil, nil); err != nil {
				return n, fmt.Errorf("write after recovery: %w", err)
			}
			return n, nil
		}
	}
	for n := range acked {
		if equalRows(w.states[n], found) {
			return n, fmt.Errorf("lost: the image holds %d scripts, %d were acknowledged", n, acked)
		}
	}
	return 0, fmt.Errorf("torn: the image matches no prefix of the scripts (%d acknowledged, %d sent): %v", acked, sent, found)
}

func equalRows(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func crashOptions(fs vfs.FS, disableSync bool) *Options {
	return &Options{fs: fs, segment: 64 << 10, MemTableBytes: 64 << 10, disableSync: disableSync}
}

// crashRun runs n scripts and checks images taken before every sync, and at
// other operations now and then. It returns how many images it checked, and
// the first violation.
func crashRun(t *testing.T, seed uint64, n int, disableSync bool) (images int, violation error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	imageRNG := rand.New(rand.NewPCG(seed, 2))
	mem := vfs.NewCrashableMem()
	w := &crashWorld{states: []map[string]string{{}}}

	type shot struct {
		fs          vfs.FS
		acked, sent int
	}
	var mu sync.Mutex
	var shots []shot
	ops := 0
	take := func() {
		acked, _ := w.progress()
		percent := [...]int{0, 50, 90}[imageRNG.IntN(3)]
		image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: imageRNG})
		_, sent := w.progress()
		shots = append(shots, shot{image, acked, sent})
	}
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		ops++
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			take()
		default:
			if imageRNG.IntN(40) == 0 {
				take()
			}
		}
		return nil
	}))
	db, err := open("db", crashOptions(fs, disableSync))
	if err != nil {
		t.Fatal(err)
	}
	counters := map[string]int64{}
	verify := func() {
		mu.Lock()
		pending := shots
		shots = nil
		mu.Unlock()
		for _, s := range pending {
			images++
			if _, err := w.check(s.fs, s.acked, s.sent); err != nil && violation == nil {
				violation = fmt.Errorf("seed %d, image %d: %w", seed, images, err)
			}
		}
	}
	for i := 1; i <= n && violation == nil; i++ {
		src := w.next(rng, counters)
		if _, err := db.Run(context.Background(), src, nil, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.ack(i)
		if disableSync || rng.IntN(10) == 0 {
			mu.Lock()
			take()
			mu.Unlock()
		}
		verify()
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	verify()
	return images, violation
}

func TestCrash(t *testing.T) {
	seeds, scripts := crashSeeds(t, 6), 60
	total := 0
	for _, seed := range seeds {
		images, err := crashRun(t, seed, scripts, false)
		if err != nil {
			t.Errorf("%v\nreplay: go test -run 'TestCrash$' -seed %d .", err, seed)
		}
		total += images
	}
	if total < len(seeds)*scripts {
		t.Errorf("only %d images were checked: this proved too little", total)
	}
	t.Logf("%d images", total)
}

// TestCrashWithoutSync is the negative control: without fsync the same check
// must find a loss.
func TestCrashWithoutSync(t *testing.T) {
	for _, seed := range crashSeeds(t, 3) {
		if _, err := crashRun(t, seed, 60, true); err != nil {
			t.Logf("found, as it should be: %v", err)
			return
		}
	}
	t.Error("the check did not notice that nothing was synced")
}

// TestDiskFailure lets writes and syncs fail at every point in turn: nothing
// acknowledged is lost, nothing called "not applied" is there, and the store
// says that it stopped.
func TestDiskFailure(t *testing.T) {
	for at := 1; at < 120; at += 7 {
		t.Run(fmt.Sprint(at), func(t *testing.T) { diskFailure(t, at) })
	}
}

func diskFailure(t *testing.T, at int) {
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	armed, ops := false, 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileWrite, errorfs.OpFileWriteAt:
			if armed {
				if ops++; ops >= at {
					return fmt.Errorf("input/output error (injected, operation %d)", ops)
				}
			}
		}
		return nil
	}))
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	armed = true
	mu.Unlock()
	ctx := context.Background()
	sure, maybe := 0, 0 // the highest value acknowledged, and the highest that may be there
	var failure error
	for i := 1; i <= 200; i++ {
		_, err := db.Run(ctx, "set n @i", Params{"i": i}, nil)
		if err == nil {
			sure, maybe = i, i
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is no *Error", err)
		}
		if e.Outcome == Unknown {
			maybe = i
		}
		failure = err
		if _, _, err := db.Get(ctx, "n"); err != nil {
			t.Errorf("read after the failure: %v", err)
		}
		if _, err := db.Run(ctx, "set n 0", nil, nil); !errors.Is(err, ErrStorage) {
			t.Errorf("write after the failure: %v, want ErrStorage", err)
		}
		break
	}
	_ = db.Close()
	if failure == nil {
		t.Fatalf("the failure at operation %d did not show in 200 scripts", at)
	}
	again, err := open("db", crashOptions(mem.CrashClone(vfs.CrashCloneCfg{}), false))
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	defer again.Close()
	res, err := again.Run(ctx, "return to_int(get n)", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Text(); got != fmt.Sprint(sure) && got != fmt.Sprint(maybe) {
		t.Errorf("after the crash n is %s; %d was acknowledged, %d may be there (%v)", got, sure, maybe, failure)
	}
}

// gatedStore opens a store whose log, once shut is called, does not sync before
// free is, which says how the sync ends; reached is closed when one waits there.
func gatedStore(t *testing.T) (db *DB, shut func(), free func(error), reached chan struct{}) {
	t.Helper()
	gate := make(chan struct{})
	var failure error
	var once sync.Once
	var mu sync.Mutex
	blocking := false
	reached = make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		block := blocking && op.Kind == errorfs.OpFileSyncData
		mu.Unlock()
		if block {
			once.Do(func() { close(reached) })
			<-gate
			return failure
		}
		return nil
	}))
	db, err := open("db", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	shut = func() {
		mu.Lock()
		defer mu.Unlock()
		blocking = true
	}
	return db, shut, func(err error) { failure = err; close(gate) }, reached
}

// TestOutcomeOfCanceledCommit: a caller that leaves while committing is told
// that the outcome is unknown, never "not applied".
func TestOutcomeOfCanceledCommit(t *testing.T) {
	db, shut, free, reached := gatedStore(t)
	shut()
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, "set k 1", nil, nil)
		answer <- err
	}()
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Fatal("no sync")
	}
	cancel()
	isUnknown(t, <-answer)
	free(nil)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func isUnknown(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Outcome != Unknown || e.Code != CodeOutcomeUnknown || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want outcome unknown and context.Canceled", err)
	}
}

// TestOutcomeOfCanceledEphemeralCommit: so is one that wrote only to the
// ephemeral space, and waits for somebody else's row that it has read.
func TestOutcomeOfCanceledEphemeralCommit(t *testing.T) {
	db, shut, free, reached := gatedStore(t)
	shut()
	background := context.Background()
	answer := make(chan error, 1)
	go func() {
		_, err := db.Run(background, "set k 1", nil, nil)
		answer <- err
	}()
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Fatal("no sync")
	}
	ways := map[string]func(ctx context.Context) error{
		"script": func(ctx context.Context) error {
			_, err := db.Run(ctx, "eset script (get k)", nil, nil)
			return err
		},
		"slow": func(ctx context.Context) error {
			_, err := db.Run(ctx, "let v = get k; sleep 1; eset slow v", nil, nil)
			return err
		},
	}
	rows := int64(0)
	for _, commit := range ways {
		ctx, cancel := context.WithCancel(background)
		ended := make(chan error, 1)
		go func() { ended <- commit(ctx) }()
		rows++
		for db.Stats().EphemeralRows < rows {
			time.Sleep(time.Millisecond) // until it is ordered
		}
		cancel()
		isUnknown(t, <-ended)
	}
	free(nil)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskFailureUnderReaders: the disk fails while somebody works with a row
// that it has not got yet. That row never was: who has read it gets an error.
func TestDiskFailureUnderReaders(t *testing.T) {
	db, shut, free, reached := gatedStore(t)
	ctx := context.Background()
	shut()
	written := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, "set k 1", nil, nil)
		written <- err
	}()
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Fatal("no sync")
	}
	read := func(o *TxOptions) (Tx, chan error) {
		t.Helper()
		tx, err := db.Begin(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan error, 1)
		go func() {
			_, ok, err := tx.Get(ctx, "k")
			if ok {
				err = errors.New("the lost row was given out")
			}
			answer <- err
		}()
		return tx, answer
	}
	locked, lockedRead := read(nil)
	optimistic, optimisticRead := read(&TxOptions{Optimistic: true})
	for db.Stats().Locks < 1 {
		time.Sleep(time.Millisecond)
	}
	before := db.Stats().Locks
	slow := make(chan error, 1)
	go func() {
		_, err := db.Run(ctx, "let v = get k; sleep 200; return v", nil, nil)
		slow <- err
	}()
	for db.Stats().Locks == before {
		time.Sleep(time.Millisecond)
	}
	free(errors.New("input/output error (injected)"))
	if err := <-written; !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("the writer: %v, want ErrOutcomeUnknown", err)
	}
	if err := receive(t, lockedRead); !errors.Is(err, ErrStorage) {
		t.Errorf("a read of a transaction with locks: %v, want ErrStorage", err)
	}
	if err := locked.Commit(ctx); !errors.Is(err, ErrStorage) {
		t.Errorf("a transaction with locks: %v, want ErrStorage", err)
	}
	// This one may have begun its read only after the failure.
	if err := receive(t, optimisticRead); err != nil && !errors.Is(err, ErrStorage) {
		t.Errorf("a read of a transaction without locks: %v", err)
	}
	optimistic.Rollback()
	if err := <-slow; err == nil {
		t.Error("a script that slept gave the lost row out")
	}
	if _, ok, err := db.Get(ctx, "k"); ok || err != nil {
		t.Errorf("afterwards: %v %v", ok, err)
	}
	_ = db.Close()
}

// TestCrashGenerations crashes the store again and again, soon after it was
// opened: each life begins with what the crash before it left.
func TestCrashGenerations(t *testing.T) {
	for _, seed := range crashSeeds(t, 15) {
		if err := crashGenerations(seed); err != nil {
			t.Errorf("seed %d: %v\nreplay: go test -run TestCrashGenerations -seed %d .", seed, err, seed)
		}
	}
}

func crashGenerations(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 11))
	mem := vfs.NewCrashableMem()
	ctx := context.Background()
	written := 0
	for life := range 12 {
		db, err := open("db", crashOptions(mem, false))
		if err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		res, err := db.Run(ctx, "return [get n ?? 0, get m ?? 0]", nil, nil)
		if err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		n, m := res.Entries[0].Value, res.Entries[1].Value
		if n != m || n != fmt.Sprint(written) {
			return fmt.Errorf("life %d: n = %s, m = %s, %d were acknowledged", life, n, m, written)
		}
		for range rng.IntN(4) {
			if _, err := db.Run(ctx, "set n @v; set (concat('pad/', @v)) repeat('x', @size); set m @v",
				Params{"v": written + 1, "size": rng.IntN(20000)}, nil); err != nil {
				return fmt.Errorf("life %d: %w", life, err)
			}
			written++
		}
		image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: [...]int{0, 0, 50, 90}[rng.IntN(4)], RNG: rng})
		if err := db.Close(); err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		if rng.IntN(4) > 0 {
			mem = image
		}
	}
	return nil
}

// TestNewDirectorySurvives: a store whose first Open failed after it had made
// the directory, but before that was durable, is there after a power failure
// all the same.
func TestNewDirectorySurvives(t *testing.T) {
	mem := vfs.NewCrashableMem()
	failed := false
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync && !failed {
			failed = true
			return fmt.Errorf("input/output error (injected, %s)", op.Path)
		}
		return nil
	}))
	if _, err := open("a/b", crashOptions(fs, false)); !errors.Is(err, ErrStorage) {
		t.Fatalf("open with a failing sync: %v, want ErrStorage", err)
	}
	db, err := open("a/b", crashOptions(fs, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Set(context.Background(), "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	again, err := open("a/b", crashOptions(image, false))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if e, _, err := again.Get(context.Background(), "k"); err != nil || e.Value != "1" {
		t.Errorf("k = %q (%v), it was acknowledged", e.Value, err)
	}
}

// TestOutcomeOfLostBatch: of a batch that the disk refuses, who wrote in it has
// an unknown outcome; who only read what it wrote, whose script failed for what
// it read, or who was not proposed yet, has done nothing.
func TestOutcomeOfLostBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var broken atomic.Bool
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && op.Kind == errorfs.OpFileSyncData {
				time.Sleep(time.Second) // others come meanwhile
				return fmt.Errorf("input/output error (injected)")
			}
			return nil
		}))
		db, err := open("db", crashOptions(fs, false))
		if err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		var wg sync.WaitGroup
		for _, c := range []struct {
			source  string
			code    Code
			outcome Outcome
		}{
			{"set k 1", CodeOutcomeUnknown, Unknown}, // alone in its batch: the others come after it
			{"get k", CodeStorage, NotApplied},
			{"throw get k", CodeStorage, NotApplied},
			{"eset seen get k", CodeStorage, NotApplied},
			{"set k 2", CodeStorage, NotApplied},
		} {
			wg.Go(func() {
				_, err := db.Run(ctx, c.source, nil, nil)
				wantCode(t, c.source, err, c.code, c.outcome)
			})
			synctest.Wait()
		}
		wg.Wait()
		if _, ok, err := db.Get(ctx, "k"); ok || err != nil {
			t.Errorf("what was never durable is read: %v %v", ok, err)
		}
		if _, ok, err := db.Ephemeral().Get(ctx, "seen"); ok || err != nil {
			t.Errorf("what depends on it is read: %v %v", ok, err)
		}
		if err := db.Close(); err == nil {
			t.Error("Close of a store that failed says nothing")
		}
	})
}

// TestOpenOnSlowDisk: Open ends on a disk whose syncs take longer than an
// election does.
func TestOpenOnSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				time.Sleep(5 * time.Second)
			}
			return nil
		}))
		var db *DB
		var err error
		within("Open", func() { db, err = open("db", crashOptions(fs, false)) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Run(context.Background(), "set k 1", nil, nil); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}
