package kahuna

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// TestInvariantPART6 lets a row end while a transaction that read it is open: a
// script that sees it gone and says so in another key must not come first, if
// the transaction is to read that other key.
func TestInvariantPART6(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, space := range []string{"", "e"} {
		for _, read := range []string{"get `lease/a`", "exists `lease/a`", "get by bucket lease", "scan by prefix 'lease/'"} {
			for name, o := range map[string]TxOptions{"locks": {}, "optimistic": {Optimistic: true}, "view": {ReadOnly: true}} {
				t.Run(fmt.Sprintf("%s/%s%s", name, space, read), func(t *testing.T) {
					var now atomic.Int64
					now.Store(1_700_000_000_000)
					db := openTest(t, "", &Options{now: now.Load})
					run := func(src string) *Result {
						t.Helper()
						res, err := db.Run(ctx, src, nil, nil)
						if err != nil {
							t.Fatal(err)
						}
						return res
					}
					look := space + read
					if space == "e" && read[:4] == "exis" {
						look = "eexists `lease/a`"
					}
					run(space + "set `lease/a` 1 ex 10")
					tx, err := db.Begin(ctx, &o)
					if err != nil {
						t.Fatal(err)
					}
					defer tx.Rollback()
					if res, err := tx.Run(ctx, look, nil, nil); err != nil || len(res.Entries) != 1 {
						t.Fatal(res, err)
					}
					now.Add(10)
					if res := run("let gone = " + space + "get `lease/a`; set notice 1; return is_null(gone)"); res.Text() != "true" {
						t.Fatalf("the row lives too long: %v", res.Entries)
					}
					_, seen, err := tx.Get(ctx, "notice")
					if err == nil {
						err = tx.Commit(ctx)
					}
					if !errors.Is(err, ErrConflict) {
						t.Errorf("the row was live, the notice that it had ended was seen: %v (%v), want ErrConflict", seen, err)
					}
				})
			}
		}
	}
}

// TestOutlivedAfterLastCall: a row ends after the last call of a transaction
// without locks that has read it. A script sees it gone, and not yet what the
// transaction has written: neither can come first.
func TestOutlivedAfterLastCall(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, space := range []string{"", "e"} {
		for _, read := range []string{"get `lease/a`", "get by bucket lease", "scan by prefix 'lease/'"} {
			t.Run(space+read, func(t *testing.T) {
				var now atomic.Int64
				now.Store(1_700_000_000_000)
				db := openTest(t, "", &Options{now: now.Load})
				if _, err := db.Run(ctx, space+"set `lease/a` 1 ex 10", nil, nil); err != nil {
					t.Fatal(err)
				}
				tx, err := db.Begin(ctx, &TxOptions{Optimistic: true})
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				if _, err := tx.Set(ctx, "mine", "1", nil); err != nil {
					t.Fatal(err)
				}
				if res, err := tx.Run(ctx, space+read, nil, nil); err != nil || len(res.Entries) != 1 {
					t.Fatal(res, err)
				}
				now.Add(10)
				res, err := db.Run(ctx, "let gone = "+space+"get `lease/a`; let mine = get mine; return is_null(gone) && is_null(mine)", nil, nil)
				if err != nil || res.Text() != "true" {
					t.Fatal(res, err)
				}
				if err := tx.Commit(ctx); !errors.Is(err, ErrConflict) {
					t.Errorf("commit: %v, want ErrConflict", err)
				}
			})
		}
	}
}

// TestLeaseOutlivedUnseen: a row that ends while a transaction is open is no
// conflict when nobody has seen it end.
func TestLeaseOutlivedUnseen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var now atomic.Int64
	now.Store(1_700_000_000_000)
	db := openTest(t, "", &Options{now: now.Load})
	if _, err := db.Set(ctx, "lease", "1", &SetOptions{TTL: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := tx.Get(ctx, "lease"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	now.Add(20)
	if _, err := db.Set(ctx, "other", "1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Set(ctx, "result", "1", nil); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
}

// TestTimeOfSlowScripts: a script outside the executor meets a key it could not
// lock beforehand, which another one has written or read meanwhile: it is
// started over, so that it does not see an earlier time than that one.
func TestTimeOfSlowScripts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ slow, fast string }{
		"write, then read":    {"get (get ptr)", "set target 1"},
		"extend, then read":   {"get (concat(get ptr, '2'))", "extend target2 2h"},
		"for ever, then read": {"get (concat(get ptr, '2'))", "extend target2 0"},
		"read, then write":    {"set (get ptr) 1", "get target"},
		"absent, then write":  {"eset (get ptr) 1", "eget target"},
		"bucket, then write":  {"set (concat('b/', get ptr)) 1", "get by bucket b"},
	} {
		for _, cacheBytes := range []int64{1, 1 << 20} {
			t.Run(fmt.Sprint(name, "/", cacheBytes), func(t *testing.T) { timeOfSlowScript(t, c.slow, c.fast, cacheBytes) })
		}
	}
}

func timeOfSlowScript(t *testing.T, slow, fast string, cacheBytes int64) {
	t.Parallel()
	ctx := context.Background()
	var now, readings atomic.Int64
	now.Store(1_700_000_000_000)
	db := openTest(t, "", &Options{sweep: time.Hour, RowCacheBytes: cacheBytes, now: func() int64 { readings.Add(1); return now.Load() }})
	if _, err := db.Run(ctx, "set ptr 'target'; set target2 1 ex 1h", nil, nil); err != nil {
		t.Fatal(err)
	}
	readings.Store(0)
	times := make(chan *Result, 1)
	failed := make(chan error, 1)
	go func() {
		res, err := db.Run(ctx, "let p = hlc(); let c = hlc_counter(); let k = get ptr; sleep 250; "+slow+"; return [p, c]", nil, nil)
		failed <- err
		times <- res
	}()
	// The clock is read with the executor's mutex held, as Stats takes it.
	for readings.Load() < 2 { // one when the call begins
		time.Sleep(time.Millisecond)
	}
	db.Stats()
	now.Add(5)
	before, err := db.Run(ctx, fast+"; return [hlc(), hlc_counter()]", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	restarts := db.Stats().Restarts
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	after := <-times
	if after.Entries[0].Value < before.Entries[0].Value {
		t.Errorf("the later script saw %s, the earlier one %s", after.Entries[0].Value, before.Entries[0].Value)
	}
	if restarts == 0 && db.Stats().Restarts == 0 {
		t.Error("nothing was started over: the two scripts did not overlap")
	}
}
