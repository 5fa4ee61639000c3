package kahuna

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestStats: every number of Stats moves when what it counts happens.
func TestStats(t *testing.T) {
	disk := newGatedDisk()
	o := crashOptions(disk, false)
	o.EphemeralBytes = 20_000
	o.HistoryAge, o.sweep = time.Millisecond, 5*time.Millisecond
	o.RowCacheBytes = 50_000
	o.MemTableBytes = 64 << 10
	o.SlowScripts, o.SlowBytes, o.AdmissionWait = 1, 32<<20, time.Minute
	o.Limits.AdmissionWait = time.Minute
	db, err := open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	send := func(source, key string) {
		t.Helper()
		if _, err := db.Run(ctx, source, nil, &RunOptions{Timeout: time.Minute, IdempotencyKey: key}); err != nil {
			t.Error(err)
		}
	}
	run := func(source string) {
		t.Helper()
		send(source, "")
	}
	beside := func(source, key string) chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			send(source, key)
		}()
		return done
	}
	background := func(source string) chan struct{} { return beside(source, "") }
	until := func(what func(*Stats) bool) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for s := db.Stats(); !what(&s); s = db.Stats() {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %+v", s)
			}
			time.Sleep(time.Millisecond)
		}
	}

	// Rows that come and go, in both spaces, more than the caches hold.
	for i := range 300 {
		run(fmt.Sprintf("set 'r/%d' repeat('x', 1000) ex 1; set counter to_int(get counter) + 1; eset 'e/%d' repeat('x', 500) ex 1; eset 'f/%d' 1", i, i, i))
	}
	run("for i in 0..200 do get (concat('r/', i)) end")
	// A key that is locked, by a script and then by a transaction.
	holds := begin(t, db, nil)
	if _, err := holds.Set(ctx, "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	slow := background("let v = get k; sleep 1; set k 2")
	until(func(s *Stats) bool { return s.LockWaits > 0 })
	if err := holds.Commit(ctx); err != nil {
		t.Error(err)
	}
	<-slow
	older, younger := begin(t, db, nil), begin(t, db, nil)
	if _, err := younger.Set(ctx, "k", "3", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := older.Set(ctx, "k", "4", nil); err != nil {
		t.Fatal(err)
	}
	if err := younger.Commit(ctx); !errors.Is(err, ErrConflict) {
		t.Errorf("the younger: %v", err)
	}
	if err := older.Commit(ctx); err != nil {
		t.Error(err)
	}
	// A run that is void: its key is changed while it sleeps.
	slow = background("let n = get ptr ?? 'k'; let v = get (n); sleep 30; set (n) v")
	for db.Stats().Restarts == 0 {
		run("set k to_int(get k) + 1")
		select {
		case <-slow:
			slow = background("let n = get ptr ?? 'k'; let v = get (n); sleep 30; set (n) v")
		default:
		}
	}
	<-slow
	// A request that is sent twice at once.
	for i := 0; db.Stats().RequestWait.Count == 0; i++ {
		once := fmt.Sprint("once", i)
		slow = beside("sleep 30; return 1", once)
		until(func(s *Stats) bool { return s.Locks > 0 })
		send("sleep 30; return 1", once)
		<-slow
	}
	// A disk that hangs: no room for another large write.
	disk.block.Store(true)
	large := "set large repeat('x', 5000000)"
	// One may be on its way and one open, or less when the sweeper's batch is on
	// its way: of three one has to wait in any case.
	first := background(large)
	<-disk.reached
	until(func(s *Stats) bool { return s.UnappliedBytes > 9_000_000 })
	second, third := background(large), background(large)
	time.AfterFunc(300*time.Millisecond, func() { disk.block.Store(false); close(disk.open) })
	<-first
	<-second
	<-third
	for range 20 * 256 {
		if _, _, err := db.Ephemeral().Get(ctx, "none"); err != nil {
			t.Fatal(err)
		}
	}
	until(func(s *Stats) bool { return s.Purged > 0 && s.Pruned > 0 && s.Flushes > 0 })

	run("get k")
	// A script that waits to be admitted, and one that makes much garbage.
	place := occupy(db)
	slow = background("for i in 1..5000 do let x = i end")
	until(func(s *Stats) bool { return s.SlowScripts == 1 && s.SlowWaiting == 1 })
	if _, err := db.Run(ctx, "sleep 1", nil, &RunOptions{AdmissionWait: -1}); !errors.Is(err, &Error{Code: CodeAdmission}) {
		t.Errorf("one that does not wait: %v", err)
	}
	place.Leave()
	<-slow
	for db.Stats().GaveWay.Count == 0 {
		slow = background("for i in 1..5 do let x = repeat('x', 500000) end")
		for over := false; !over; {
			run("get k")
			select {
			case <-slow:
				over = true
			default:
			}
		}
	}

	s := reflect.ValueOf(db.Stats())
	for i := range s.NumField() {
		name := s.Type().Field(i).Name
		// Those that may be nothing by now, and what needs more load than this.
		if strings.Contains(" SlowScripts SlowWaiting Locks UnappliedBytes LogQueueBytes CompactionDue Stalls Compactions BlockCacheBytes BlockCacheHits EphemeralExpired ", " "+name+" ") {
			continue
		}
		if s.Field(i).IsZero() {
			t.Errorf("%s is %v", name, s.Field(i))
		}
	}
	for name, w := range map[string]Wait{"LockWait": db.Stats().LockWait, "DurableWait": db.Stats().DurableWait} {
		if w.Count == 0 || w.Max <= 0 || w.Max > w.Total {
			t.Errorf("%s: %+v", name, w)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
