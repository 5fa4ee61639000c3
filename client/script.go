package client

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
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
	return c.run(ctx, source, params, o)
}

func (c *Client) run(ctx context.Context, source string, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	run, err := restwire.RunOf(source, params, o)
	if err != nil {
		return nil, err
	}
	reads := c.programs.reads(source)
	if run.IdempotencyKey == "" && !reads && !c.opts.NoIdempotencyKeys {
		run.IdempotencyKey = rand.Text()
	}
	body, err := restwire.EncodeRun(run)
	if err != nil {
		return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: err.Error()}
	}
	r := &request{op: "run", method: "POST", path: "/v1/run", body: body, mediaType: "application/json",
		reads: reads, safe: reads || run.IdempotencyKey != ""}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
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
	return &program{c, p}, nil
}

// program is the Program of a Client.
type program struct {
	c *Client
	p *script.Program
}

func (p *program) Run(ctx context.Context, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	return p.c.run(ctx, p.p.Source(), params, o)
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
