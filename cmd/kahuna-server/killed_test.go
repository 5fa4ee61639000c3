package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
)

var kills = flag.Int("kills", 3, "how often TestKilledUnderLoad kills the server of each protocol")

// counter is a client that counts by a script in a key of its own.
type counter struct {
	key string
	c   *client.Client
	// The count is one of least to most: a caller without an idempotency key may not
	// learn what became of a call.
	least, most int
}

const countScript = "let n = to_int(get @key ?? 0) + 1 set @key n return n"

// count counts once.
func (k *counter) count(ctx context.Context) (acknowledged bool, err error) {
	res, err := k.c.Run(ctx, countScript, kahuna.Params{"key": k.key}, nil)
	var e *kahuna.Error
	switch {
	case err == nil:
		n, err := res.Int()
		if err != nil || int(n) <= k.least || int(n) > k.most+1 {
			return false, fmt.Errorf("counted %d, %v, not %d to %d", n, err, k.least+1, k.most+1)
		}
		k.least, k.most = int(n), int(n)
		return true, nil
	case errors.As(err, &e) && e.Outcome == kahuna.Unknown:
		k.most++
		return false, nil
	case errors.As(err, &e) && e.Outcome == kahuna.NotApplied && e.Retry:
		return false, nil
	}
	return false, err
}

// TestKilledUnderLoad kills the server while 200 clients count, again and again.
// Every acknowledged count is there after the restart. Those with idempotency keys
// notice nothing, and none of their counts is there twice; of those without, every
// outcome is true.
func TestKilledUnderLoad(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) { testKilledUnderLoad(t, scheme) })
	}
}

func testKilledUnderLoad(t *testing.T, scheme string) {
	const clients = 200
	dir := filepath.Join(t.TempDir(), "data")
	port := freePort(t)
	args := []string{"--data", dir, "--" + scheme, port}
	if scheme != "http" {
		args = append(args, "--http", "127.0.0.1:0")
	}
	p := start(t, args...)
	open := func(o client.Options) *client.Client {
		if scheme == "http" {
			o.Connections = clients / 2
		}
		c, err := client.Open(scheme+"://"+port, &o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	keyed, bare := open(client.Options{RetryFor: time.Minute}), open(client.Options{RetryFor: time.Minute, NoIdempotencyKeys: true})
	defer keyed.Close()
	defer bare.Close()
	var over context.Context
	over, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	counters := make([]counter, clients)
	acknowledged := make(chan struct{}, 1<<20)
	for i := range counters {
		k := &counters[i]
		k.key, k.c = fmt.Sprintf("count/%d", i), keyed
		if i%2 == 1 {
			k.c = bare
		}
		load.Go(func() {
			for over.Err() == nil {
				// Without that context: a caller that does not leave learns the outcome.
				ok, err := k.count(t.Context())
				if err != nil {
					t.Errorf("%s: %v", k.key, err)
					return
				}
				if ok {
					acknowledged <- struct{}{}
				} else if k.c == keyed {
					t.Errorf("%s: a caller with a key noticed the restart", k.key)
					return
				}
			}
		})
	}
	for range *kills {
		for range 3 * clients {
			<-acknowledged
		}
		p.signal(syscall.SIGKILL)
		p.wait()
		p = start(t, args...)
	}
	for range clients {
		<-acknowledged
	}
	end()
	load.Wait()
	for i := range counters {
		k := &counters[i]
		e, _, err := keyed.Get(t.Context(), k.key)
		n := 0
		if err == nil {
			_, err = fmt.Sscan(e.Value, &n)
		}
		if err != nil || n < k.least || n > k.most {
			t.Errorf("%s: the store has %q, %v, not %d to %d", k.key, e.Value, err, k.least, k.most)
		}
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
