package admission

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kahuna/script"
)

var never chan struct{} // nobody stops it

// options are small ones, with others that are always at work.
func options() Options {
	var others atomic.Uint64
	return Options{Scripts: 1, Waiting: 10, Processors: 1, Turn: 2 * time.Millisecond, BytesPerSecond: 1 << 20,
		Others: func() uint64 { return others.Add(1) }}
}

func (c *Controller) mustAdmit(t *testing.T) *Pass {
	t.Helper()
	p := c.NewPass()
	if waited, err := p.Admit(script.PriorityUnset, 0, never); err != nil || waited != 0 {
		t.Fatalf("waited %v: %v", waited, err)
	}
	return p
}

// wantIdle fails unless everything was given back.
func (c *Controller) wantIdle(t *testing.T) {
	t.Helper()
	s := c.Stats()
	s.Refused = 0
	if s != (Stats{}) || c.ready.Len() != 0 || c.wanted.Load() != 0 {
		t.Fatalf("left behind: %+v, %d ready", s, c.ready.Len())
	}
}

// TestOrder: by priority, then in the order of coming.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(options())
		first := c.mustAdmit(t)
		came := []script.Priority{script.PriorityLow, script.PriorityUnset, script.PriorityCritical, script.PriorityBackground,
			script.PriorityNormal, script.PriorityLow, script.PriorityHigh, script.PriorityCritical}
		var order []int
		for i, priority := range came {
			go func() {
				p := c.NewPass()
				if _, err := p.Admit(priority, time.Hour, never); err != nil {
					t.Error(err)
				}
				order = append(order, i) // one at a time is under way
				p.Leave()
			}()
			synctest.Wait()
		}
		if s := c.Stats(); s.Waiting != len(came) || s.UnderWay != 1 {
			t.Errorf("%+v", s)
		}
		first.Leave()
		synctest.Wait()
		if want := []int{2, 7, 6, 1, 4, 0, 5, 3}; !slices.Equal(order, want) {
			t.Errorf("admitted in the order %v, want %v", order, want)
		}
		c.wantIdle(t)
	})
}

// TestRefusal: without room a script is refused at once, when its time is over,
// or when too many wait.
func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Waiting = 2
		c := New(o)
		first := c.mustAdmit(t)
		if _, err := c.NewPass().Admit(script.PriorityCritical, 0, never); err != ErrNoRoom {
			t.Errorf("without a wait: %v", err)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				wait := time.Duration(i+1) * time.Second
				waited, err := c.NewPass().Admit(script.PriorityLow, wait, never)
				if err != ErrTimeout || waited != wait || time.Since(start) != wait {
					t.Errorf("after %v: %v", waited, err)
				}
			})
		}
		synctest.Wait()
		if _, err := c.NewPass().Admit(script.PriorityCritical, time.Hour, never); err != ErrFull {
			t.Errorf("one too many: %v", err)
		}
		wg.Wait()
		if s := c.Stats(); s.Refused != 4 {
			t.Errorf("%d were refused, want 4", s.Refused)
		}
		first.Leave()
		c.wantIdle(t)
	})
}

// TestStoppedInLine: who is stopped while it waits leaves nothing behind, also
// when it is admitted in the same moment.
func TestStoppedInLine(t *testing.T) {
	for range 50 { // a select with two ways takes either
		synctest.Test(t, func(t *testing.T) {
			c := New(options())
			first := c.mustAdmit(t)
			alone, both := make(chan struct{}), make(chan struct{})
			for _, stopped := range []chan struct{}{alone, both} {
				go func() {
					p := c.NewPass()
					switch _, err := p.Admit(script.PriorityNormal, time.Hour, stopped); {
					case err == nil && stopped == both:
						p.Leave()
					case err != ErrStopped:
						t.Error(err)
					}
				}()
				synctest.Wait()
			}
			close(alone)
			synctest.Wait()
			first.Leave()
			close(both)
			synctest.Wait()
			c.wantIdle(t)
		})
	}
}

// TestEnter: who comes back from a wait does not wait to be admitted, and
// nobody is admitted until there are few enough again.
func TestEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(options())
		sleeper := c.mustAdmit(t)
		if !sleeper.Leave() || sleeper.Leave() {
			t.Error("it leaves once")
		}
		second := c.mustAdmit(t)
		sleeper.Enter()
		sleeper.Enter()
		if s := c.Stats(); s.UnderWay != 2 {
			t.Errorf("%d under way, want 2", s.UnderWay)
		}
		admitted := false
		third := c.NewPass()
		go func() {
			_, err := third.Admit(script.PriorityNormal, time.Hour, never)
			admitted = err == nil
		}()
		synctest.Wait()
		second.Leave()
		synctest.Wait()
		if admitted {
			t.Error("it was admitted beside another one")
		}
		sleeper.Leave()
		synctest.Wait()
		if !admitted {
			t.Error("it was not admitted")
		}
		third.Leave()
		c.wantIdle(t)
	})
}

// TestTurns: those under way go round, one turn each.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Scripts = 3
		c := New(o)
		var computed []int
		var wg sync.WaitGroup
		for i := range 3 {
			p := c.mustAdmit(t)
			wg.Go(func() {
				defer p.Leave()
				for range 6 {
					p.Yield(0, never)
					if s := c.Stats(); s.Computing != 1 || !p.turn {
						t.Errorf("it goes on without a turn: %+v", s)
					}
					computed = append(computed, i)
					time.Sleep(time.Millisecond) // works
				}
			})
			synctest.Wait() // it works: they come one after the other
		}
		wg.Wait()
		if want := []int{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}; !slices.Equal(computed, want) {
			t.Errorf("turns %v, want %v", computed, want)
		}
		c.wantIdle(t)
	})
}

