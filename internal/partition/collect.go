package partition

import (
	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// Collecting is replicated like every other effect: the leader decides what
// goes, and the entry says so, or replicas would differ.

// Purge removes the rows among keys that ended at or before the retention
// bound and that nobody uses. It returns whether something was ordered, so
// that the caller proposes it.
func (p *Partition) Purge(keys []string, nowMs int64) (Done, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		p.fetch(key)
	}
	if p.stopped != nil {
		return Done{}, refusal(p.stopped)
	}
	now := p.clock.Next(nowMs)
	cutoff := p.Horizon(now.Millis())
	for _, key := range keys { // what is gone from memory again, before collect locks line
		if _, err := p.cell(key); err != nil {
			return Done{}, err
		}
	}
	return p.collect(now, len(keys), func(b func() *Batch, i int) error {
		c, err := p.cell(keys[i])
		if err != nil || !c.exists || c.seq > p.applied || p.isLocked(c) {
			return err
		}
		if at := deathTime(&c.row); at == 0 || at > cutoff {
			return nil
		}
		if len(p.checks)+len(p.parts) > 0 {
			p.noteWrite(kv.Persistent, c.key)
		}
		if c.gone { // it does not fit in the cache; but from here on it has to stay
			c.gone = false
			p.insert(c)
		}
		p.order(b(), kv.Op{Kind: kv.Purge, Key: c.key, Tail: &c.tail}, c.row)
		p.supersede(b(), c)
		c.row, c.exists = kv.Row{Revision: -1, Prev: -1}, false
		p.stats.Purged++
		return nil
	})
}

// OldHistory names versions to prune: those of Key older than Revision.
type OldHistory struct {
	Key      string
	Revision int64
}

// Prune removes old versions from the history, but of keys that have just been
// written: the next pass finds those again.
func (p *Partition) Prune(old []OldHistory, nowMs int64) (Done, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return Done{}, refusal(p.stopped)
	}
	return p.collect(p.clock.Next(nowMs), len(old), func(b func() *Batch, i int) error {
		key := old[i].Key
		c := p.rows[key]
		if c != nil && c.seq > p.applied {
			return nil
		}
		if c != nil {
			c.tail = kv.Tail{} // no longer what the store has, soon
		}
		delete(p.fetching, key)
		batch := b()
		p.order(batch, kv.Op{Kind: kv.Prune, Key: key, Row: kv.Row{Revision: old[i].Revision}}, kv.Row{})
		p.pruning[key] = batch.Seq
		batch.pruned = append(batch.pruned, key)
		p.stats.Pruned++
		return nil
	})
}

// Forget drops the remembered results of a period, which is over for as long as
// results must be remembered. The entry carries the period, so that what goes is
// decided by the age of a result when the entry is applied: a request whose
// result was forgotten meanwhile, and which was sent and run again, has a young
// one (Invariant IDEM-1).
func (p *Partition) Forget(period kv.Period, nowMs int64) (Done, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return Done{}, refusal(p.stopped)
	}
	return p.collect(p.clock.Next(nowMs), 1, func(b func() *Batch, _ int) error {
		batch := b()
		batch.size += kv.ForgetBytes
		batch.Forget = batch.Forget.Join(period)
		return nil
	})
}

// SweepEphemeral removes up to n ephemeral rows that ended before the
// retention bound, and reports whether there are more.
func (p *Partition) SweepEphemeral(nowMs int64, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Next(nowMs)
	return p.eph.sweep(p.Horizon(now.Millis()), now, n, p.isLocked)
}

// collect runs each of n steps, which take the batch when they need it.
func (p *Partition) collect(now hlc.Timestamp, n int, step func(b func() *Batch, i int) error) (Done, error) {
	p.line.Lock()
	defer p.line.Unlock()
	var b *Batch
	var before int
	batch := func() *Batch {
		if b == nil {
			b = p.openBatch()
			before = b.size
			b.Time = max(b.Time, now)
		}
		return b
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		err = step(batch, i)
	}
	if b == nil {
		return Done{}, err
	}
	p.account(b, before)
	return Done{Batch: b, Propose: p.inflight == nil}, err
}

// order appends an effect with its hint.
func (p *Partition) order(b *Batch, op kv.Op, old kv.Row) {
	if op.Kind == kv.Purge {
		b.olds = append(b.olds, old)
		op.Old = &b.olds[len(b.olds)-1]
	}
	b.Ops = append(b.Ops, op)
	b.size += op.Size()
}
