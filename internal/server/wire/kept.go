package wire

import (
	"container/list"
	"sync"

	"kahuna"
)

// Programs keeps compiled scripts by a name, such as the hash of their text.
// Those not used for the longest time go when there are too many. It is safe
// for concurrent use.
type Programs struct {
	most, bytesMost int

	mu     sync.Mutex // guards the rest
	byName map[string]*list.Element
	recent list.List // of *kept, the last used first
	bytes  int
}

type kept struct {
	name    string
	program kahuna.Program
}

// NewPrograms returns an empty Programs for most programs, whose texts have
// bytesMost bytes together; the last one kept may have more.
func NewPrograms(most, bytesMost int) *Programs {
	return &Programs{most: most, bytesMost: bytesMost, byName: map[string]*list.Element{}}
}

// Get returns the program of that name, or nil.
func (p *Programs) Get(name string) kahuna.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byName[name]
	if e == nil {
		return nil
	}
	p.recent.MoveToFront(e)
	return e.Value.(*kept).program
}

// Keep keeps a program, unless there is one of that name.
func (p *Programs) Keep(name string, program kahuna.Program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byName[name] != nil {
		return
	}
	p.byName[name] = p.recent.PushFront(&kept{name, program})
	p.bytes += len(program.Source())
	for p.recent.Len() > p.most || p.bytes > p.bytesMost && p.recent.Len() > 1 {
		last := p.recent.Remove(p.recent.Back()).(*kept)
		delete(p.byName, last.name)
		p.bytes -= len(last.program.Source())
	}
}
