package admission

import (
	"container/list"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"kahuna/script"
)

// Options bound a Controller. All are needed.
type Options struct {
	Scripts    int           // under way at once
	Waiting    int           // waiting to be admitted; more are refused
	Processors int           // compute at once
	Turn       time.Duration // how long, while others wait for a turn
	// Stretch is how long one computes without a rest of the length Rest, while
	// others use the store; zero is for ever. The kernel does not take a
	// processor from a thread that computes as soon as another one, which waited
	// for the disk, wants it, but some milliseconds later.
	Stretch, Rest time.Duration
	// BytesPerSecond is how many bytes those under way may make together while
	// others use the store; negative is no bound.
	BytesPerSecond int64
	// Others counts what others have done with the store: while it stands
	// still, nobody pauses.
	Others func() uint64
}

// Reasons of Admit. Nothing has begun.
var (
	ErrFull    = errors.New("admission: too many wait already")
	ErrNoRoom  = errors.New("admission: no room now")
	ErrTimeout = errors.New("admission: waited too long")
	ErrStopped = errors.New("admission: stopped while waiting")
)

const priorities = int(script.PriorityCritical) + 1

// Controller admits scripts. Its methods may be called from any goroutine.
type Controller struct {
	opts Options

	mu        sync.Mutex
	underWay  int
	computing int                   // have a turn; all of Processors while somebody is ready
	line      [priorities]list.List // of *Pass: wait to be admitted, oldest first
	waiting   int                   // in line
	ready     list.List             // of *Pass: under way and want a turn, oldest first
	refused   uint64

	wanted atomic.Int32 // ready.Len(), to look at without mu
}

// Stats are present numbers, and a counter.
type Stats struct {
	UnderWay, Waiting, Computing int
	Refused                      uint64
}

// New returns a Controller.
func New(o Options) *Controller { return &Controller{opts: o} }

// Stats returns the present state.
func (c *Controller) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{UnderWay: c.underWay, Waiting: c.waiting, Computing: c.computing, Refused: c.refused}
}

// Pass is one script's. Its methods are called by one goroutine at a time.
type Pass struct {
	c  *Controller
	in bool // under way

	turn   bool
	since  time.Time // when the turn began
	rested time.Time // when it began, or the last rest ended
	// before is Others at the last look, noticed when it had last changed.
	before  uint64
	noticed time.Time

	granted chan struct{} // holds one when what was waited for has come
	list    *list.List    // where it waits, nil when it does not
	place   *list.Element

	paid time.Time // when what was made is paid for
	seen uint64    // Others at the last look
}

// NewPass returns the pass of a script that is not under way.
func (c *Controller) NewPass() *Pass { return &Pass{c: c, granted: make(chan struct{}, 1)} }

// Admit waits until p is under way, at most for wait: 0 is not at all. Its error
// is ErrFull, ErrNoRoom, ErrTimeout, or ErrStopped when stopped was closed
// first. It returns how long it has waited, 0 when it did not have to.
func (p *Pass) Admit(priority script.Priority, wait time.Duration, stopped <-chan struct{}) (time.Duration, error) {
	c := p.c
	if priority == script.PriorityUnset {
		priority = script.PriorityNormal
	}
	c.mu.Lock()
	if c.underWay < c.opts.Scripts {
		p.enter()
		c.mu.Unlock()
		p.look()
		return 0, nil
	}
	var refusal error
	switch {
	case wait <= 0:
		refusal = ErrNoRoom
	case c.waiting >= c.opts.Waiting:
		refusal = ErrFull
	}
	if refusal != nil {
		c.refused++
		c.mu.Unlock()
		return 0, refusal
	}
	c.waiting++
	p.stand(&c.line[priority])
	c.mu.Unlock()

	start := time.Now()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.granted:
	case <-timer.C:
		if p.giveUp(true) {
			return time.Since(start), ErrTimeout
		}
	case <-stopped:
		p.giveUp(false)
		p.Leave()
		return time.Since(start), ErrStopped
	}
	p.look()
	return time.Since(start), nil
}

// look notes what others have done so far.
func (p *Pass) look() { p.seen = p.c.opts.Others() }

// giveUp leaves the line, and reports false when p has been admitted meanwhile.
func (p *Pass) giveUp(refused bool) bool {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.place == nil {
		<-p.granted
		return false
	}
	c.waiting--
	p.stepOut()
	if refused {
		c.refused++
	}
	return true
}

// stand puts p at the end of l. Held: mu.
func (p *Pass) stand(l *list.List) { p.list, p.place = l, l.PushBack(p) }

// stepOut takes p from where it stands. Held: mu.
func (p *Pass) stepOut() {
	p.list.Remove(p.place)
	p.list, p.place = nil, nil
}

// grant tells p that what it waits for has come. Held: mu.
func (p *Pass) grant() {
	p.stepOut()
	p.granted <- struct{}{}
}

// enter is Enter. Held: mu.
func (p *Pass) enter() {
	p.in = true
	p.c.underWay++
}

// Enter makes p be under way without being admitted: for one that comes back
// from a wait, or that has begun elsewhere. It never waits.
func (p *Pass) Enter() {
	if p.in {
		return
	}
	p.c.mu.Lock()
	p.enter()
	p.c.mu.Unlock()
	p.look()
}

// Leave gives up the turn and the place of p: at its end, and before it waits
// for anything but a turn. It reports whether p was under way; doing so twice
// does nothing.
func (p *Pass) Leave() bool {
	if !p.in {
		return false
	}
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	p.passTurn()
	p.in = false
	c.underWay--
	for at := priorities - 1; at >= 0 && c.underWay < c.opts.Scripts; {
		first := c.line[at].Front()
		if first == nil {
			at--
			continue
		}
		next := first.Value.(*Pass)
		c.waiting--
		next.enter()
		next.grant()
	}
	return true
}
