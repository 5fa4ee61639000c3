package partition

import (
	"math"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// checkFrom is how many reads are validated under the mutex at once; more are,
// checkKeys at a time.
const (
	checkFrom = 256
	checkKeys = 32
)

// A check validates a run that has read many keys without locks. To do so under
// the mutex would keep everybody waiting, so the keys are looked at a few at a
// time, and those that write meanwhile note when it is one of them. At commit
// what is left to be seen is whether that has happened.
type check struct {
	tx   *Tx
	term uint64 // at the beginning

	changed bool  // a key that was read has been written, or its row dropped
	ends    int64 // when the first of the rows that were live ends
}

// begin makes p tell c of writes. Held: mu.
func (c *check) begin(p *Partition) {
	c.term, c.ends = p.term, math.MaxInt64
	p.checks = append(p.checks, c)
}

// precheck looks at what was read, when it is much. It reports false when the
// run is void. Else endCheck is to be called. The mutex is not held.
func (tx *Tx) precheck() (valid bool, err error) {
	p := tx.p
	if p.faulty(FaultNoValidation) {
		return true, nil
	}
	if len(tx.slow.reads) < checkFrom {
		return true, tx.fetchReads()
	}
	c := &check{tx: tx}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.begin(p)
	tx.slow.check = c
	defer func() {
		if !valid {
			tx.endCheck()
		}
	}()
	at, n := tx.time(), 0
	for k, seen := range tx.slow.reads {
		if n++; n%checkKeys == 0 {
			if err := tx.pauseCheck(); err != nil {
				return false, err
			}
		}
		if seen.live && seen.expires != 0 {
			c.ends = min(c.ends, seen.expires)
		}
		if k.space == kv.Persistent {
			p.fetch(k.key)
		}
		if ok, err := tx.validateKey(k, seen, hlc.At(tx.now)); !ok {
			return false, err
		}
		p.touchKey(k, at)
	}
	return true, nil
}

// fetchReads brings what was read without locks back into memory, where it was
// evicted since: the commit must not wait for the disk.
func (tx *Tx) fetchReads() error {
	p := tx.p
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for k := range tx.slow.reads {
		if n++; n%checkKeys == 0 {
			if err := tx.pauseCheck(); err != nil {
				return err
			}
		}
		if k.space == kv.Persistent {
			p.fetch(k.key)
		}
	}
	return nil
}

// pauseCheck lets others go on. It returns why the run is to stop, or nil. Held:
// mu, but not meanwhile.
func (tx *Tx) pauseCheck() error {
	p := tx.p
	p.mu.Unlock()
	err := tx.poll()
	p.giveWay()
	p.mu.Lock()
	return err
}

// holds reports whether what c has found is still so. If not, the run is void: to
// look at everything anew would keep everybody waiting. Held: mu.
func (c *check) holds(commit hlc.Timestamp) bool {
	return !c.changed && c.ends > commit.Millis() && c.term == c.tx.p.term
}

// endCheck makes nobody tell of writes any more. Held: mu.
func (tx *Tx) endCheck() {
	if tx.slow.check == nil {
		return
	}
	for i, c := range tx.p.checks {
		if c == tx.slow.check {
			n := len(tx.p.checks) - 1
			tx.p.checks[i], tx.p.checks[n] = tx.p.checks[n], nil
			tx.p.checks = tx.p.checks[:n]
			return
		}
	}
}

// noteWrite tells those who check what they have read, and those who read a
// range or know of gaps, that key is written. Held: mu.
func (p *Partition) noteWrite(space kv.Space, key string) {
	for _, c := range p.checks {
		if _, read := c.tx.slow.reads[lockKey{space, key}]; read {
			c.changed = true
		}
	}
	for _, r := range p.parts {
		r.note(space, key)
	}
	if len(p.gaps.of) > 0 {
		p.gaps.note(space, key)
	}
}

// noteDrop tells those who check what they have read that the ephemeral row of
// key is dropped. Held: mu.
func (p *Partition) noteDrop(key string) {
	if len(p.checks) > 0 {
		p.noteWrite(kv.Ephemeral, key)
	}
}
