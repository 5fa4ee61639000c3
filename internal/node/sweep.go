package node

import (
	"context"
	"time"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/partition"
	"kahuna/internal/store"
)

const (
	sweepRows    = 256  // rows purged by one batch
	sweepScan    = 512  // history rows looked at in one step
	sweepResults = 4096 // results forgotten by one entry, about
	// sweepShare is the part of the time to the next round that a round takes
	// for each kind of what has ended, so that it ends.
	sweepShare = 2

	// applyWait is how long a round waits for its purges to be applied.
	applyWait = time.Second

	// Looking for old versions means going through all histories. One pass
	// begins every prunePasses-th part of the retention time, so that a
	// version stays at most so much longer, and takes no more than the
	// pruneShare-th part of a processor; the lateShare-th when it takes
	// longer than the time between passes.
	prunePasses = 16
	pruneShare  = 16
	lateShare   = 4
)

// pruner is where the pass through the histories is.
type pruner struct {
	after string // the last key looked at, "" before a pass
	began int64  // of the pass under way, or of the last one, Unix milliseconds
}

// housekeep ticks the replica and keeps the log short, until nothing is on its
// way any more in a node that closes: without ticks a leader could neither
// propose again what was dropped nor notice that it has lost its quorum.
func (n *Node) housekeep() {
	defer n.background.Done()
	tick := time.NewTicker(n.opts.TickInterval)
	defer tick.Stop()
	for {
		select {
		case <-n.idle:
			return
		case <-tick.C:
			n.group.tick()
			n.boundLog()
		case <-n.flushed:
			n.flushing = false
			n.compactLog()
		case <-n.store.Failed():
			n.fail(n.store.Err())
			return
		}
	}
}

// sweepAgain sweeps until the node closes or fails. It waits for what it
// orders, and ticks and the log are not to wait for that.
func (n *Node) sweepAgain() {
	defer n.background.Done()
	sweep := time.NewTicker(n.opts.SweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-n.closing:
			return
		case <-n.failed:
			return
		case <-sweep.C:
			n.sweep()
		}
	}
}

// sweep collects what has ended: expired and deleted rows, old history, old
// results, in both spaces. Errors end the round; the next one tries again.
func (n *Node) sweep() {
	for _, step := range []func() (more bool, err error){n.sweepEphemeral, n.purgeRows, n.forgetResults} {
		start := time.Now()
		for more, err := true, error(nil); more && err == nil && !n.isClosing() && time.Since(start) < n.opts.SweepInterval/sweepShare; {
			more, err = step()
		}
	}
	n.dying = store.DyingCursor{}
	// The histories of keys that were just purged are none of pruneRound's: a
	// key may have begun anew meanwhile. Nor is it urgent when the rows do not
	// keep up.
	ctx, cancel := context.WithTimeout(context.Background(), applyWait)
	defer cancel()
	if n.applyAcknowledged(ctx) == nil {
		n.pruneRound()
	}
}

// pruneRound goes on with the pass through the histories, or begins one when
// it is time, until its share of the time to the next round is used up.
func (n *Node) pruneRound() {
	start := time.Now()
	since := n.Now() - n.pruner.began
	late := since > n.opts.Partition.RetentionMs/prunePasses || since < 0 // a clock set back
	if n.pruner.after == "" {
		if !late {
			return
		}
		n.pruner.began, late = n.Now(), false
	}
	share := n.opts.SweepInterval / pruneShare
	if late {
		share = n.opts.SweepInterval / lateShare
	}
	for !n.isClosing() {
		more, err := n.pruneHistory()
		if err != nil || !more || time.Since(start) > share {
			return
		}
	}
}

// HoldHistory keeps what was readable at sinceMs or later from being collected by
// its age; -1 ends that.
func (n *Node) HoldHistory(sinceMs int64) { n.group.part.HoldHistory(sinceMs) }

// order proposes what a sweep step ordered and waits until it is durable. The
// store may still show it: each step goes on where the one before it ended.
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
	case <-n.failed:
		return n.Err()
	case <-n.closing:
		return nil
	}
}

func (n *Node) sweepEphemeral() (bool, error) {
	return n.group.part.SweepEphemeral(n.Now(), sweepRows), nil
}

func (n *Node) purgeRows() (bool, error) {
	cutoff := n.group.part.Horizon(n.Now())
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
	before := hlc.At(max(0, n.group.part.Horizon(n.Now())))
	var old []partition.OldHistory
	next, err := n.store.OldVersions(before, n.pruner.after, sweepScan, func(key string, revision int64) error {
		old = append(old, partition.OldHistory{Key: key, Revision: revision})
		return nil
	})
	if err != nil {
		return false, err
	}
	n.pruner.after = next
	if len(old) > 0 {
		err = n.order(n.group.part.Prune(old, n.Now()))
	}
	return next != "", err
}

// forgetResults orders that the oldest results are forgotten that have had their
// time.
func (n *Node) forgetResults() (bool, error) {
	age := n.opts.Partition.ResultMs
	if _, bytes := n.store.Results(); bytes > n.opts.Partition.ResultBytes/4*3 {
		age = min(age, soonMs) // before new keys have to be refused
	}
	due := kv.Period{From: n.forgotten, To: hlc.At(max(0, n.Now()-age))}
	seen := 0
	err := n.store.OldResults(due, sweepResults, func(_ string, at hlc.Timestamp) error {
		if seen++; seen == sweepResults {
			due.To = at + 1
		}
		return nil
	})
	if err != nil || seen == 0 {
		return false, err
	}
	if err = n.order(n.group.part.Forget(due, n.Now())); err != nil {
		n.forgotten = 0
		return false, err
	}
	n.forgotten = due.To
	return seen == sweepResults, nil
}
