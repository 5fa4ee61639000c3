package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress is a line on a terminal that tells every second how it is going.
type progress struct {
	done chan struct{}
	wg   sync.WaitGroup
}

// showProgress begins one, when w is a terminal.
func showProgress(w io.Writer, what string, d time.Duration, db subject) *progress {
	p := &progress{done: make(chan struct{})}
	if isTerminal(w) {
		p.wg.Go(func() { p.show(w, what, time.Now().Add(d), db) })
	}
	return p
}

func (p *progress) show(w io.Writer, what string, until time.Time, db subject) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := statsOf(db)
	for {
		select {
		case <-p.done:
			fmt.Fprint(w, "\r\x1b[K")
			return
		case <-tick.C:
			s := statsOf(db)
			ran, synced := s.FastPath+s.SlowPath-last.FastPath-last.SlowPath, s.Fsyncs-last.Fsyncs
			fmt.Fprintf(w, "\r\x1b[K%s: %d scripts/s, %d fsyncs/s, %v to go", what, ran, synced,
				max(0, time.Until(until)).Round(time.Second))
			last = s
		}
	}
}

func (p *progress) stop() {
	close(p.done)
	p.wg.Wait()
}

// isTerminal reports whether w is a terminal: a character device.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
