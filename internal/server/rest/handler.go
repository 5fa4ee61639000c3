package rest

import (
	"context"
	_ "embed" // for OpenAPI
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/server/wire"
)

// Options configure a Handler. The zero value are the defaults.
type Options struct {
	// BodyBytes bounds one body: 24 MiB, so that the largest value fits, in base64
	// too.
	BodyBytes int64
	// BodiesBytes bounds all bodies that are in memory: 256 MiB. More are refused
	// with code "admission".
	BodiesBytes int64
	// Patience is how long a client may take to send a body, or to read an answer:
	// 30 s.
	Patience time.Duration
	// Context is that of interactive transactions, whose operations go on when
	// their request is gone: nil is one that does not end.
	Context context.Context
	// Observe, when not nil, is told of every call that was answered: its name, its
	// result ("ok" or the code of the error), and how long it took.
	Observe func(call, result string, took time.Duration)
}

// Handler answers requests with what a store says. It is safe for concurrent
// use.
type Handler struct {
	store    kahuna.Store
	opts     Options
	bodies   atomic.Int64 // bytes
	programs *wire.Programs
	sessions sessions
}

// New returns a Handler for store.
func New(store kahuna.Store, o Options) *Handler {
	if o.BodyBytes == 0 {
		o.BodyBytes = 24 << 20
	}
	if o.BodiesBytes == 0 {
		o.BodiesBytes = 256 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	return &Handler{store: store, opts: o, programs: wire.NewPrograms(10_000, 64<<20), sessions: sessions{byID: map[string]*session{}}}
}

// Transactions returns how many interactive transactions are open.
func (h *Handler) Transactions() int {
	h.sessions.mu.Lock()
	defer h.sessions.mu.Unlock()
	return h.sessions.open
}

// Close rolls back the interactive transactions, and waits for their operations.
func (h *Handler) Close() { h.sessions.close() }

// OpenAPI describes the face in OpenAPI 3.1. A test holds it against the server.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Routes are the paths with their methods.
func Routes() map[string][]string {
	return map[string][]string{
		"/v1/run":        {"POST"},
		"/v1/keys":       {"GET"},
		"/v1/keys/{key}": {"GET", "HEAD", "PUT", "PATCH", "DELETE"},
		"/v1/tx":         {"POST"},
		"/v1/tx/{id}":    {"POST", "DELETE"},

		"/v1/openapi.yaml": {"GET"},
	}
}

// call is one request on its way.
type call struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	query  url.Values
	name   string // of the call, for Observe
	result string
	held   int64 // bytes of its body
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	// The deadline of the last answer on the connection is no longer of use.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	c := &call{h: h, w: w, r: r, name: "other", result: "ok"}
	defer func() {
		h.bodies.Add(-c.held)
		h.opts.Observe(c.name, c.result, time.Since(start))
	}()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if c.refusedBrowser() {
		return
	}
	// The multiplexer of net/http cleans paths, but a key may be "a//b" or "..".
	path := r.URL.EscapedPath()
	key, ofKey := strings.CutPrefix(path, "/v1/keys/")
	id, ofTx := strings.CutPrefix(path, "/v1/tx/")
	route := path
	switch {
	case ofKey:
		route = "/v1/keys/{key}"
	case ofTx:
		route = "/v1/tx/{id}"
	}
	methods, ok := Routes()[route]
	if !ok {
		c.problem(restwire.NewProblem(restwire.CodeNoRoute, "there is nothing at "+strconv.Quote(r.URL.Path),
			"POST /v1/run runs a script, /v1/keys/KEY is a key, /v1/keys lists keys, POST /v1/tx begins a transaction, GET /v1/openapi.yaml describes all"))
		return
	}
	if !contains(methods, r.Method) {
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		c.problem(restwire.NewProblem(restwire.CodeMethod, r.Method+" is not allowed for "+route, "it allows "+allowed))
		return
	}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		c.badRequest("the query cannot be read: "+err.Error(), "write % as %25, & as %26, ; as %3B")
		return
	}
	if route != "/v1/run" && r.Header.Get("Idempotency-Key") != "" {
		c.badRequest("the header Idempotency-Key belongs to scripts: "+route+" would not heed it", "send a script that does the same to /v1/run, or number the operations of a transaction")
		return
	}
	switch route {
	case "/v1/run":
		c.run()
	case "/v1/keys":
		c.list()
	case "/v1/openapi.yaml":
		c.name = "openapi"
		if c.known() {
			c.send(http.StatusOK, "application/yaml", OpenAPI)
		}
	case "/v1/tx":
		c.beginTx()
	case "/v1/tx/{id}":
		if r.Method == http.MethodDelete {
			c.rollbackTx(id)
		} else {
			c.inTx(id)
		}
	default:
		c.key(key)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// refusedBrowser refuses what a page of another site makes a browser send: the
// server has no passwords yet, and a browser reaches the loopback.
func (c *call) refusedBrowser() bool {
	if FromOtherSite(c.r) {
		c.badRequest("requests from pages of other sites are refused", "call the store from a program, not from a web page")
		return true
	}
	return false
}

// FromOtherSite reports whether a page of another site has made a browser send r.
func FromOtherSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	origin := r.Header.Get("Origin")
	return site == "cross-site" || site == "same-site" || origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host
}

