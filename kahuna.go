package kahuna

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/node"
	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// DB is an open store. Its point calls, those of Space, work on the
// persistent space; Ephemeral returns the other one. It is safe for
// concurrent use.
type DB struct {
	Space
	opts     Options
	node     *node.Node
	programs *programCache
}

// Params are the parameters of a script, by name, with or without the leading
// @. Values are nil, bool, any integer or float, string, []byte, or the slices
// []any (of all of these), []string, []int, []int64, []float64 and []bool.
type Params = map[string]any

// Result is the answer of a script that committed. Its entries, and all that
// hangs on it, belong to the caller.
type Result = script.Result

// Entry is one value of a result.
type Entry = script.Entry

// Open opens the store in the directory dir, creating it when there is none.
// A store is open in one process at a time. Errors are *Error: code "open" when
// another process has it, "corrupt" when files are damaged, "bad_request" when
// the directory is no store and not empty, "storage" for anything else; nothing
// was changed then.
//
// A store on a full disk is opened to be read: writes get ErrStorage, reads and
// Backup work, the Logger is told.
func Open(dir string, opts *Options) (*DB, error) {
	if dir == "" {
		return nil, &Error{Op: "open", Code: script.CodeBadRequest, Message: "no directory was given",
			Hint: "name one, or use OpenMemory for a store without files"}
	}
	return open(dir, opts)
}

// OpenMemory opens an empty store without files: it behaves like one in a
// directory and is gone when it is closed.
func OpenMemory(opts *Options) (*DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.fs = vfs.NewMem()
	if o.segment == 0 {
		o.segment = 4 << 20
	}
	return open("memory", &o)
}

func open(dir string, opts *Options) (*DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Limits = o.Limits.WithDefaults()
	if o.AdmissionWait == 0 {
		o.AdmissionWait = 5 * time.Second
	}
	n, err := node.Open(context.Background(), o.node(dir))
	if err != nil {
		return nil, err
	}
	db := &DB{opts: o, node: n, programs: newProgramCache(o.Programs, &o.Limits)}
	db.Space = Space{db: db, space: script.Persistent}
	return db, nil
}

// Close ends the store: running scripts that wait are stopped, what was
// ordered becomes durable, and the files are closed. Calls after it fail with
// ErrClosed. Calling it again returns the same error.
func (db *DB) Close() error { return wrapStorage("close", db.node.Close()) }

// Ephemeral returns the ephemeral space: rows in memory, bounded by
// Options.EphemeralBytes, gone when the store is closed, and evicted when
// memory is short.
func (db *DB) Ephemeral() Space { return Space{db: db, space: script.Ephemeral} }

// RunOption changes one run.
type RunOption func(*runOptions)

type runOptions struct {
	timeout time.Duration
	key     string
	hasKey  bool
	// -1 when not given
	admissionWait time.Duration
	priority      Priority
}

// WithTimeout sets the time-out of a script that names none itself; it covers
// running and waiting for other scripts. It is cut to Limits.TimeoutMaxMs.
func WithTimeout(d time.Duration) RunOption {
	return func(o *runOptions) { o.timeout = d }
}

// Priority is the order in which long scripts are admitted to the slow path. It
// affects nothing else.
type Priority = script.Priority

// The priorities, lowest first. A script that names one in its begin block has
// that; otherwise it is the one of WithPriority, or PriorityNormal.
const (
	PriorityBackground = script.PriorityBackground
	PriorityLow        = script.PriorityLow
	PriorityNormal     = script.PriorityNormal
	PriorityHigh       = script.PriorityHigh
	PriorityCritical   = script.PriorityCritical
)

// WithPriority sets the priority of a script that names none itself.
func WithPriority(p Priority) RunOption {
	return func(o *runOptions) { o.priority = p }
}

// WithAdmissionWait sets how long a script that names no admissionWait itself
// waits to be admitted to the slow path, instead of Options.AdmissionWait: 0 is
// not at all. It is cut to Limits.AdmissionMs.
func WithAdmissionWait(d time.Duration) RunOption {
	return func(o *runOptions) { o.admissionWait = max(d, 0) }
}

