package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
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

// scriptCall is a script to run.
type scriptCall struct {
	source  string
	hash    *hash // of a program; nil for a text
	params  kahuna.Params
	options *kahuna.RunOptions
	key     string // of idempotency
	whole   bool   // the server does not have the program
}

// byHash reports whether the script is sent as its hash alone.
func (s *scriptCall) byHash() bool { return s.hash != nil && s.hash.kept.Load() && !s.whole }

// run runs a script. hash, when not nil, is that of the source: then the server
// takes the script that it keeps.
func (c *Client) run(ctx context.Context, source string, hash *hash, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error) {
	call := &scriptCall{source: source, hash: hash, params: params, options: o}
	if o != nil {
		call.key = o.IdempotencyKey
	}
	reads := c.programs.reads(source)
	own := call.key == "" && !reads && !c.opts.NoIdempotencyKeys
	if own {
		call.key = rand.Text()
	}
	a, r, err := c.sendScript(ctx, call, reads)
	if own && tooLargeToRemember(err) {
		call.key = ""
		a, r, err = c.sendScript(ctx, call, reads)
	}
	if err != nil {
		return nil, err
	}
	hash.sent()
	if a.script != nil {
		return resultOf(a.script), nil
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

// sendScript sends a script.
func (c *Client) sendScript(ctx context.Context, call *scriptCall, reads bool) (*answer, *request, error) {
	r := &request{op: "run", script: call, reads: reads, safe: reads || call.key != ""}
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
	return &program{c: c, p: p, hash: hash{text: restwire.HashOf(source), sum: sha256.Sum256([]byte(source))}}, nil
}

// hash is what a script is called by.
type hash struct {
	text string
	sum  [sha256.Size]byte // the same
	kept atomic.Bool       // the server was sent the script
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