// known refuses parameters of the query that the call does not have. Names that
// end in a dot are prefixes.
func (c *call) known(names ...string) bool {
	for name, values := range c.query {
		ok := false
		for _, n := range names {
			prefix := strings.HasSuffix(n, ".")
			ok = ok || name == n && !prefix || prefix && strings.HasPrefix(name, n) && name != n
		}
		if !ok {
			c.badRequest("the query has "+strconv.Quote(name)+", which is unknown here", "it may have "+strings.Join(names, ", "))
			return false
		}
		if len(values) > 1 {
			c.badRequest("the query has "+strconv.Quote(name)+" more than once", "")
			return false
		}
	}
	return true
}

// space returns the key space that the query names.
func (c *call) space() (kahuna.Space, bool) {
	switch name := c.query.Get("space"); name {
	case "", "persistent":
		return c.h.store, true
	case "ephemeral":
		return c.h.store.Ephemeral(), true
	default:
		c.badRequest("there is no space "+strconv.Quote(name), "space is persistent or ephemeral")
		return nil, false
	}
}

// answer sends v as JSON.
func (c *call) answer(v any) {
	data, err := restwire.Encode(v)
	if err != nil {
		// The call took effect, or may have.
		c.fail(&kahuna.Error{Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown, Message: "the answer cannot be written: " + err.Error()})
		return
	}
	c.send(http.StatusOK, "application/json", data)
}

// answerWhole is how many bytes of values are encoded before the answer is sent.
const answerWhole = 1 << 20

// stream sends v as JSON while it is encoded, without its length in front.
func (c *call) stream(v any) {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.h.opts.Patience))
	c.w.Header().Set("Content-Type", "application/json")
	if err := restwire.EncodeTo(c.w, v); err != nil {
		panic(http.ErrAbortHandler) // the client sees that the answer is cut off
	}
}

// send sends the answer. Only now does the client's patience count.
func (c *call) send(status int, mediaType string, data []byte) {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.h.opts.Patience))
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(data) // a client that went away is no news
	}
}

func (c *call) badRequest(message, hint string) {
	c.problem(restwire.NewProblem(string(kahuna.CodeBadRequest), message, hint))
}

// fail sends the error of a call of the store. A call that the end of the server
// stopped can be sent again, to the next one.
func (c *call) fail(err error) {
	if errors.Is(err, kahuna.ErrCanceled) {
		var stopped *kahuna.Error
		if errors.As(context.Cause(c.r.Context()), &stopped) {
			err = stopped
		}
	}
	c.problem(restwire.ProblemOf(err))
}

func (c *call) problem(p *restwire.Problem) {
	c.result = p.Code
	header := c.w.Header()
	header.Set(restwire.CodeHeader, p.Code)
	if p.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	data, err := restwire.Encode(p)
	if err != nil {
		data = []byte(`{}`) // its texts are plain
	}
	c.send(p.Status, restwire.ProblemType, data)
}
