package admission

import (
	"runtime"
	"time"
)

// presence is how long others count as there after they have done something:
// they may be waiting for the processor.
const presence = 20 * time.Millisecond

// pauseLeast is the shortest pause: a shorter one costs more than it gives.
const pauseLeast = 5 * time.Millisecond

// Yield lets others go on, in the middle of the work of p, which has made bytes
// of garbage since the last time. It takes a turn if p has none, passes it on
// when it has had it for long enough and others wait, rests after each stretch
// beside others, and pauses when p makes more than its share. It returns how long
// it waited. When stopped is closed it returns at once, perhaps without a turn.
func (p *Pass) Yield(made int64, stopped <-chan struct{}) time.Duration {
	now := time.Now()
	if pause := p.owed(made, now); pause > 0 {
		p.c.mu.Lock()
		p.passTurn()
		p.c.mu.Unlock()
		sleep(pause, stopped)
		p.takeTurn(stopped)
		return time.Since(now)
	}
	if p.turn && (p.c.wanted.Load() == 0 || now.Sub(p.since) < p.c.opts.Turn) {
		return p.rest(now, stopped)
	}
	if p.takeTurn(stopped) {
		return 0
	}
	return time.Since(now)
}

// rest lets others have the processor for a moment, or two when it is time for
// a rest, and returns how long that was.
func (p *Pass) rest(now time.Time, stopped <-chan struct{}) time.Duration {
	o := &p.c.opts
	if o.Stretch == 0 || now.Sub(p.rested) < o.Stretch {
		runtime.Gosched()
		return 0
	}
	p.rested = now
	if others := o.Others(); others != p.before {
		p.before, p.noticed = others, now
	}
	if now.Sub(p.noticed) > presence {
		runtime.Gosched()
		return 0
	}
	sleep(o.Rest, stopped)
	p.rested = time.Now()
	return p.rested.Sub(now)
}

func sleep(d time.Duration, stopped <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
	}
}

// takeTurn passes on the turn that p may have and takes the next one, or none
// when stopped is closed first. It reports whether that was free at once.
func (p *Pass) takeTurn(stopped <-chan struct{}) (free bool) {
	c := p.c
	c.mu.Lock()
	p.passTurn()
	if c.computing < c.opts.Processors {
		c.computing++
		p.turn = true
		c.mu.Unlock()
		p.begin()
		return true
	}
	p.stand(&c.ready)
	c.wanted.Add(1)
	c.mu.Unlock()
	select {
	case <-p.granted:
		p.begin()
		return false
	case <-stopped:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.place == nil {
		<-p.granted // Leave gives it back
		return false
	}
	p.stepOut()
	c.wanted.Add(-1)
	return false
}

// begin notes that the turn of p begins.
func (p *Pass) begin() {
	p.since = time.Now()
	p.rested, p.before = p.since, p.c.opts.Others()
}

// passTurn gives the turn of p, if it has one, to the first who wants it. Held:
// mu.
func (p *Pass) passTurn() {
	if !p.turn {
		return
	}
	p.turn = false
	c := p.c
	first := c.ready.Front()
	if first == nil {
		c.computing--
		return
	}
	next := first.Value.(*Pass)
	next.turn = true
	next.grant()
	c.wanted.Add(-1)
}

// owed adds made bytes to what p has to pay for in time, and returns how long
// it is to pause. Each of those under way has the same share of the rate.
func (p *Pass) owed(made int64, now time.Time) time.Duration {
	c := p.c
	if made <= 0 || c.opts.BytesPerSecond < 0 {
		return 0
	}
	c.mu.Lock()
	share := float64(c.opts.BytesPerSecond) / float64(max(c.underWay, 1))
	c.mu.Unlock()
	if p.paid.Before(now) {
		p.paid = now
	}
	p.paid = p.paid.Add(time.Duration(min(float64(made)/share, 3600) * float64(time.Second)))
	pause := p.paid.Sub(now)
	if pause < pauseLeast {
		return 0
	}
	if others := c.opts.Others(); others != p.seen {
		p.seen = others
		return pause
	}
	p.paid = now
	return 0
}