// WithIdempotencyKey makes the script take effect once, however often it is
// sent with this key: a repeat gets the first result, also after a crash. The
// key, 1 to 1024 bytes, belongs to one script with one set of parameters and
// is remembered for Options.IdempotencyAge after the commit.
func WithIdempotencyKey(key string) RunOption {
	return func(o *runOptions) { o.key, o.hasKey = key, true }
}

// Run runs a script. Sources are compiled once and kept in a bounded cache.
// The error is an *Error; its outcome is "not applied" unless it says
// otherwise. A result whose Type is NotSet or DoesNotExist is no error.
func (db *DB) Run(ctx context.Context, source string, params Params, opts ...RunOption) (*Result, error) {
	p, err := db.programs.get(source)
	if err != nil {
		return nil, err
	}
	return db.run(ctx, p, params, opts)
}

// Program is a compiled script of a store. It is immutable and safe for
// concurrent use.
type Program struct {
	db *DB
	p  *script.Program
}

// Compile checks and compiles a script. The *Error of one that does not
// compile lists everything wrong with it in Diagnostics.
func (db *DB) Compile(source string) (*Program, error) {
	p, err := script.Compile(source, &db.opts.Limits)
	if err != nil {
		return nil, err
	}
	return &Program{db, p}, nil
}

// Run runs the program like DB.Run.
func (p *Program) Run(ctx context.Context, params Params, opts ...RunOption) (*Result, error) {
	return p.db.run(ctx, p.p, params, opts)
}

// Warnings returns the remarks of the checker.
func (p *Program) Warnings() []script.Warning { return p.p.Warnings() }

// Placeholders returns the names of the parameters, without @, in the order of
// their first use.
func (p *Program) Placeholders() []string { return p.p.Placeholders() }

func (db *DB) run(ctx context.Context, p *script.Program, params Params, opts []RunOption) (*Result, error) {
	start := db.node.Moment()
	res, err := db.execute(ctx, p, params, opts, start)
	if err != nil {
		return nil, p.WithWarnings(runError(err))
	}
	res.Elapsed = db.node.Moment() - start
	return res, nil
}

func (db *DB) execute(ctx context.Context, p *script.Program, params Params, opts []RunOption, start time.Duration) (*Result, error) {
	j := newJob()
	defer j.free()
	if err := j.script.Call.Bind(p, params); err != nil {
		return nil, err
	}
	options := j.script.Call.Options()
	j.job.Sleeps, j.job.TimeoutMs, j.job.NowMs = p.CanSleep(), options.TimeoutMs, db.node.NowAt(start)
	j.job.Path = txn.Auto
	j.job.Priority, j.job.AdmissionMs = options.Priority, options.AdmissionWaitMs
	if j.job.AdmissionMs < 0 {
		j.job.AdmissionMs = min(db.opts.AdmissionWait.Milliseconds(), db.opts.Limits.AdmissionMs)
	}
	j.job.Optimistic = options.Locking == script.Optimistic
	if db.opts.forceSlow {
		j.job.Path = txn.Slow
	}
	if len(opts) > 0 {
		o := runOptions{admissionWait: -1}
		for _, opt := range opts {
			opt(&o)
		}
		if ms := o.timeout.Milliseconds(); o.timeout > 0 && !p.NamesTimeout() {
			j.job.TimeoutMs = min(max(ms, 1), db.opts.Limits.TimeoutMaxMs)
		}
		if o.admissionWait >= 0 && options.AdmissionWaitMs < 0 {
			j.job.AdmissionMs = min(o.admissionWait.Milliseconds(), db.opts.Limits.AdmissionMs)
		}
		if options.Priority == script.PriorityUnset {
			j.job.Priority = min(o.priority, PriorityCritical)
		}
		if o.hasKey {
			r, err := request(o.key, p, params)
			if err != nil {
				return nil, err
			}
			j.job.Request = r
		}
	}
	return db.node.Runner.Run(ctx, &j.job)
}

// runError makes sure that every error is an *Error that belongs to the caller.
// The engine gives the same one to many callers.
func runError(err error) error {
	switch e, ok := err.(*Error); {
	case ok:
		own := *e
		return &own
	case errors.As(err, &e):
		return err
	}
	return &Error{Op: "run", Code: script.CodeStorage, Message: err.Error(), Err: err}
}

func wrapStorage(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Code: script.CodeStorage, Message: err.Error(), Err: err}
}

var _ partition.Work = (*txn.Script)(nil)
