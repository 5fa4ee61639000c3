package client_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
)

var transfers = flag.Int("transfers", 400, "how many transfers go through the proxy that swallows replies")

// swallower is a proxy that swallows one reply of every few: the request got
// through, and the connection is closed instead.
type swallower struct {
	net.Listener
	target    string
	every     int
	replies   atomic.Uint64
	swallowed atomic.Int64
	conns     sync.WaitGroup
}

func newSwallower(t *testing.T, target string, every int) *swallower {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &swallower{Listener: l, target: target, every: every}
	p.conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.conns.Wait()
	})
	return p
}

func (p *swallower) pass(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.conns.Go(func() {
		_, _ = io.Copy(server, conn)
		_ = server.Close()
	})
	b := make([]byte, 64<<10)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		if rand.New(rand.NewPCG(1, p.replies.Add(1))).IntN(p.every) == 0 {
			p.swallowed.Add(1)
			return
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestTransfersThroughASwallower: with idempotency keys, every transfer is there
// once, however many replies are swallowed, and no caller is told of it.
func TestTransfersThroughASwallower(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     protocol
		every int // a connection of gRPC has more replies than calls
		least int // swallowed, of so many transfers one
	}{{"http", overHTTP, 4, 10}, {"grpc", overGRPC, 8, 40}} {
		t.Run(tt.name, func(t *testing.T) {
			_, db := serve(t, nil)
			scheme, target, _ := strings.Cut(tt.p(t, db), "://")
			p := newSwallower(t, target, tt.every)
			c, err := client.Open(scheme+"://"+p.Addr().String(), &client.Options{RetryFor: time.Minute, Connections: 16})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			transfer(t, c, db)
			if n := p.swallowed.Load(); n < int64(*transfers/tt.least) {
				t.Errorf("%d replies were swallowed: this proved too little", n)
			}
		})
	}
}

// transfer makes the transfers and counts them.
func transfer(t *testing.T, c *client.Client, db *kahuna.DB) {
	t.Helper()
	const accounts, start, callers = 10, 1000, 8
	ctx := t.Context()
	for i := range accounts {
		if _, err := db.Set(ctx, fmt.Sprint("account/", i), fmt.Sprint(start), nil); err != nil {
			t.Fatal(err)
		}
	}
	program, err := c.Compile(`set @from to_int(get @from) - @n
set @to to_int(get @to) + @n
set transfers to_int(get transfers ?? 0) + 1
set @own to_int(get @own ?? 0) + 1
return to_int(get @own)`)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			own := fmt.Sprint("own/", caller)
			rng := rand.New(rand.NewPCG(2, uint64(caller)))
			for i := range *transfers / callers {
				from := rng.IntN(accounts)
				to := (from + 1 + rng.IntN(accounts-1)) % accounts
				params := kahuna.Params{"from": fmt.Sprint("account/", from), "to": fmt.Sprint("account/", to), "n": rng.IntN(100), "own": own}
				res, err := program.Run(ctx, params, nil)
				if err != nil || res.Text() != fmt.Sprint(i+1) {
					t.Errorf("transfer %d of caller %d: %v, %v", i, caller, res, err)
					return
				}
			}
		})
	}
	all.Wait()
	sum := 0
	for e, err := range db.Bucket(ctx, "account", nil) {
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	e, _, err := db.Get(ctx, "transfers")
	if want := *transfers / callers * callers; err != nil || sum != accounts*start || e.Value != fmt.Sprint(want) {
		t.Errorf("the sum is %d, want %d; %s transfers are counted, want %d; %v", sum, accounts*start, e.Value, want, err)
	}
}
