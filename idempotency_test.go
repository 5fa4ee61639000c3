package kahuna

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const increment = "set n to_int(get n) + @by; return get n"

// sendKey sends increment with a key and renders what comes back, times
// included.
func sendKey(ctx context.Context, db *DB, key string, by int) (string, error) {
	res, err := db.Run(ctx, increment, Params{"by": by}, &RunOptions{IdempotencyKey: key})
	if err != nil {
		return "", err
	}
	return fmt.Sprint(res.Type, res.Outcome, res.Entries), nil
}

func wantCode(t *testing.T, what string, err error, code Code, outcome Outcome) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || e.Outcome != outcome {
		t.Errorf("%s: %v, want code %s and outcome %s", what, err, code, outcome)
	}
}

func wantValue(t *testing.T, db *DB, key, value string) {
	t.Helper()
	if e, _, err := db.Get(context.Background(), key); err != nil || e.Value != value {
		t.Errorf("%s = %q (%v), want %q", key, e.Value, err, value)
	}
}

// openFiles opens a store on fs that a bubble of synctest can see through.
func openFiles(t *testing.T, fs vfs.FS, o Options) *DB {
	t.Helper()
	o.fs, o.segment, o.MemTableBytes = fs, 64<<10, 64<<10
	db, err := open("db", &o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closeStore(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestIdempotencyRetention: a result is remembered for ten minutes at least,
// also across a restart and a crash, and then forgotten.
func TestIdempotencyRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		mem := vfs.NewCrashableMem()
		o := Options{IdempotencyAge: 10 * time.Minute}
		db := openFiles(t, mem, o)
		first, err := sendKey(ctx, db, "k", 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []string{"", "close", "crash"} {
			time.Sleep(3*time.Minute + 10*time.Second)
			switch step {
			case "close":
				closeStore(t, db)
				db = openFiles(t, mem, o)
			case "crash":
				image := mem.CrashClone(vfs.CrashCloneCfg{})
				closeStore(t, db)
				mem = image
				db = openFiles(t, mem, o)
			}
			if again, err := sendKey(ctx, db, "k", 5); err != nil || again != first {
				t.Errorf("after %q: %s, %v; want %s", step, again, err, first)
			}
		}
		wantValue(t, db, "n", "5")
		if s := db.Stats(); s.IdempotencyKeys != 1 || s.IdempotencyBytes == 0 {
			t.Errorf("%d keys, %d bytes", s.IdempotencyKeys, s.IdempotencyBytes)
		}
		time.Sleep(time.Minute)
		if s := db.Stats(); s.IdempotencyKeys != 0 || s.IdempotencyBytes != 0 {
			t.Errorf("after its age: %d keys, %d bytes", s.IdempotencyKeys, s.IdempotencyBytes)
		}
		if _, err := sendKey(ctx, db, "k", 5); err != nil {
			t.Error(err)
		}
		wantValue(t, db, "n", "10")
		closeStore(t, db)
	})
}

// TestIdempotencyIsBounded: what is remembered has a bound. At it, new keys are
// refused, and nothing else; when results have had their ten minutes, new keys
// are taken again.
func TestIdempotencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		const most = 100_000
		mem := vfs.NewMem()
		o := Options{IdempotencyBytes: most, IdempotencyAge: time.Hour}
		db := openFiles(t, mem, o)
		first, err := sendKey(ctx, db, "0", 1)
		if err != nil {
			t.Fatal(err)
		}
		sent := 1
		for ; err == nil; sent++ {
			if sent > most/100 {
				t.Fatal("there is no bound")
			}
			_, err = sendKey(ctx, db, fmt.Sprint(sent), 1)
			synctest.Wait()
		}
		sent--
		wantCode(t, "a key too many", err, CodeAdmission, NotApplied)
		time.Sleep(time.Second) // until all are applied
		if s := db.Stats(); s.IdempotencyKeys != int64(sent) || s.IdempotencyBytes > most+1000 {
			t.Errorf("%d keys, %d bytes; sent %d", s.IdempotencyKeys, s.IdempotencyBytes, sent)
		}
		closeStore(t, db)
		db = openFiles(t, mem, o)
		_, err = sendKey(ctx, db, "another", 1)
		wantCode(t, "after a restart", err, CodeAdmission, NotApplied)
		_, err = db.Run(ctx, "sleep 1 set n 0", nil, &RunOptions{IdempotencyKey: "slow"})
		wantCode(t, "on the slow path", err, CodeAdmission, NotApplied)
		if again, err := sendKey(ctx, db, "0", 1); err != nil || again != first {
			t.Errorf("a known key: %s, %v; want %s", again, err, first)
		}
		wantValue(t, db, "n", fmt.Sprint(sent))
		if _, err := db.Run(ctx, "set other 1", nil, nil); err != nil {
			t.Errorf("without a key: %v", err)
		}
		time.Sleep(10*time.Minute + 5*time.Second)
		if _, err := sendKey(ctx, db, "another", 1); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
		if s := db.Stats(); s.IdempotencyBytes > most*8/10 {
			t.Errorf("%d keys, %d bytes after ten minutes", s.IdempotencyKeys, s.IdempotencyBytes)
		}
		closeStore(t, db)
	})
}

