package node

// What the log keeps is what the rows do not have on disk yet: after a crash it
// is replayed. A full memtable is flushed, but a key that is written again and
// again fills the log and hardly a memtable, and every entry takes memory in the
// index of the log. So the rows are also flushed when the log is long.
//
// logSegments is how many files the log may have before. Every Open begins one,
// and each takes a descriptor.
const logSegments = 8

// boundLog begins a flush of the rows when the log is too long. It does not wait
// for it.
func (n *Node) boundLog() {
	if n.flushing || n.opts.KeepLog || !n.longLog() {
		return
	}
	applied, _, err := n.store.Applied(n.group.id)
	if err != nil || applied == n.store.FlushedIndex(n.group.id) {
		return // a flush would make it no shorter
	}
	n.flushing = n.store.BeginFlush() == nil
}

func (n *Node) longLog() bool {
	entries, bytes := n.group.log.Retained()
	return int64(entries) > n.opts.LogEntries || bytes > n.opts.LogBytes || n.log.Stats().Segments > logSegments
}

// boundSegments flushes the rows when the log has too many files, and waits for
// it: a process that is killed soon after each Open would leave one file more
// every time.
func (n *Node) boundSegments() error {
	if n.opts.KeepLog || n.log.Stats().Segments <= logSegments {
		return nil
	}
	if err := n.store.Flush(); err != nil {
		return err
	}
	n.compactLog()
	return nil
}

// compactLog lets go of the entries that the store has on disk.
func (n *Node) compactLog() {
	if index := n.store.FlushedIndex(n.group.id); index > 0 && !n.opts.KeepLog {
		if err := n.group.log.Compact(index); err != nil {
			n.opts.Logger.Warn("log not compacted", "index", index, "error", err)
		}
	}
}
