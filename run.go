package kahuna

import (
	"context"
	"time"

	"kahuna/internal/txn"
	"kahuna/script"
)

// Run runs a script. Sources are compiled once and kept in a bounded cache. The
// error is an *Error; its outcome is NotApplied unless it says otherwise. A
// result whose Type is TypeNotSet or TypeDoesNotExist is no error.
func (db *DB) Run(ctx context.Context, source string, params Params, o *RunOptions) (*Result, error) {
	p, err := db.programs.get(source)
	if err != nil {
		return nil, errorOf(err)
	}
	return db.run(ctx, p, params, o)
}

// Compile checks and compiles a script. The *Error of one that does not
// compile lists everything wrong with it in Diagnostics.
func (db *DB) Compile(source string) (Program, error) {
	p, err := script.Compile(source, &db.limits)
	if err != nil {
		return nil, errorOf(err)
	}
	return &program{db, p}, nil
}

// program is the Program of a DB.
type program struct {
	db *DB
	p  *script.Program
}

func (p *program) Run(ctx context.Context, params Params, o *RunOptions) (*Result, error) {
	return p.db.run(ctx, p.p, params, o)
}

func (p *program) Source() string { return p.p.Source() }

func (p *program) Parameters() []string { return p.p.Parameters() }

func (p *program) Warnings() []Warning { return warningsOf(p.p.Warnings()) }

func (db *DB) run(ctx context.Context, p *script.Program, params Params, o *RunOptions) (*Result, error) {
	j := newJob()
	defer j.free()
	start := db.node.Moment()
	if err := db.prepare(j, p, params, o, start); err != nil {
		return nil, errorOf(p.WithWarnings(err))
	}
	res, err := db.node.Runner.Run(ctx, &j.job)
	if err != nil {
		return nil, errorOf(p.WithWarnings(err))
	}
	res.Elapsed = db.node.Moment() - start
	return resultOf(res), nil
}

// prepare makes j a run of p.
func (db *DB) prepare(j *job, p *script.Program, params Params, o *RunOptions, start time.Duration) error {
	if err := j.script.Call.Bind(p, params); err != nil {
		return err
	}
	options := j.script.Call.Options()
	j.job.Sleeps, j.job.TimeoutMs, j.job.NowMs = p.CanSleep(), options.TimeoutMs, db.node.NowAt(start)
	j.job.Path = txn.Auto
	if db.opts.forceSlow {
		j.job.Path = txn.Slow
	}
	j.job.Priority, j.job.AdmissionMs = options.Priority, options.AdmissionWaitMs
	j.job.Optimistic = options.Locking == script.Optimistic
	wait := db.opts.AdmissionWait
	if o != nil {
		if o.Timeout > 0 && !p.NamesTimeout() {
			j.job.TimeoutMs = min(milliseconds(o.Timeout), db.limits.TimeoutMaxMs)
		}
		if o.AdmissionWait != 0 {
			wait = max(o.AdmissionWait, 0)
		}
		if options.Priority == script.PriorityUnset {
			j.job.Priority = min(script.Priority(o.Priority), script.PriorityCritical)
		}
		if o.IdempotencyKey != "" {
			r, err := request(o.IdempotencyKey, p, params)
			if err != nil {
				return err
			}
			j.job.Request = r
		}
	}
	if j.job.AdmissionMs < 0 {
		j.job.AdmissionMs = min(wait.Milliseconds(), db.limits.AdmissionMs)
	}
	return nil
}