// TestIdempotencyDuplicates: one sending runs, the others wait for it; one that
// stops waiting does not call not applied what will be.
func TestIdempotencyDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := openFiles(t, vfs.NewMem(), Options{})
		const slow = "let v = to_int(get n); sleep 2000; set n v + 1; return get n"
		answers := make(chan string, 3)
		for range 3 {
			go func() {
				res, err := db.Run(ctx, slow, nil, &RunOptions{IdempotencyKey: "k"})
				if err != nil {
					t.Error(err)
				}
				answers <- fmt.Sprint(res.Type, res.Entries)
			}()
		}
		synctest.Wait() // one sleeps, two wait
		impatient, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := db.Run(impatient, slow, nil, &RunOptions{IdempotencyKey: "k"})
		wantCode(t, "canceled while another one runs", err, CodeOutcomeUnknown, Unknown)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want context.DeadlineExceeded", err)
		}
		_, err = db.Run(ctx, slow, nil, &RunOptions{IdempotencyKey: "k", Timeout: 100 * time.Millisecond})
		wantCode(t, "out of time while another one runs", err, CodeOutcomeUnknown, Unknown)
		first := <-answers
		for range 2 {
			if a := <-answers; a != first {
				t.Errorf("%s, the first got %s", a, first)
			}
		}
		// A sending that ends before it has looked gets the result all the same.
		res, err := db.Run(impatient, slow, nil, &RunOptions{IdempotencyKey: "k"})
		if err != nil || fmt.Sprint(res.Type, res.Entries) != first {
			t.Errorf("with a context that has ended: %v, %v; want %s", res, err, first)
		}
		wantValue(t, db, "n", "1")
		closeStore(t, db)
	})
}

// TestIdempotencyRefusals: a key belongs to one script with one set of
// parameters; a result too large to be remembered is not applied.
func TestIdempotencyRefusals(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	if _, err := sendKey(ctx, db, "k", 1); err != nil {
		t.Fatal(err)
	}
	_, err := sendKey(ctx, db, "k", 2)
	wantCode(t, "other parameters", err, CodeBadRequest, NotApplied)
	_, err = db.Run(ctx, "set n 0", nil, &RunOptions{IdempotencyKey: "k"})
	wantCode(t, "another script", err, CodeBadRequest, NotApplied)
	_, err = sendKey(ctx, db, strings.Repeat("x", 1025), 1)
	wantCode(t, "a key that is too long", err, CodeBadRequest, NotApplied)
	const large = "set n 0; return [repeat('x', 900000), repeat('x', 900000), repeat('x', 900000), repeat('x', 900000), repeat('x', 900000)]"
	for range 2 { // it leaves nothing behind, not even its key
		_, err = db.Run(ctx, large, nil, &RunOptions{IdempotencyKey: "large"})
		wantCode(t, "a large result", err, CodeLimit, NotApplied)
	}
	wantValue(t, db, "n", "1")
	if _, err := sendKey(ctx, db, "large", 1); err != nil {
		t.Errorf("the key of a request that was not applied: %v", err)
	}
	wantValue(t, db, "n", "2")
}

// TestIdempotencyAfterFailure: a request whose commit the disk interrupted has
// an unknown outcome also when it is sent again, until the store is opened
// again; then it has taken effect once.
func TestIdempotencyAfterFailure(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewCrashableMem()
	var broken atomic.Bool
	db := openFiles(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			return errIO
		}
		return nil
	})), Options{})
	if _, err := sendKey(ctx, db, "before", 1); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := sendKey(ctx, db, "k", 1)
		wantCode(t, "the interrupted request", err, CodeOutcomeUnknown, Unknown)
	})
	wg.Wait()
	for range 2 {
		_, err := sendKey(ctx, db, "k", 1)
		wantCode(t, "sent again", err, CodeOutcomeUnknown, Unknown)
	}
	_, err := sendKey(ctx, db, "new", 1)
	wantCode(t, "a new request", err, CodeStorage, NotApplied)
	wantValue(t, db, "n", "1")
	if _, err := sendKey(ctx, db, "before", 1); err != nil {
		t.Errorf("a request of before: %v", err)
	}
	_ = db.Close()
	db = openFiles(t, mem, Options{}) // the page cache is still there
	for range 2 {
		if _, err := sendKey(ctx, db, "k", 1); err != nil {
			t.Error(err)
		}
	}
	wantValue(t, db, "n", "2")
	closeStore(t, db)
}
