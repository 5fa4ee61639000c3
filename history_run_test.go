package kahuna

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"kahuna/internal/history"
	"kahuna/internal/listappend"
	"kahuna/internal/partition"
	"kahuna/internal/register"
)

// medium is what a store is kept on, and how its lives end.
type medium uint8

const (
	inMemory  medium = iota // one life
	directory               // closed and opened again, with clients at work
	crashing                // a disk in memory, and the power fails
)

// plan is all that the seed decides before a run begins.
type plan struct {
	seed       uint64
	medium     medium
	lives      int
	clients    int
	rounds     int  // operations of each client in each life
	simulated  bool // time passes with the operations
	cacheBytes int64
	forceSlow  bool
	slowDisk   bool // a sync takes up to two milliseconds
	faults     partition.Faults
	noSync     bool
}

func (p *plan) String() string {
	return fmt.Sprintf("seed %d: %s, %d lives, %d clients of %d rounds, simulated time %v, cache %d, slow path only %v, slow disk %v",
		p.seed, [...]string{"memory", "directory", "crashes"}[p.medium], p.lives, p.clients, p.rounds, p.simulated, p.cacheBytes, p.forceSlow, p.slowDisk)
}

// planFor draws a plan.
func planFor(seed uint64) plan {
	rng := rand.New(rand.NewPCG(seed, 20))
	p := plan{seed: seed, medium: medium(seed % 3), lives: 1, clients: 6 + rng.IntN(7), rounds: *flagHistoryRounds,
		simulated: rng.IntN(4) > 0, cacheBytes: 64 << 20}
	if p.medium != inMemory {
		p.lives = 2 + rng.IntN(2)
	}
	if rng.IntN(3) == 0 {
		p.cacheBytes = 1
	}
	p.forceSlow = rng.IntN(8) == 0
	p.slowDisk = rng.IntN(3) == 0
	return p
}

// historyRun is a run: a store that lives, and dies, and what its clients have
// recorded.
type historyRun struct {
	plan   plan
	events history.Events
	clock  historyClock
	elems  atomic.Int64

	mu       sync.Mutex
	txns     []listappend.Txn
	ops      []register.Op
	problems []string
	leases   []leaseRow // newest last

	mark atomic.Pointer[milestone]
}

// milestone is an event that somebody waits for.
type milestone struct {
	at      int64
	reached chan struct{}
	once    sync.Once
}

// next numbers an event.
func (r *historyRun) next() int64 {
	n := r.events.Next()
	if m := r.mark.Load(); m != nil && n >= m.at {
		m.once.Do(func() { close(m.reached) })
	}
	return n
}

// await returns after n more events, or when all clients have ended.
func (r *historyRun) await(n int64, working *sync.WaitGroup) {
	m := &milestone{at: r.next() + n, reached: make(chan struct{})}
	r.mark.Store(m)
	ended := make(chan struct{})
	go func() { working.Wait(); close(ended) }()
	select {
	case <-m.reached:
	case <-ended:
	}
}

// problem notes something that is wrong whatever the history says.
func (r *historyRun) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) < 10 {
		r.problems = append(r.problems, fmt.Sprintf(format, args...))
	}
}

// recordTxn and recordOp take what is finished.
func (r *historyRun) recordTxn(t listappend.Txn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.ID = fmt.Sprint("T", len(r.txns))
	r.txns = append(r.txns, t)
}

func (r *historyRun) recordOp(o register.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
}

// forget makes unknown what was answered in a life after the moment from which
// the next one goes on: that answer came from a world that is no more.
func (r *historyRun) forget(l *life, cut int64) {
	for i := l.txns; i < len(r.txns); i++ {
		t := &r.txns[i]
		if t.Return <= cut || t.Outcome != history.Applied {
			continue
		}
		t.Outcome, t.Return = history.Unknown, history.Never
		t.Ops = slices.DeleteFunc(t.Ops, func(o listappend.Op) bool { return o.Kind == listappend.Read || o.Kind == listappend.Scan })
	}
	for i := l.ops; i < len(r.ops); i++ {
		if o := &r.ops[i]; o.Return > cut && o.Outcome == history.Applied {
			o.Outcome, o.Return, o.From = history.Unknown, history.Never, 0
			for j := range o.Steps {
				o.Steps[j].Now = 0
			}
		}
	}
}

