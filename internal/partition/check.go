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
	tx *Tx
	// At the beginning: what a change of makes the check worthless.
	term     uint64
	extended hlc.Timestamp
	dropped  uint64 // ephemeral rows

	changed bool  // a key that was read has been written
	ends    int64 // when the first of the rows that were live ends
}

// begin makes p tell c of writes. Held: mu.
func (c *check) begin(p *Partition) {
	c.term, c.extended, c.dropped = p.term, p.extended, p.eph.dropped()
	c.ends = math.MaxInt64
	p.checks = append(p.checks, c)
}

// precheck looks at what was read, when it is much. It reports false when the
// run is void. Else endCheck is to be called. The mutex is not held.
func (tx *Tx) precheck() (valid bool, err error) {
	p := tx.p
	if len(tx.slow.reads) < checkFrom || p.faulty(FaultNoValidation) {
		return true, nil
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
			p.mu.Unlock()
			err := tx.poll()
			p.giveWay()
			p.mu.Lock()
			if err != nil {
				return false, err
			}
		}
		if seen.live && seen.expires != 0 {
			c.ends = min(c.ends, seen.expires)
		}
		if ok, err := tx.validateKey(k, seen, hlc.At(tx.now)); !ok {
			return false, err
		}
		p.touchKey(k, at)
	}
	return true, nil
}

// holds reports whether what c has found is still so. Held: mu.
func (c *check) holds(commit hlc.Timestamp) bool {
	if c == nil {
		return false
	}
	p := c.tx.p
	if c.tx.slow.session == nil && c.extended > c.tx.ts {
		return false // who has touched the keys since matters, see overtaken
	}
	return !c.changed && c.ends > commit.Millis() && c.term == p.term && c.extended == p.extended && c.dropped == p.eph.dropped()
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

// noteWrite tells those who check what they have read that key is written. Held:
// mu.
func (p *Partition) noteWrite(space kv.Space, key string) {
	for _, c := range p.checks {
		if _, read := c.tx.slow.reads[lockKey{space, key}]; read {
			c.changed = true
		}
	}
}
