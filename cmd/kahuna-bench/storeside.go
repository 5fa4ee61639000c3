package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"kahuna"
)

// storeLoop is workloads on a store.
type storeLoop struct {
	db      *kahuna.DB
	spec    *sideSpec
	callers map[int][]*caller // by how many
	ready   map[string]*workload
}

func newStoreLoop(ctx context.Context, s *sideSpec) (_ loop, ready sample, err error) {
	begin := time.Now()
	db, err := kahuna.Open(s.Dir, &kahuna.Options{RowCacheBytes: s.RowCacheBytes})
	if err != nil {
		return nil, ready, err
	}
	ready.OpenSeconds = time.Since(begin).Seconds()
	l := &storeLoop{db: db, spec: s, callers: map[int][]*caller{}, ready: map[string]*workload{}}
	if s.Fill {
		begin = time.Now()
		w, err := l.workload(s.Workload)
		if err == nil {
			err = w.fillStore(ctx, db)
		}
		if err != nil {
			return nil, ready, errors.Join(err, db.Close())
		}
		ready.FillSeconds = time.Since(begin).Seconds()
	}
	ready.Rows = db.Stats().Rows
	return l, ready, nil
}

// workload returns the one of that name, compiled.
func (l *storeLoop) workload(name string) (*workload, error) {
	if w := l.ready[name]; w != nil {
		return w, nil
	}
	w, err := newWorkload(name, &flags{Keys: l.spec.Keys, ValueSize: l.spec.ValueSize})
	if err == nil {
		err = w.compile(l.db)
	}
	if err != nil {
		return nil, err
	}
	l.ready[name] = w
	return w, nil
}

func (l *storeLoop) turn(ctx context.Context, o order) (sample, error) {
	w, err := l.workload(cmp.Or(o.Workload, l.spec.Workload))
	if err != nil {
		return sample{}, err
	}
	n := cmp.Or(o.Callers, l.spec.Callers)
	if l.callers[n] == nil {
		l.callers[n] = newCallers(n, 1)
	}
	before := l.db.Stats()
	s, err := turn(ctx, l.callers[n], o.Turn, w.call(ctx))
	after := l.db.Stats()
	if batches := after.Batches - before.Batches; batches > 0 {
		s.Batch = float64(after.BatchedScripts-before.BatchedScripts) / float64(batches)
	}
	return s, err
}

func (l *storeLoop) close() error { return l.db.Close() }
