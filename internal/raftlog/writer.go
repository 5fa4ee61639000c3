package raftlog

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// batchMaxBytes is about how much goes in one frame; a larger write gets
	// one of its own.
	batchMaxBytes = 16 << 20
	// bufMaxBytes is how much memory the writer keeps between frames.
	bufMaxBytes = 2 * batchMaxBytes
	// sealBytes is kept free at the end of a segment.
	sealBytes = 64
	// writeMaxBytes bounds a write, so that a frame can hold it.
	writeMaxBytes = frameMaxBytes / 2
)

// write is the log's goroutine: it alone writes frames.
func (l *Log) write() {
	defer close(l.done)
	var batch []pending
	for more := true; more; {
		var flush bool
		batch, flush, more = l.queue.take(batch)
		err := l.failed()
		if err == nil {
			if err = l.commit(batch, flush, !more); err != nil {
				err = l.fail(err)
			}
		}
		bytes := int64(0)
		for i := range batch {
			bytes += batch[i].bytes
		}
		l.queue.release(bytes)
		for i := range batch {
			p := &batch[i]
			if p.err == nil {
				p.err = err
			}
			if p.Done != nil {
				p.Done(p.err)
			}
		}
		clear(batch)
	}
}

// fail makes err the end of all writing (LOG-3).
func (l *Log) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	l.mu.Lock()
	l.failure = err
	l.mu.Unlock()
	l.queue.fail()
	l.opts.Logger.Error("raftlog: no more writes are accepted", "err", err)
	return err
}

// commit makes a batch durable and visible. flush asks for a frame with what
// else is to be written, closing for the end mark too. Writes that are invalid
// get their own error and are left out.
func (l *Log) commit(batch []pending, flush, closing bool) error {
	bytes, wanted := l.admit(batch)
	if wanted || flush || closing {
		obsolete := l.collect(closing)
		bytes += frameBytes + int64(len(l.extra)) + frameAlign
		if s := l.active(); s.end+bytes+sealBytes > s.size {
			if err := l.roll(bytes); err != nil {
				return err
			}
		}
		l.encode(batch)
		if len(l.buf) > 0 {
			took, err := l.writeFrame(l.active(), l.buf)
			if err != nil {
				return err
			}
			l.publish(batch, obsolete, took)
		}
		if cap(l.buf) > bufMaxBytes {
			l.buf = nil
		}
		return nil
	}
	l.publishUnwritten(batch)
	return nil
}

// admit checks the writes of a batch against the groups as they will be, and
// says how many bytes they take at most and whether any wants a sync.
func (l *Log) admit(batch []pending) (bytes int64, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch++
	for i := range batch {
		p := &batch[i]
		p.group = l.group(p.Group)
		if p.err = p.group.admit(p, l.batch); p.err != nil {
			continue
		}
		bytes += p.bytes
		wanted = wanted || p.group.wantsSync(&p.Write)
	}
	return bytes, wanted
}

// admit checks a write that follows those of the batch admitted before, and
// takes compacted entries off.
func (g *Group) admit(p *pending, batch uint64) error {
	if p.bytes > writeMaxBytes {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, p.bytes)
	}
	if g.nextBatch != batch {
		g.nextBatch, g.nextLast, g.nextMark = batch, g.state.last, g.state.mark.Index
	}
	last, mark := g.nextLast, g.nextMark
	if p.Drop {
		last, mark = 0, 0
	}
	if p.Reset.Index > 0 {
		last, mark = p.Reset.Index, p.Reset.Index
	}
	if ents := p.Entries; len(ents) > 0 {
		first := ents[0].GetIndex()
		if first == 0 || first > last+1 {
			return fmt.Errorf("%w: group %d: entry %d after %d", ErrInvalidWrite, g.id, first, last)
		}
		for i, e := range ents {
			if e.GetIndex() != first+uint64(i) || e.GetType() < 0 {
				return fmt.Errorf("%w: group %d: bad entry in place of %d", ErrInvalidWrite, g.id, first+uint64(i))
			}
		}
		if end := first + uint64(len(ents)) - 1; end <= mark {
			p.Entries = nil
		} else {
			p.Entries = ents[max(first, mark+1)-first:]
			last = end
		}
	}
	g.nextLast, g.nextMark = last, mark
	return nil
}