// TestTurnStopped: who is stopped does not wait for its turn, and keeps nobody
// from theirs.
func TestTurnStopped(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			o := options()
			o.Scripts = 3
			c := New(o)
			has, wants, next := c.mustAdmit(t), c.mustAdmit(t), c.mustAdmit(t)
			has.Yield(0, never)
			stopped := make(chan struct{})
			ended := false
			go func() {
				wants.Yield(0, stopped)
				wants.Leave()
			}()
			synctest.Wait()
			go func() {
				next.Yield(0, never)
				next.Leave()
				ended = true
			}()
			synctest.Wait()
			has.Leave()
			close(stopped)
			synctest.Wait()
			if !ended {
				t.Error("the next one got no turn")
			}
			c.wantIdle(t)
		})
	}
}

// TestPause: who makes garbage while others use the store pauses until it is
// paid for, and lets those who make none compute meanwhile.
func TestPause(t *testing.T) {
	const second = 1 << 20 // bytes
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Scripts = 2
		var others uint64
		o.Others = func() uint64 { return others }
		c := New(o)
		p := c.mustAdmit(t)
		yield := func(made int64, want time.Duration) {
			t.Helper()
			others++
			if got := p.Yield(made, never); got != want {
				t.Errorf("%d bytes: a pause of %v, want %v", made, got, want)
			}
		}
		yield(0, 0)
		yield(second, time.Second)
		yield(second/4, time.Second/4)
		yield(second/256, 0) // not worth a pause,
		yield(second/256, time.Second/128)
		time.Sleep(time.Second)
		yield(second/256, 0) // forgiven by now
		others = p.seen - 1
		time.Sleep(time.Second)
		yield(second, 0) // nobody else is there
		q := c.mustAdmit(t)
		yield(second, 2*time.Second) // half of it is the other's
		go q.Leave()
		synctest.Wait()
		stopped := make(chan struct{})
		close(stopped)
		others++
		if got := p.Yield(second, stopped); got != 0 {
			t.Errorf("stopped, it pauses for %v", got)
		}
		p.Leave()
		c.wantIdle(t)

		o.BytesPerSecond = -1
		c = New(o)
		p = c.mustAdmit(t)
		yield(1<<60, 0)
		p.Leave()
	})
}

// TestRest: who computes while others use the store, or have done so a moment
// ago, rests after each stretch, and keeps its turn.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stretch, rest = 200 * time.Microsecond, 100 * time.Microsecond
		o := options()
		o.Stretch, o.Rest = stretch, rest
		var others uint64
		o.Others = func() uint64 { return others }
		c := New(o)
		p := c.mustAdmit(t)
		yield := func(compute, want time.Duration) {
			t.Helper()
			time.Sleep(compute)
			if got := p.Yield(0, never); got != want {
				t.Errorf("after %v it rests for %v, want %v", compute, got, want)
			}
		}
		yield(0, 0)
		yield(time.Second, 0) // nobody is there
		others++
		yield(stretch-1, 0)
		yield(1, rest)
		yield(stretch-1, 0)
		yield(1, rest) // they may be waiting
		yield(presence, 0)
		others++
		yield(stretch, rest)
		if s := c.Stats(); s.Computing != 1 {
			t.Errorf("%d have a turn", s.Computing)
		}
		others++
		stopped := make(chan struct{})
		close(stopped)
		time.Sleep(stretch)
		if got := p.Yield(0, stopped); got != 0 {
			t.Errorf("stopped, it rests for %v", got)
		}
		p.Leave()
		c.wantIdle(t)
	})
}

// TestInvariantADM2: whatever becomes of scripts, what they took is given back,
// and there are never more than there may be.
func TestInvariantADM2(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testRandom(t, seed) })
		})
	}
}

func testRandom(t *testing.T, seed uint64) {
	o := options()
	o.Scripts, o.Waiting, o.Processors = 4, 8, 2
	c := New(o)
	var refused atomic.Uint64
	var wg sync.WaitGroup
	for g := range 16 {
		rng := rand.New(rand.NewPCG(seed, uint64(g)))
		wg.Go(func() {
			for range 50 {
				stopped := make(chan struct{})
				stop := time.AfterFunc(time.Duration(rng.IntN(40))*time.Millisecond, func() { close(stopped) })
				if err := runRandom(c, rng, stopped); err != nil && !errors.Is(err, ErrStopped) {
					refused.Add(1)
				}
				if s := c.Stats(); s.Computing > o.Processors || s.Waiting > o.Waiting {
					t.Errorf("%+v", s)
				}
				stop.Stop()
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Refused != refused.Load() || s.Refused == 0 {
		t.Errorf("%d were refused, %d are counted", refused.Load(), s.Refused)
	}
	c.wantIdle(t)
}

// runRandom is a script that works, makes garbage and sleeps until it is
// stopped or has had enough.
func runRandom(c *Controller, rng *rand.Rand, stopped <-chan struct{}) error {
	p := c.NewPass()
	defer p.Leave()
	priority := script.Priority(rng.IntN(priorities))
	if _, err := p.Admit(priority, time.Duration(rng.IntN(20))*time.Millisecond, stopped); err != nil {
		return err
	}
	for range rng.IntN(10) {
		switch rng.IntN(4) {
		case 0:
			p.Leave()
			time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
			p.Enter()
		default:
			time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
			p.Yield(int64(rng.IntN(10_000)), stopped)
		}
	}
	return nil
}
