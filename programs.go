package kahuna

import (
	"container/list"
	"sync"
	"time"

	"kahuna/script"
)

// programCache keeps the compiled form of sources that were run lately,
// bounded in number, in memory, and in idle time. Sources that do not compile
// are not kept.
type programCache struct {
	limits   *script.Limits
	max      int
	maxBytes int
	now      func() time.Time

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  list.List // of *cachedProgram, newest first
	bytes   int
}

type cachedProgram struct {
	program *script.Program
	source  string
	used    time.Time
	// again says that the newest program was used after used. Whoever takes its
	// place in front renews used: the usual call reads no clock.
	again bool
}

const (
	programsDefault = 1000
	programsBytes   = 64 << 20 // script.Program.Size of all
	programIdle     = 600 * time.Second
)

func newProgramCache(n int, limits *script.Limits) *programCache {
	if n <= 0 {
		n = programsDefault
	}
	return &programCache{limits: limits, max: n, maxBytes: programsBytes, now: time.Now, entries: map[string]*list.Element{}}
}

func (c *programCache) get(source string) (*script.Program, error) {
	c.mu.Lock()
	if e := c.entries[source]; e != nil {
		p := e.Value.(*cachedProgram)
		if c.recent.Front() == e {
			p.again = true
		} else {
			p.used = c.renewFront()
			c.recent.MoveToFront(e)
			c.evict(p.used)
		}
		c.mu.Unlock()
		return p.program, nil
	}
	c.mu.Unlock()

	p, err := script.Compile(source, c.limits)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[source] == nil {
		now := c.renewFront()
		c.entries[source] = c.recent.PushFront(&cachedProgram{program: p, source: source, used: now})
		c.bytes += p.Size()
		c.evict(now)
	}
	return p, nil
}

// renewFront renews used of the newest program, which is about to get another
// one before it, and returns the time. Held: mu.
func (c *programCache) renewFront() time.Time {
	now := c.now()
	if e := c.recent.Front(); e != nil {
		if p := e.Value.(*cachedProgram); p.again {
			p.used, p.again = now, false
		}
	}
	return now
}

// evict drops what is over the bounds or was idle for long. Held: mu.
func (c *programCache) evict(now time.Time) {
	for e := c.recent.Back(); e != nil; e = c.recent.Back() {
		p := e.Value.(*cachedProgram)
		if c.recent.Len() <= c.max && (c.bytes <= c.maxBytes || c.recent.Len() == 1) && now.Sub(p.used) <= programIdle {
			return
		}
		c.recent.Remove(e)
		delete(c.entries, p.source)
		c.bytes -= p.program.Size()
	}
}
