package node

import (
	"sync"

	"kahuna/internal/partition"
	"kahuna/internal/replica"
)

// applier applies committed entries behind the callers' backs, in order, on
// one goroutine. Its queue is bounded by what the replica hands out
// (replica.Config.MaxApplying) and by the partition's UnappliedBytes.
type applier struct {
	mu      sync.Mutex
	work    sync.Cond
	items   []applyItem
	closing bool
	done    chan struct{}
}

// applyItem is a run of committed entries with the batches they came from (nil
// for those of other leaders or earlier lives), or the order to lead, or a
// question when everything before it is applied.
type applyItem struct {
	group   *group
	apply   *replica.Apply
	batches []*partition.Batch
	lead    uint64
	reached chan struct{} // closed when it is this item's turn
}

func newApplier() *applier {
	a := &applier{done: make(chan struct{})}
	a.work.L = &a.mu
	return a
}

func (a *applier) put(item applyItem) {
	a.mu.Lock()
	a.items = append(a.items, item)
	a.mu.Unlock()
	a.work.Signal()
}

// run applies until close is called and nothing is left, or an error.
func (a *applier) run(fail func(error)) {
	defer close(a.done)
	for {
		a.mu.Lock()
		for len(a.items) == 0 && !a.closing {
			a.work.Wait()
		}
		items := a.items
		a.items = nil
		a.mu.Unlock()
		if len(items) == 0 {
			return
		}
		for _, item := range items {
			if err := item.group.applyOne(item); err != nil {
				fail(err)
				return
			}
		}
	}
}

func (a *applier) close() {
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	a.work.Signal()
	<-a.done
}
