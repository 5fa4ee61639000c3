package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestRedisKilledUnderLoad kills the server while many clients of the Redis
// protocol count by a script, again and again. What was acknowledged is there
// after each restart; what was not is there or is not.
func TestRedisKilledUnderLoad(t *testing.T) {
	const clients, rounds = 200, 3
	dir, addr := filepath.Join(t.TempDir(), "data"), freePort(t)
	run := func() *process { return start(t, "--data", dir, "--http", "127.0.0.1:0", "--grpc=", "--redis", addr) }
	p := run()
	c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: clients, MaxRetries: -1, DialTimeout: time.Minute, ReadTimeout: time.Minute,
		PoolTimeout: time.Minute})
	defer c.Close()
	script := redis.NewScript("let n = to_int(get @key1 ?? 0) + 1\nset @key1 n\nreturn n")
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	acked := make(chan struct{}, 1<<20)
	for i := range clients {
		load.Go(func() {
			key := fmt.Sprintf("count/%d", i)
			least, most := 0, 0 // what the counter may be
			for ctx.Err() == nil {
				n, err := script.Run(t.Context(), c, []string{key}).Int()
				var refused redis.Error
				switch {
				case err == nil:
					if n <= least || n > most+1 {
						t.Errorf("client %d read %d, not in %d..%d", i, n, least+1, most+1)
						return
					}
					least, most = n, n
					acked <- struct{}{}
				case errors.As(err, &refused) && !strings.Contains(err.Error(), "unknown"):
					t.Errorf("client %d: %v", i, err)
					return
				default: // the connection is gone, or none can be had
					if !strings.Contains(err.Error(), "connection refused") {
						most++
					}
					select {
					case <-time.After(10 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
			// The last call was answered: the server runs.
			if n, err := c.Get(t.Context(), key).Int(); err != nil && !errors.Is(err, redis.Nil) || n < least || n > most {
				t.Errorf("client %d: the store has %d, %v, not %d..%d", i, n, err, least, most)
			}
		})
	}
	for range rounds {
		for range 5 * clients {
			<-acked
		}
		p.signal(syscall.SIGKILL)
		p.wait()
		p = run()
	}
	for range 2 * clients {
		<-acked
	}
	cancel()
	load.Wait()
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
