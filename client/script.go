package client

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/script"
)

// Run implements kahuna.Store. The script is compiled by the server.
func (c *Client) Run(ctx context.Context, source string, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	if !utf8.ValidString(source) {
		// JSON has no such text; the compiler says where.
		if _, err := c.Compile(source); err != nil {
			return nil, err
		}
	}
	return c.run(ctx, source, nil, params, o)
}

// run runs a script. hash, when not nil, is that of the source: then the server
// takes the script that it keeps.
func (c *Client) run(ctx context.Context, source string, hash *hash, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	run, err := restwire.RunOf(source, params, o)
	if err != nil {
		return nil, err
	}
	reads := c.programs.reads(source)
	own := run.IdempotencyKey == "" && !reads && !c.opts.NoIdempotencyKeys
	if own {
		run.IdempotencyKey = rand.Text()
	}
	a, r, err := c.sendRun(ctx, run, hash, reads)
	if own && tooLargeToRemember(err) {
		run.IdempotencyKey = ""
		a, r, err = c.sendRun(ctx, run, hash, reads)
	}
	if err != nil {
		return nil, err
	}
	hash.sent()
	var res restwire.Result
	if err := restwire.Decode(a.body, &res); err != nil {
		return nil, r.unreadable(err)
	}
	out, err := res.Kahuna()
	if err != nil {
		return nil, r.unreadable(err)
	}
	return out, nil
}

// sendRun sends a script.
func (c *Client) sendRun(ctx context.Context, run *restwire.Run, hash *hash, reads bool) (*answer, *request, error) {
	r := &request{op: "run", method: "POST", path: "/v1/run", mediaType: "application/json", reads: reads, safe: reads || run.IdempotencyKey != ""}
	var err error
	if r.body, r.whole, err = hash.bodies(run); err != nil {
		return nil, nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: err.Error()}
	}
	a, err := c.send(ctx, r)
	return a, r, err
}

// tooLargeToRemember reports whether a script was undone because its result does
// not fit what is remembered for an idempotency key.
func tooLargeToRemember(err error) bool {
	var e *kahuna.Error
	return errors.As(err, &e) && e.Code == kahuna.CodeLimit && e.Outcome == kahuna.NotApplied && strings.HasSuffix(e.Hint, "without a key")
}

// unreadable is the error of an answer that says that something was done.
func (r *request) unreadable(err error) error {
	return &kahuna.Error{Op: r.op, Key: r.key, Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown,
		Message: "the answer of the server cannot be read: " + err.Error(), Err: err}
}

// Compile implements kahuna.Store. The script is checked here, with the default
// limits, and by the server when it runs.
func (c *Client) Compile(source string) (kahuna.Program, error) {
	p, err := script.Compile(source, nil)
	if err != nil {
		return nil, restwire.ErrorOf(err)
	}
	c.programs.keep(source, !p.CanWrite())
	return &program{c: c, p: p, hash: hash{text: restwire.HashOf(source)}}, nil
}

// hash is what a script is called by.
type hash struct {
	text string
	kept atomic.Bool // the server was sent the script
}

// bodies returns the body of a request that calls the script by its hash, and
// the one to send when the server does not have it; of the latter alone, when it
// was not sent yet. With a nil hash the script goes as it is.
func (h *hash) bodies(run *restwire.Run) (body, whole []byte, err error) {
	if h == nil {
		body, err = restwire.EncodeRun(run)
		return body, nil, err
	}
	source := run.Script
	defer func() { run.Script = source }()
	run.Hash = h.text
	if whole, err = restwire.EncodeRun(run); err != nil || !h.kept.Load() {
		return whole, nil, err
	}
	run.Script = ""
	body, err = restwire.EncodeRun(run)
	return body, whole, err
}

// sent notes that the server has the script.
func (h *hash) sent() {
	if h != nil && !h.kept.Load() {
		h.kept.Store(true)
	}
}

// program is the Program of a Client.
type program struct {
	c    *Client
	p    *script.Program
	hash hash
}

func (p *program) Run(ctx context.Context, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	return p.c.run(ctx, p.p.Source(), &p.hash, params, o)
}

func (p *program) Source() string { return p.p.Source() }

func (p *program) Parameters() []string { return p.p.Parameters() }

func (p *program) Warnings() []kahuna.Warning {
	var list []kahuna.Warning
	for _, w := range p.p.Warnings() {
		list = append(list, kahuna.Warning(w))
	}
	return list
}

// programs remembers of scripts whether they only read. It is emptied when it
// is full.
type programs struct {
	mu    sync.Mutex
	known map[string]bool
	bytes int
}

const (
	programsMost      = 1000
	programsBytesMost = 8 << 20
)

func (p *programs) keep(source string, reads bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known[source]; ok {
		return
	}
	if p.known == nil || len(p.known) >= programsMost || p.bytes >= programsBytesMost {
		p.known, p.bytes = map[string]bool{}, 0
	}
	p.known[source] = reads
	p.bytes += len(source)
}

// reads reports whether a script is known to change nothing. One that does not
// compile here, where the limits may be others, is not.
func (p *programs) reads(source string) bool {
	p.mu.Lock()
	reads, ok := p.known[source]
	p.mu.Unlock()
	if ok {
		return reads
	}
	compiled, err := script.Compile(source, nil)
	var e *script.Error
	reads = err == nil && !compiled.CanWrite()
	if err == nil || errors.As(err, &e) {
		p.keep(source, reads)
	}
	return reads
}
