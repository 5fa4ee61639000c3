package partition

// HoldHistory keeps what was readable at sinceMs or later, in Unix milliseconds,
// from being collected by its age; -1 ends that. The bound on the revisions of a
// key holds all the same.
func (p *Partition) HoldHistory(sinceMs int64) { p.held.Store(max(sinceMs, -1) + 1) }

// Horizon returns the time, in Unix milliseconds, up to which what has ended and
// was superseded is collected.
func (p *Partition) Horizon(nowMs int64) int64 {
	horizon := nowMs - p.opts.RetentionMs
	if held := p.held.Load(); held > 0 {
		horizon = min(horizon, held-1)
	}
	return horizon
}
