package partition

// undoLog takes one call of a Session back: the writes that it changed, as they
// were, and how many there were. It costs what the call writes, however much
// the transaction has written before.
type undoLog struct {
	call  uint64 // numbers the calls, so that each notes a write once
	mark  int    // writes before the call
	old   []write
	bytes int64 // keys and values of all writes before the call
}

// note keeps w as it is before this call changes it.
func (u *undoLog) note(w *write) {
	if w.call != u.call {
		u.old = append(u.old, *w)
		w.call = u.call
	}
}

// begin starts the log of another call of tx.
func (u *undoLog) begin(tx *Tx) {
	u.call++
	u.mark = len(tx.writes)
	clear(u.old)
	u.old = u.old[:0]
}

// wrote reports whether the call has written something.
func (u *undoLog) wrote(tx *Tx) bool { return len(tx.writes) > u.mark || len(u.old) > 0 }

// size returns the bytes of the keys and values that tx has buffered.
func (u *undoLog) size(tx *Tx) int64 {
	n := u.bytes
	for i := range tx.writes[u.mark:] {
		w := &tx.writes[u.mark+i]
		n += int64(len(w.key) + len(w.row.Value))
	}
	for i := range u.old {
		o := &u.old[i]
		n += int64(len(tx.own(o.space, o.key).row.Value) - len(o.row.Value))
	}
	return n
}

// rollback undoes the writes of the call. What it read stays read.
func (u *undoLog) rollback(tx *Tx) {
	for i := range u.old {
		o := &u.old[i]
		*tx.own(o.space, o.key) = *o
	}
	for i := u.mark; i < len(tx.writes) && tx.index != nil; i++ {
		delete(tx.index, lockKey{tx.writes[i].space, tx.writes[i].key})
	}
	clear(tx.writes[u.mark:])
	tx.writes = tx.writes[:u.mark]
}
