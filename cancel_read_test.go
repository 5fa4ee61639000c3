package kahuna

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// expiring is a context that ends when it has been asked so often.
type expiring struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func expireAfter(asked int) *expiring {
	return &expiring{Context: context.Background(), left: asked, done: make(chan struct{})}
}

func (c *expiring) Done() <-chan struct{} { return c.done }

func (c *expiring) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left > 0 {
		c.left--
		return nil
	}
	if c.left == 0 {
		c.left = -1
		close(c.done)
	}
	return context.Canceled
}

// TestReadsHearContext: what a script in the executor needs from the disk is read
// under its context, wherever that ends, and nothing of the script remains then.
func TestReadsHearContext(t *testing.T) {
	db := openTest(t, t.TempDir(), &Options{RowCacheBytes: 1 << 14})
	const rows = 900
	for range 2 {
		if _, err := db.Run(context.Background(), "for i in 1..@n do set (concat('b/', i)) (concat('value ', i)) end", Params{"n": rows}, nil); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now()
	for time.Now().UnixMilli() == before.UnixMilli() {
		time.Sleep(time.Millisecond)
	}
	if _, err := db.Run(context.Background(), "for i in 1..@n do set (concat('b/', i)) 'new' end", Params{"n": rows}, nil); err != nil {
		t.Fatal(err)
	}
	// Rows that are in memory until they are applied are another matter.
	if _, err := db.Delete(context.Background(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{
		"set 'done/%d' 1; return count(get by bucket b)",
		"set 'done/%d' 1; return count(scan by prefix 'b/')",
		"set 'done/%d' 1; return count(get by bucket b as of @before)",
	} {
		canceled := 0
		for asked := 0; ; asked++ {
			source := fmt.Sprintf(source, asked)
			key := fmt.Sprintf("done/%d", asked)
			if _, err := db.Delete(context.Background(), key); err != nil {
				t.Fatal(err)
			}
			res, err := db.Run(expireAfter(asked), source, Params{"before": before}, nil)
			done, e := db.Exists(context.Background(), key)
			if e != nil {
				t.Fatal(e)
			}
			if err == nil {
				if n, err := res.Int(); n != rows || err != nil || !done {
					t.Fatalf("%s: %d rows, %v, and it is %v that it has written", source, n, err, done)
				}
				break
			}
			canceled++
			if !errors.Is(err, context.Canceled) || done {
				t.Fatalf("%s: %v, and it is %v that it has written", source, err, done)
			}
		}
		if canceled < 5 { // before it ran, and while it read
			t.Errorf("%s was canceled %d times: its reads do not hear the context", source, canceled)
		}
	}
}
