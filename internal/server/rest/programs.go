package rest

import (
	"container/list"
	"sync"

	"kahuna"
)

// programs keeps scripts that are called by the hash of their text. Those not
// used for the longest time go when there are too many.
type programs struct {
	most, bytesMost int

	mu     sync.Mutex // guards the rest
	byHash map[string]*list.Element
	recent list.List // of *kept, the last used first
	bytes  int
}

type kept struct {
	hash    string
	program kahuna.Program
}

func newPrograms(most, bytesMost int) *programs {
	return &programs{most: most, bytesMost: bytesMost, byHash: map[string]*list.Element{}}
}

// get returns the program with the hash, or nil.
func (p *programs) get(hash string) kahuna.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byHash[hash]
	if e == nil {
		return nil
	}
	p.recent.MoveToFront(e)
	return e.Value.(*kept).program
}

// keep keeps a program.
func (p *programs) keep(hash string, program kahuna.Program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byHash[hash] != nil {
		return
	}
	p.byHash[hash] = p.recent.PushFront(&kept{hash, program})
	p.bytes += len(program.Source())
	for p.recent.Len() > p.most || p.bytes > p.bytesMost && p.recent.Len() > 1 {
		last := p.recent.Remove(p.recent.Back()).(*kept)
		delete(p.byHash, last.hash)
		p.bytes -= len(last.program.Source())
	}
}
