package client

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestCloseBesideRollbacks: Close waits for the rollbacks that have begun, and no
// other begins, whatever ends at the same time.
func TestCloseBesideRollbacks(t *testing.T) {
	for range 200 {
		c, err := Open(DefaultURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		var begun, ended atomic.Int64
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				c.later(func() {
					begun.Add(1)
					ended.Add(1)
				})
			})
		}
		_ = c.Close()
		closed := begun.Load()
		if ended.Load() != closed {
			t.Error("Close has not waited")
		}
		callers.Wait()
		c.rollbacks.Wait()
		if begun.Load() != closed {
			t.Fatal("a rollback has begun on a closed client")
		}
	}
}