// open opens the store for another life.
func (r *historyRun) open(dir string, mem vfs.FS) (*DB, error) {
	o := crashOptions(mem, r.plan.noSync)
	o.now, o.faults, o.RowCacheBytes, o.forceSlow = r.clock.now, r.plan.faults, r.plan.cacheBytes, r.plan.forceSlow
	switch r.plan.medium {
	case inMemory:
		o.fs = vfs.NewMem()
	case directory:
		o.fs = vfs.Default
	default:
		dir = "db"
	}
	if r.plan.slowDisk {
		o.fs = errorfs.Wrap(o.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				time.Sleep(rand.N(2 * time.Millisecond))
			}
			return nil
		}))
	}
	return open(dir, o)
}

// prepareHistory writes the rows that only name others.
func prepareHistory(db *DB) error {
	for _, name := range append(listNames, registerNames...) {
		if _, err := db.Set(context.Background(), "ptr/"+name, name, nil); err != nil {
			return err
		}
	}
	return nil
}

// leaseRow is a row that will end.
type leaseRow struct {
	space string
	no    int
	elem  int
	life  int
}

// historyClock is the store's physical clock: the machine's, or one that moves
// on with the operations, at times in leaps, and is set back now and then.
type historyClock struct {
	simulated bool
	ms        atomic.Int64
	back      atomic.Int64
	floor     atomic.Int64 // it is not set back further
}

func (c *historyClock) now() int64 {
	if !c.simulated {
		return time.Now().UnixMilli()
	}
	return max(c.ms.Load()-c.back.Load(), c.floor.Load())
}

// tick lets time pass.
func (c *historyClock) tick(rng *rand.Rand) {
	switch rng.IntN(40) {
	case 0:
		c.ms.Add(10)
	case 1:
		c.back.Store(rng.Int64N(8))
	case 2, 3:
		c.back.Store(0)
	default:
		c.ms.Add(rng.Int64N(2))
	}
}

// restart sets the clock right, for good: a store that opens again knows only
// the times it has written, not those that somebody has read.
func (c *historyClock) restart() {
	c.back.Store(0)
	c.floor.Store(c.ms.Add(1))
}

// life is one opening of the store.
type life struct {
	no   int
	db   *DB
	stop chan struct{} // closed when the clients are to end
	// first of what is recorded in this life
	txns, ops int
}

// run lets the clients work on the store through all its lives.
func (p plan) run(dir string) (*historyRun, error) {
	r := &historyRun{plan: p}
	r.clock.simulated = p.simulated
	r.clock.ms.Store(1_700_000_000_000)
	rng := rand.New(rand.NewPCG(p.seed, 21))
	var mem *vfs.MemFS
	if p.medium == crashing {
		mem = vfs.NewCrashableMem()
	}
	clients := make([]*client, p.clients)
	for i := range clients {
		clients[i] = newClient(r, i)
	}
	for no := range p.lives {
		r.clock.restart()
		db, err := r.open(dir, mem)
		if err != nil {
			r.problem("life %d: %v", no, err)
			return r, nil
		}
		l := &life{no: no, db: db, stop: make(chan struct{}), txns: len(r.txns), ops: len(r.ops)}
		if no == 0 {
			if err := prepareHistory(db); err != nil {
				return nil, err
			}
		}
		var working sync.WaitGroup
		for _, c := range clients {
			working.Go(func() { c.live(l) })
		}
		last := no == p.lives-1
		if last {
			working.Wait()
			finalReads(r, l)
			r.close(l)
			return r, nil
		}
		// End it in the midst of the work.
		end := int64(p.rounds*p.clients) * (1 + rng.Int64N(3)) / 2
		r.await(end, &working)
		if p.medium == crashing {
			cut := r.next()
			image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: [...]int{0, 50, 90}[rng.IntN(3)], RNG: rng})
			close(l.stop)
			r.close(l)
			working.Wait()
			r.forget(l, cut)
			mem = image
			continue
		}
		close(l.stop)
		r.close(l)
		working.Wait()
	}
	return r, nil
}

func (r *historyRun) close(l *life) {
	if err := l.db.Close(); err != nil {
		r.problem("life %d: close: %v", l.no, err)
	}
}
