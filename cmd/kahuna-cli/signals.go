package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// exitSignal plus a signal's number is the exit status after it.
const exitSignal = 128

// watch returns a context that ends with the first signal. Ctrl-C does not end
// an interactive shell: it goes to c.interrupts, for the script that runs or
// the line that is typed. After the first other signal all have their usual
// effect again, so that a second one kills: that costs an orderly end only.
// stop ends the watch.
func (c *cli) watch(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case sig := <-c.signals:
				if sig == os.Interrupt && c.interactive.Load() {
					select {
					case c.interrupts <- struct{}{}:
					default: // one is enough
					}
					continue
				}
				if number, ok := sig.(syscall.Signal); ok {
					c.killed.CompareAndSwap(0, int32(exitSignal+number))
				}
				signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
				cancel()
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(); <-ended }
}
