package kahuna

import (
	"container/list"
	"sync"
	"time"

	"kahuna/script"
)

// programCache keeps the compiled form of sources that were run lately,
// bounded in number, in source bytes, and in idle time. Sources that do not
// compile are not kept.
type programCache struct {
	limits *script.Limits
	max    int

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  list.List // of *cachedProgram, newest first
	bytes   int
}

type cachedProgram struct {
	program *script.Program
	source  string
	used    time.Time
}

const (
	programsDefault = 1000
	programsBytes   = 64 << 20 // of source text
	programIdle     = 600 * time.Second
)

func newProgramCache(n int, limits *script.Limits) *programCache {
	if n <= 0 {
		n = programsDefault
	}
	return &programCache{limits: limits, max: n, entries: map[string]*list.Element{}}
}

func (c *programCache) get(source string) (*script.Program, error) {
	c.mu.Lock()
	if e := c.entries[source]; e != nil {
		p := e.Value.(*cachedProgram)
		if c.recent.Front() != e {
			c.recent.MoveToFront(e)
			p.used = time.Now()
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
		now := time.Now()
		c.entries[source] = c.recent.PushFront(&cachedProgram{p, source, now})
		c.bytes += len(source)
		c.evict(now)
	}
	return p, nil
}

// evict drops what is over the bounds or was idle for long. Held: mu.
func (c *programCache) evict(now time.Time) {
	for e := c.recent.Back(); e != nil; e = c.recent.Back() {
		p := e.Value.(*cachedProgram)
		if c.recent.Len() <= c.max && (c.bytes <= programsBytes || c.recent.Len() == 1) && now.Sub(p.used) <= programIdle {
			return
		}
		c.recent.Remove(e)
		delete(c.entries, p.source)
		c.bytes -= len(p.source)
	}
}
