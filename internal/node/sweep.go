package node

import (
	"time"

	"kahuna/internal/hlc"
	"kahuna/internal/partition"
	"kahuna/internal/store"
)

const (
	sweepRows  = 256  // rows purged, or histories pruned, by one batch
	sweepScan  = 4096 // history rows looked at in one step
	sweepSteps = 64   // steps in one round, so that a round ends
)

// housekeep ticks the replica, compacts the log, and sweeps, until the node
// closes.
func (n *Node) housekeep() {
	defer n.background.Done()
	tick := time.NewTicker(n.opts.TickInterval)
	defer tick.Stop()
	sweep := time.NewTicker(n.opts.SweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-n.closing:
			return
		case <-tick.C:
			n.group.mu.Lock()
			n.group.replica.Tick()
			n.group.drain()
			n.group.mu.Unlock()
		case <-n.flushed:
			n.compactLog()
		case <-sweep.C:
			n.sweep()
		case <-n.store.Failed():
			n.fail(n.store.Err())
			return
		}
	}
}

// compactLog lets go of the entries that the store has on disk.
func (n *Node) compactLog() {
	if index := n.store.FlushedIndex(n.group.id); index > 0 {
		if err := n.group.log.Compact(index); err != nil {
			n.opts.Logger.Warn("log not compacted", "index", index, "error", err)
		}
	}
}

// sweep collects what has ended: expired and deleted rows, old history, old
// results, in both spaces. Errors end the round; the next one tries again.
func (n *Node) sweep() {
	for i := 0; i < sweepSteps && n.group.part.SweepEphemeral(n.Now(), sweepRows) && !n.isClosing(); i++ {
	}
	for _, step := range []func() (more bool, err error){n.purgeRows, n.pruneHistory, n.forgetResults} {
		for i := 0; i < sweepSteps && !n.isClosing(); i++ {
			more, err := step()
			if err != nil || !more {
				break
			}
		}
	}
	n.dying = store.DyingCursor{}
}

// order proposes what a sweep step ordered and waits until it is applied, so
// that the next step does not find it again.
func (n *Node) order(done partition.Done, err error) error {
	if done.Propose {
		n.group.flush()
	}
	if err != nil || done.Batch == nil {
		return err
	}
	select {
	case <-done.Batch.Done:
		return done.Batch.Err
	case <-n.closing:
		return nil
	}
}

func (n *Node) purgeRows() (bool, error) {
	cutoff := n.Now() - n.opts.Partition.RetentionMs
	var keys []string
	seen := 0
	err := n.store.Dying(cutoff, n.dying, sweepRows, func(key string, at int64) error {
		keys = append(keys, key)
		n.dying = store.DyingCursor{At: at, Key: key}
		seen++
		return nil
	})
	if err != nil || seen == 0 {
		return false, err
	}
	return seen == sweepRows, n.order(n.group.part.Purge(keys, n.Now()))
}

func (n *Node) pruneHistory() (bool, error) {
	before := hlc.At(max(0, n.Now()-n.opts.Partition.RetentionMs))
	var old []partition.OldHistory
	next, err := n.store.OldVersions(before, n.oldVersions, sweepScan, func(key string, revision int64) error {
		old = append(old, partition.OldHistory{Key: key, Revision: revision})
		return nil
	})
	if err != nil {
		return false, err
	}
	n.oldVersions = next
	if len(old) > 0 {
		err = n.order(n.group.part.Prune(old, n.Now()))
	}
	return next != "", err
}

func (n *Node) forgetResults() (bool, error) {
	age := n.opts.Partition.ResultMs
	if _, bytes := n.store.Results(); bytes > n.opts.Partition.ResultBytes/4*3 {
		age = min(age, soonMs) // before new keys have to be refused
	}
	before := hlc.At(max(0, n.Now()-age))
	keys, err := n.store.OldResults(before, sweepRows)
	if err != nil || len(keys) == 0 {
		return false, err
	}
	return len(keys) == sweepRows, n.order(n.group.part.Forget(keys, n.Now()))
}