// wantsSync reports whether w must be on disk before it is acknowledged. The
// vote must, whatever the caller says: voting twice breaks Raft.
func (g *Group) wantsSync(w *Write) bool {
	if w.MustSync || w.Drop || w.Reset.Index > 0 || len(w.Entries) > 0 {
		return true
	}
	hs := hardStateOf(w.HardState)
	return hs != hardState{} && (hs.term != g.state.hs.term || hs.vote != g.state.hs.vote)
}

// collect encodes what is to be written beside the writes: hard states and
// marks newer than the files, and up to which segment nobody needs them, which
// it returns. The marks that make that true are in the same frame or an
// earlier one (LOG-4).
func (l *Log) collect(closing bool) (obsolete uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.extra[:0]
	for _, g := range l.dirty {
		if g.dirty {
			b = g.appendState(b)
			g.dirty = false
		}
	}
	clear(l.dirty)
	l.dirty = l.dirty[:0]
	if obsolete = l.disposable(); obsolete > l.obsolete {
		b = appendRecord(b, kindObsolete, 0, obsolete)
	}
	if closing {
		b = appendRecord(b, kindClosed, 0)
	}
	l.extra = b
	return obsolete
}

// appendState adds hard state and mark of g; mu is held.
func (g *Group) appendState(b []byte) []byte {
	if s := &g.state; s.hs != (hardState{}) {
		b = appendHardState(b, g.id, s.hs)
	}
	if m := g.state.mark; m.Index > 0 {
		b = appendRecord(b, kindMark, g.id, m.Index, m.Term)
	}
	return b
}

// encode makes the frame of a batch for the end of the active segment. The
// buffer stays empty when there is nothing to write.
func (l *Log) encode(batch []pending) {
	seg := l.active()
	at := seg.at(seg.end)
	b := append(l.buf[:0], make([]byte, frameBytes)...)
	b = append(b, l.extra...)
	for i := range batch {
		p := &batch[i]
		if p.err != nil {
			continue
		}
		if p.Drop {
			b = appendRecord(b, kindDrop, p.Group)
		}
		if p.Reset.Index > 0 {
			b = appendRecord(b, kindReset, p.Group, p.Reset.Index, p.Reset.Term)
		}
		if hs := hardStateOf(p.HardState); hs != (hardState{}) {
			b = appendHardState(b, p.Group, hs)
		}
		for ents := p.Entries; len(ents) > 0; {
			n, size := 1, len(ents[0].GetData())
			for n < len(ents) && size < runMaxBytes {
				size += len(ents[n].GetData()) + entryBytes
				n++
			}
			var payload int
			b, payload = appendEntries(b, at, p.Group, ents[:n])
			p.runs = append(p.runs, &run{
				first: ents[0].GetIndex(),
				count: uint64(n),
				seg:   seg,
				off:   at.off + int64(payload),
				size:  len(b) - payload,
				ents:  ents[:n:n],
			})
			ents = ents[n:]
		}
	}
	if len(b) == frameBytes {
		l.buf = b[:0]
		return
	}
	l.buf = finishFrame(b, 0, at)
}

// writeFrame writes a finished frame at the end of a segment and syncs it.
func (l *Log) writeFrame(seg *segment, frame []byte) (took time.Duration, err error) {
	if _, err := seg.file.WriteAt(frame, seg.end); err != nil {
		return 0, fmt.Errorf("writing %s: %w", seg.path, err)
	}
	start := time.Now()
	if err := l.syncData(seg.file); err != nil {
		return 0, fmt.Errorf("syncing %s: %w", seg.path, err)
	}
	return time.Since(start), nil
}

// publish shows the writes of the frame in l.buf, which is durable, to
// readers, and gives up the segments that nobody needs.
func (l *Log) publish(batch []pending, obsolete uint64, took time.Duration) {
	l.mu.Lock()
	seg := l.active()
	seg.end += int64(len(l.buf))
	l.count(len(l.buf), took)
	for i := range batch {
		if p := &batch[i]; p.err == nil {
			l.apply(p)
		}
	}
	var gone []*segment
	l.obsolete = obsolete
	for len(l.segments) > 0 && l.segments[0].seq <= obsolete {
		gone = append(gone, l.segments[0])
		l.segments[0] = nil
		l.segments = l.segments[1:]
	}
	l.stats.SegmentsGone += uint64(len(gone))
	again := l.disposable() > obsolete
	l.mu.Unlock()

	for _, s := range gone {
		s.retired = l.janitor
		s.release()
	}
	if again {
		l.queue.flush()
	}
	if !l.preparing && seg.end > seg.size/2 {
		l.preparing = true
		l.janitor.prepare(l.nextSize(seg))
	}
}

