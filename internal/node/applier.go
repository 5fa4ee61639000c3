package node

import (
	"slices"
	"sync"
	"time"

	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/internal/replica"
)

// applier applies committed entries behind the callers' backs, in order, on
// one goroutine. Nobody waits for it, so it lets entries gather for a moment
// and applies them together: of the versions that a busy key went through, the
// rows get only what remains. Its queue is bounded by what the replica hands
// out (replica.Config.MaxApplying) and by the partition's UnappliedBytes.
type applier struct {
	mu      sync.Mutex
	work    sync.Cond
	items   []applyItem
	bytes   int // of the entries in items
	due     bool
	timer   *time.Timer // sets due; made by the first put
	closing bool
	done    chan struct{}
}

const (
	// gatherTime is how long an entry may wait for others, gatherBytes how
	// many bytes of them are enough.
	gatherTime  = 20 * time.Millisecond
	gatherBytes = 128 << 10
	// mergeBytes and mergeOps bound what is applied in one step; a single
	// larger entry is a step of its own.
	mergeBytes = 1 << 20
	mergeOps   = 1024
)

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
	defer a.mu.Unlock()
	if a.closing {
		return // it is in the log
	}
	switch {
	case len(a.items) > 0:
	case a.timer == nil:
		a.timer = time.AfterFunc(gatherTime, a.hurry)
	default:
		a.timer.Reset(gatherTime)
	}
	a.items = append(a.items, item)
	// Somebody may wait for what no script of this life wrote: an election, a
	// recovery.
	urgent := item.apply == nil
	before := a.bytes
	for i, b := range item.batches {
		urgent = urgent || b == nil
		a.bytes += len(item.apply.Entries[i].Data)
	}
	if urgent || before < gatherBytes && a.bytes >= gatherBytes {
		a.due = true
		a.work.Signal()
	}
}

// hurry has what there is applied now.
func (a *applier) hurry() {
	a.mu.Lock()
	a.due = true
	a.mu.Unlock()
	a.work.Signal()
}

// run applies until close is called and nothing is left, or an error.
func (a *applier) run(fail func(error)) {
	defer close(a.done)
	for {
		a.mu.Lock()
		for (len(a.items) == 0 || !a.due) && !a.closing {
			a.work.Wait()
		}
		items := a.items
		a.items, a.bytes, a.due = nil, 0, false
		a.mu.Unlock()
		if len(items) == 0 {
			return
		}
		for len(items) > 0 {
			n := 1
			for n < len(items) && items[n].group == items[0].group && items[n].apply != nil && items[0].apply != nil {
				n++
			}
			if err := items[0].group.apply(items[:n]); err != nil {
				fail(err)
				return
			}
			items = items[n:]
		}
	}
}

func (a *applier) close() {
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	a.work.Signal()
	<-a.done
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}

// merged is a run of entries that are applied in one step.
type merged struct {
	index   uint64 // of the last
	batch   *kv.Batch
	bytes   int
	own     bool               // batch was made here and may be appended to
	batches []*partition.Batch // that are in it
	ops     []kv.Op            // memory for those of batch
}

// reset makes m empty. What it has held is not kept alive.
func (m *merged) reset() {
	if m.own {
		m.ops = m.batch.Ops
		clear(m.ops)
	}
	clear(m.batches)
	*m = merged{batches: m.batches[:0], ops: m.ops[:0]}
}

// fits reports whether b may join what is there. Results are forgotten before
// others are stored, so those of several entries keep their order only while
// none but the first forgets any.
func (m *merged) fits(b *kv.Batch, bytes int) bool {
	return m.batch == nil || m.bytes+bytes <= mergeBytes && len(m.batch.Ops)+len(b.Ops) <= mergeOps &&
		b.Forget == kv.Period{}
}

func (m *merged) add(index uint64, b *kv.Batch, bytes int, from *partition.Batch) {
	m.index = index
	m.bytes += bytes
	if from != nil {
		m.batches = append(m.batches, from)
	}
	switch {
	case m.batch == nil:
		m.batch = b
		return
	case !m.own:
		first := m.batch
		m.batch = &kv.Batch{Time: first.Time, Forget: first.Forget}
		m.batch.Ops = append(slices.Grow(m.ops, mergeOps), first.Ops...)
		m.batch.Results = append(m.batch.Results, first.Results...)
		m.own = true
	}
	m.batch.Time = max(m.batch.Time, b.Time)
	m.batch.Ops = append(m.batch.Ops, b.Ops...)
	m.batch.Results = append(m.batch.Results, b.Results...)
}
