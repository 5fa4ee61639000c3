package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kahuna"
)

// DefaultURL is where kahuna-server serves when nobody says otherwise.
const DefaultURL = "http://127.0.0.1:2070"

// Options configure a Client. The zero value, and nil, are the defaults.
type Options struct {
	// RetryFor is how long a request is sent again before its error is returned: as
	// long as its context has time left, and 10 s for one without a deadline. -1
	// sends everything once.
	RetryFor time.Duration
	// NoIdempotencyKeys sends scripts without a key, unless they have one, and point
	// writes without one: their results are not remembered by the server, which
	// costs less, and a lost answer is an unknown outcome.
	NoIdempotencyKeys bool
	// Connections bounds the connections to one server over HTTP: 64. More calls
	// wait. Over gRPC it is how many connections are used in turn: 1, which is best
	// unless values are large.
	Connections int
	// InFlight bounds the calls under way on one connection of gRPC: 1024. More
	// calls wait.
	InFlight int
	// TLS says which certificates of servers at https and grpcs addresses are
	// trusted; nil trusts those that the machine does.
	TLS *tls.Config
}

// Client is a store on a server. It is safe for concurrent use.
type Client struct {
	space
	urls      []string
	current   atomic.Uint32 // index of the one in use
	opts      Options
	transport transport
	closed    atomic.Bool
	programs  programs
	ephemeral space
	// ending guards closed against later. rollbacks are those of transactions whose
	// caller has left.
	ending    sync.Mutex
	rollbacks sync.WaitGroup
}

var _ kahuna.Store = (*Client)(nil)

// Open returns a client for the server at a URL such as DefaultURL, or at one
// of several, separated by commas: the next one is asked when one cannot be
// reached. http and https are the plain REST face, grpc://127.0.0.1:2072 is gRPC,
// which costs less, and grpcs is gRPC over TLS; all addresses are of HTTP or all
// of gRPC. Open makes no connection; Ping does. The error is ErrBadRequest for a
// text that is no such list.
func Open(urls string, o *Options) (*Client, error) {
	c := &Client{}
	if o != nil {
		c.opts = *o
	}
	overGRPC := false
	for text := range strings.SplitSeq(urls, ",") {
		base, err := baseOf(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		c.urls = append(c.urls, base)
		if g := strings.HasPrefix(base, "grpc"); len(c.urls) == 1 {
			overGRPC = g
		} else if g != overGRPC {
			return nil, &kahuna.Error{Op: "open", Code: kahuna.CodeBadRequest, Message: "the addresses are of gRPC and of HTTP", Hint: "give those of one of them"}
		}
	}
	if overGRPC {
		c.transport = newOverGRPC(&c.opts)
	} else {
		c.transport = newOverHTTP(&c.opts)
	}
	c.space = space{c: c}
	c.ephemeral = space{c: c, ephemeral: true}
	return c, nil
}

// baseOf returns a URL without the slash at its end.
func baseOf(text string) (string, error) {
	u, err := url.Parse(text)
	path := err == nil && (u.Path == "" || u.Path == "/" || strings.HasPrefix(u.Scheme, "http"))
	if path && slices.Contains([]string{"http", "https", "grpc", "grpcs"}, u.Scheme) && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil {
		return u.Scheme + strings.TrimSuffix(text[len(u.Scheme):], "/"), nil
	}
	return "", &kahuna.Error{Op: "open", Code: kahuna.CodeBadRequest, Message: fmt.Sprintf("%q is no address of a server", text),
		Hint: "write it like " + DefaultURL}
}

// Ephemeral implements kahuna.Store.
func (c *Client) Ephemeral() kahuna.Space { return &c.ephemeral }

// Close ends the client: later calls fail with ErrClosed. Calls that are under
// way end as they would have. Transactions that were not ended are rolled back
// by the server, after TxOptions.Idle.
func (c *Client) Close() error {
	c.ending.Lock()
	c.closed.Store(true)
	c.ending.Unlock()
	c.rollbacks.Wait()
	c.transport.close()
	return nil
}

// later calls rollback on a goroutine that Close waits for, unless the client is
// closed.
func (c *Client) later(rollback func()) {
	c.ending.Lock()
	defer c.ending.Unlock()
	if !c.closed.Load() {
		c.rollbacks.Go(rollback)
	}
}

// Ping asks whether the server serves. It tries every address once.
func (c *Client) Ping(ctx context.Context) error {
	var err error
	for range c.urls {
		if _, err = c.once(ctx, &request{op: "ping", method: "GET", path: "/readyz", safe: true}, &tries{}); err == nil {
			return nil
		}
		c.next()
	}
	if u, ok := err.(unreached); ok {
		return u.err
	}
	return err
}

// next asks the next address from now on.
func (c *Client) next() { c.current.Add(1) }
