package resp

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// goRedis is a client of another author.
func goRedis(t *testing.T, addr string, protocol int) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: protocol, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience})
	t.Cleanup(func() { c.Close() })
	return c
}

// TestGoRedis: scripts, pipelines and transactions of go-redis.
func TestGoRedis(t *testing.T) {
	for _, protocol := range []int{2, 3} {
		t.Run("RESP"+strconv.Itoa(protocol), func(t *testing.T) {
			s, addr := serve(t, Options{})
			c, ctx := goRedis(t, addr, protocol), context.Background()
			if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if v, err := c.Get(ctx, "k").Result(); v != "v" || err != nil {
				t.Errorf("get: %q %v", v, err)
			}
			if err := c.Get(ctx, "none").Err(); !errors.Is(err, redis.Nil) {
				t.Errorf("get of nothing: %v", err)
			}
			script := redis.NewScript("let n = to_int(get @key1) + @arg1\nset @key1 n\nreturn n")
			for i := range 3 {
				if i == 2 {
					s.scripts.flush() // the client sends it again
				}
				if n, err := script.Run(ctx, c, []string{"n"}, 5).Int(); n != 5*(i+1) || err != nil {
					t.Errorf("script: %d %v", n, err)
				}
			}
			pipe := c.Pipeline()
			var incr []*redis.IntCmd
			for range 100 {
				incr = append(incr, pipe.Incr(ctx, "p"))
			}
			if _, err := pipe.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			for i, cmd := range incr {
				if cmd.Val() != int64(i+1) {
					t.Errorf("pipeline: %d is %d", i, cmd.Val())
				}
			}
			var scanned []string
			for it := c.Scan(ctx, 0, "*", 2).Iterator(); it.Next(ctx); {
				scanned = append(scanned, it.Val())
			}
			if got := strings.Join(scanned, " "); got != "k n p" {
				t.Errorf("scan: %s", got)
			}
		})
	}
}

// TestGoRedisWatch: increments by WATCH and EXEC lose nothing.
func TestGoRedisWatch(t *testing.T) {
	_, addr := serve(t, Options{})
	c, ctx := goRedis(t, addr, 3), context.Background()
	const clients, each = 4, 20
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for done := 0; done < each; {
				err := c.Watch(ctx, func(tx *redis.Tx) error {
					n, err := tx.Get(ctx, "n").Int()
					if err != nil && !errors.Is(err, redis.Nil) {
						return err
					}
					_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "n", n+1, 0).Err() })
					return err
				}, "n")
				switch {
				case err == nil:
					done++
				case !errors.Is(err, redis.TxFailedErr):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n, err := c.Get(ctx, "n").Int(); n != clients*each || err != nil {
		t.Errorf("n is %d, %v", n, err)
	}
}

// TestRedisBenchmark: the load generator of Redis finds no error.
func TestRedisBenchmark(t *testing.T) {
	bench := tool(t, "redis-benchmark")
	_, addr := serveStore(t, openDisk(t), Options{})
	host, port, _ := net.SplitHostPort(addr)
	for _, args := range [][]string{
		{"-t", "ping,set,get,incr,mset", "-n", "2000", "-c", "20"},
		{"-t", "set,get", "-n", "5000", "-c", "20", "-P", "16"},
		{"-n", "2000", "-c", "20", "-r", "100", "EVAL", "set @key1 to_int(get @key1) + 1 return get @key1", "1", "key:__rand_int__"},
	} {
		out, err := exec.Command(bench, append([]string{"-h", host, "-p", port, "-q"}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "requests per second") || strings.Contains(strings.ToLower(string(out)), "error") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}
