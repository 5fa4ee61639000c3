package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenLoop checks with a clock of its own that scripts are due at their
// times whatever the store does, and that what a slow one delays shows.
func TestOpenLoop(t *testing.T) {
	for _, c := range []struct {
		name       string
		callers    int
		takes      time.Duration
		done       int64
		unsent     int64
		worst, lag time.Duration
	}{
		{"fast enough", 1, 2 * time.Millisecond, 100, 0, 2 * time.Millisecond, 0},
		// Call n is due at 10n ms and begins at 20n ms: the last one 990 ms late.
		{"one caller, half as fast", 1, 20 * time.Millisecond, 100, 0, 1010 * time.Millisecond, 990 * time.Millisecond},
		// It begins at 40n ms: 50 of them before the grace is over.
		{"one caller, too slow", 1, 40 * time.Millisecond, 50, 50, 1510 * time.Millisecond, 1470 * time.Millisecond},
		{"enough callers", 2, 20 * time.Millisecond, 100, 0, 20 * time.Millisecond, 0},
		{"a stall", 1, 5 * time.Second, 1, 99, 5 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				callers := newCallers(c.callers, 1)
				seen := map[int64]bool{}
				unsent := openLoop(t.Context(), callers, time.Second, 100, func(_ *caller, n int64) error {
					callers[0].mu.Lock()
					seen[n] = true
					callers[0].mu.Unlock()
					time.Sleep(c.takes)
					return nil
				})
				got := total(callers)
				if n := got.hist.TotalCount(); n != c.done || unsent != c.unsent || int64(len(seen)) != c.done {
					t.Errorf("%d done, %d unsent, %d numbers, want %d and %d", n, unsent, len(seen), c.done, c.unsent)
				}
				if !near(got.hist.Max(), c.worst) || !near(got.lag.Max(), c.lag) {
					t.Errorf("at worst %v, of which late %v, want %v and %v", time.Duration(got.hist.Max()),
						time.Duration(got.lag.Max()), c.worst, c.lag)
				}
			})
		})
	}
}

// near allows for what a histogram rounds.
func near(got int64, want time.Duration) bool {
	d := time.Duration(got) - want
	return d >= 0 && d <= want/500
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callers := newCallers(100, 1) // more than there are records
		took := closedLoop(t.Context(), callers, time.Second, func(_ *caller, n int64) error {
			time.Sleep(10 * time.Millisecond)
			if n%10 == 3 {
				return errors.New("three")
			}
			return nil
		})
		got := total(callers)
		if n := got.hist.TotalCount(); n != 9000 || got.failed != 1000 || took != time.Second {
			t.Errorf("%d done, %d failed in %v", n, got.failed, took)
		}
		if got.first == nil || !near(got.hist.Max(), 10*time.Millisecond) {
			t.Errorf("failure %v, max %v", got.first, got.hist.Max())
		}
	})
}

// TestLoopsEndWithTheContext checks that neither loop goes on when its context
// has ended, nor waits for what is due later.
func TestLoopsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		callers := newCallers(3, 1)
		closedLoop(ctx, callers, time.Hour, func(*caller, int64) error { time.Sleep(time.Millisecond); return nil })
		if d := time.Since(begin); d > 1100*time.Millisecond {
			t.Errorf("the closed loop took %v", d)
		}
		openLoop(ctx, callers, time.Hour, 1, func(*caller, int64) error { return nil })
		if d := time.Since(begin); d > 1100*time.Millisecond {
			t.Errorf("the open loop took %v", d)
		}
	})
}