// publishUnwritten shows writes that change nothing but commit indexes. They
// are written with the next frame.
func (l *Log) publishUnwritten(batch []pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range batch {
		if p := &batch[i]; p.err == nil {
			if hardStateOf(p.HardState) != (hardState{}) {
				l.soil(p.group)
			}
			l.apply(p)
		}
	}
}

// apply changes the group's state as p says; mu is held.
func (l *Log) apply(p *pending) {
	g, s := p.group, &p.group.state
	if p.Drop {
		s.drop(&l.cache)
		g.dirty = false
	}
	if p.Reset.Index > 0 {
		s.reset(&l.cache, p.Reset)
	}
	if hs := hardStateOf(p.HardState); hs != (hardState{}) {
		s.hs = hs
	}
	for _, r := range p.runs {
		s.add(&l.cache, r, termRuns(r.ents))
	}
	l.stats.Writes++
}

// count adds a synced frame to the counters; mu is held.
func (l *Log) count(bytes int, took time.Duration) {
	l.stats.Frames++
	l.stats.Syncs++
	l.stats.BytesWritten += uint64(bytes)
	l.stats.LastSync = took
	l.stats.SyncTime += took
	l.stats.MaxSync = max(l.stats.MaxSync, took)
}

// active returns the segment written to. Only the writer calls it, and Open
// before there is one: it alone changes the list.
func (l *Log) active() *segment {
	if len(l.segments) == 0 {
		return nil
	}
	return l.segments[len(l.segments)-1]
}

// nextSize is the size for the segment after s.
func (l *Log) nextSize(s *segment) int64 {
	if s == nil || !s.reusable { // from before Open
		return min(firstSegmentBytes, l.opts.SegmentBytes)
	}
	return min(segmentGrowth*s.size, l.opts.SegmentBytes)
}

// roll starts the next segment, with room for need bytes of frames. On disk
// are then, in this order: the new segment with the state of all groups, its
// name, and the seal of the old segment that says it must exist.
func (l *Log) roll(need int64) error {
	old := l.active()
	h := header{version: formatVersion, seq: 1, salt: newSalt(), store: l.opts.StoreID}
	if old != nil {
		h.seq, h.prevSalt, h.prevEnd = old.seq+1, old.salt, old.end
	}
	seg := &segment{seq: h.seq, salt: h.salt, path: l.path(segmentName(h.seq)), reusable: true}
	seg.refs.Store(1)

	b := h.append(nil)
	b = append(b, make([]byte, frameBytes)...)
	l.mu.Lock()
	b = appendRecord(b, kindObsolete, 0, l.obsolete)
	for _, id := range slices.Sorted(maps.Keys(l.groups)) {
		g := l.groups[id]
		b = g.appendState(b)
		g.dirty = false
	}
	clear(l.dirty)
	l.dirty = l.dirty[:0]
	l.mu.Unlock()
	b = finishFrame(b, headerBytes, seg.at(headerBytes))

	minimum := (int64(len(b)) + need + 2*sealBytes + 4095) / 4096 * 4096
	sp, err := l.janitor.take(l.nextSize(old), minimum)
	if err != nil {
		return err
	}
	l.preparing = false
	seg.file, seg.size, seg.end = sp.file, sp.size, int64(len(b))
	took, err := l.start(seg, sp.path, b)
	if err != nil {
		_ = seg.file.Close()
		return err
	}
	l.mu.Lock()
	l.segments = append(l.segments, seg)
	l.count(len(b), took)
	l.stats.SegmentsMade++
	l.mu.Unlock()
	if old == nil {
		return nil
	}
	return l.seal(old)
}

// start writes the beginning of a segment to the spare file at path, and then
// gives it its name.
func (l *Log) start(seg *segment, path string, b []byte) (took time.Duration, err error) {
	if _, err := seg.file.WriteAt(b, 0); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := l.syncAll(seg.file); err != nil {
		return 0, err
	}
	took = time.Since(began)
	if err := l.opts.FS.Rename(path, seg.path); err != nil {
		return 0, err
	}
	return took, l.syncDir()
}

// seal says at the end of a segment that there is another one behind it.
func (l *Log) seal(old *segment) error {
	b := appendRecord(make([]byte, frameBytes), kindSealed, 0)
	_, err := l.writeFrame(old, finishFrame(b, 0, old.at(old.end)))
	return err
}
