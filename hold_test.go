package kahuna

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// TestHoldHistory: what is held stays readable, what is older goes, and all of it
// when nothing is held any more.
func TestHoldHistory(t *testing.T) {
	t.Parallel()
	const first = 1_700_000_000_000
	var now atomic.Int64
	now.Store(first)
	db := openTest(t, "", &Options{HistoryAge: time.Minute, sweep: 5 * time.Millisecond, now: now.Load})
	run := func(source string) *Result {
		t.Helper()
		res, err := db.Run(context.Background(), source, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	run("set gone 'it was here'")
	for i := range 40 { // the newest eight are not in the history
		run(fmt.Sprint("set z ", i))
		now.Add(1000)
	}
	run("delete gone")
	db.HoldHistory(time.UnixMilli(first + 20_500))
	now.Add(200_000)
	await := func(source string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); run(source).Entries[0].Kind != KindNull; now.Add(500) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not collected: %+v", source, db.Stats())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	await("get z at 5")
	if got := run(fmt.Sprint("get z as of ", first+20_500)).Text(); got != "20" {
		t.Errorf("z was %q at the time that is held", got)
	}
	if got := run(fmt.Sprint("get gone as of ", first+20_500)).Text(); got != "it was here" {
		t.Errorf("gone was %q at the time that is held", got)
	}
	db.HoldHistory(time.Time{})
	await("get z at 20")
	if db.Stats().Purged == 0 {
		for deadline := time.Now().Add(time.Minute); db.Stats().Purged == 0; now.Add(500) {
			if time.Now().After(deadline) {
				t.Fatal("the deleted key is not collected")
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}
