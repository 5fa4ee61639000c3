package partition

import (
	"cmp"
	"context"
	"errors"

	"kahuna/internal/kv"
	"kahuna/script"
)

// A run in the executor does not wait for the disk. It ends with errMissing
// where it needs what is not in memory; that is read without the mutex, and the
// run is done again. A row goes into the cache. A range of the persistent space
// and what is read of the past are kept for the runs of this one script.

// errMissing says that a run needs what is not in memory.
var errMissing = errors.New("partition: it is not in memory")

// fetchesMax is how often something is read for a run. Rows that are missing
// after that are read under the mutex; other reads go to the slow path.
const fetchesMax = 8

// need is what a run needs: a row, a range, or a read of the past.
type need struct {
	key  string
	part *Part
	past *past
}

// fetched is what was read for a run besides rows. A nil one is empty.
type fetched struct {
	parts []*rangeRead
	pasts map[past]*pastRows
}

func (f *fetched) pastRows(k past) *pastRows {
	if f == nil {
		return nil
	}
	return f.pasts[k]
}

func (f *fetched) part(k Part) *rangeRead {
	if f == nil {
		return nil
	}
	for _, r := range f.parts {
		if r.Part == k && !r.void {
			return r
		}
	}
	return nil
}

// miss ends a run in the executor until n has been read.
func (tx *Tx) miss(n need) error {
	if !tx.fetch {
		return script.ErrSlowPath
	}
	tx.need = &n
	return errMissing
}

// fetchFor reads what a run needs. It returns script.ErrSlowPath when that is
// too much for the executor, and ctx.Err() when ctx ends first. The mutex is not
// held.
func (p *Partition) fetchFor(ctx context.Context, f *fetched, n *need) (*fetched, error) {
	if n.key != "" {
		p.mu.Lock()
		p.fetch(n.key)
		p.mu.Unlock()
		return f, nil
	}
	if f == nil {
		f = &fetched{}
	}
	if n.part != nil {
		r, err := p.readPart(ctx, *n.part)
		f.parts = append(f.parts, r)
		return f, err
	}
	got, err := p.readPasts(ctx, *n.past)
	if f.pasts == nil {
		f.pasts = map[past]*pastRows{}
	}
	f.pasts[*n.past] = got
	return f, err
}

// readPasts reads the past for a run in the executor.
func (p *Partition) readPasts(ctx context.Context, k past) (*pastRows, error) {
	got := &pastRows{}
	poll := func(int64) error { return ctx.Err() }
	tx := &Tx{p: p, now: k.n, slow: &slowRead{rowsMax: p.opts.FastRows, poll: poll}}
	if k.ranged {
		got.err = tx.readPastRange(k.part, k.n, func(row script.Row) error {
			got.rows = append(got.rows, row)
			return nil
		})
	} else {
		if k.space == kv.Persistent {
			p.mu.Lock()
			p.fetch(k.text)
			p.mu.Unlock()
		}
		var row kv.Row
		var ok bool
		if row, ok, got.err = tx.readPast(k); ok {
			got.rows = append(got.rows, found(k.text, &row))
		}
	}
	got.dep = tx.dep
	if got.err == script.ErrSlowPath || got.err != nil && ctx.Err() != nil {
		return got, cmp.Or(ctx.Err(), got.err)
	}
	return got, nil
}

// forget ends what was read for a run. The mutex is not held.
func (p *Partition) forget(f *fetched) {
	if f == nil || len(f.parts) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range f.parts {
		p.unwatch(r)
	}
}
