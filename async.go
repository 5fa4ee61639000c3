package kahuna

import (
	"context"
	"time"

	"kahuna/internal/txn"
	"kahuna/script"
)

// Async are the calls of a store that do not wait, for servers that serve many
// callers on few goroutines. Each does what the call of the same name of DB
// does, with the same answers and errors, and gives its answer to done instead
// of returning it.
//
// A call runs at once, on the caller's goroutine. It then calls done, before it
// returns, unless the answer depends on something that is not yet durable: then
// done is called when that is, on a goroutine of the store. What has to wait for
// a lock, for room, for a request with the same idempotency key, or in a
// sleep moves to a goroutine of its own, which calls done.
//
// A call reports whether it has run. If so, its place in the order of the
// store is fixed, and what the caller starts next comes after it, even if done
// has not been called yet. If not, a caller that wants its calls in order waits
// for done before it starts the next one.
//
// done is called once. It must not block, must be short, and must not panic:
// answers of others wait for it. It may start further calls. Result and error
// belong to it. Params are not used after the call has returned.
//
// The zero Async is not usable; DB.Async returns one. It is safe for concurrent
// use.
type Async struct {
	db    *DB
	space script.Space
}

// Async returns the calls of the store that do not wait. Those on keys work on
// the persistent space.
func (db *DB) Async() Async { return Async{db, script.Persistent} }

// Ephemeral returns the calls for the ephemeral space.
func (a Async) Ephemeral() Async { return Async{a.db, script.Ephemeral} }

// Run runs a compiled script of the same store, as Program.Run does. A Program
// of another store gets ErrBadRequest.
func (a Async) Run(ctx context.Context, p Program, params Params, o *RunOptions, done func(*Result, error)) bool {
	own, ok := p.(*program)
	if !ok || own.db != a.db {
		done(nil, badRequest("run", "", "the program was compiled by another store", "compile it with this one"))
		return true
	}
	j := newJob()
	j.program, j.started, j.done = own.p, a.db.node.Moment(), done
	if err := a.db.prepare(j, own.p, params, o, j.started); err != nil {
		j.free()
		done(nil, errorOf(own.p.WithWarnings(err)))
		return true
	}
	j.db = a.db
	if j.answer == nil {
		j.answer = j.answered // made once
	}
	return a.db.node.Runner.Start(ctx, &j.job, j.answer)
}

// answered gives the answer of a started job, and ends the job.
func (j *job) answered(res *script.Result, err error) {
	p, done := j.program, j.done
	if err != nil {
		j.free()
		done(nil, errorOf(p.WithWarnings(err)))
		return
	}
	res.Elapsed = j.db.node.Moment() - j.started
	out := resultOf(res)
	j.free()
	done(out, nil)
}

// Get reads key. found is false when the key does not exist.
func (a Async) Get(ctx context.Context, key string, done func(e Entry, found bool, err error)) bool {
	j := a.db.callJob(callGet, a.space, key)
	j.read = done
	return a.start(ctx, j)
}

// Set writes key. A condition that does not hold is no error: Done of the result
// is false.
func (a Async) Set(ctx context.Context, key, value string, o *SetOptions, done func(WriteResult, error)) bool {
	j := a.db.callJob(callSet, a.space, key)
	if err := j.call.setTo(value, o, &a.db.limits); err != nil {
		j.free()
		done(WriteResult{}, err)
		return true
	}
	j.wrote = done
	return a.start(ctx, j)
}

// Delete deletes key. Done of the result is false when it did not exist.
func (a Async) Delete(ctx context.Context, key string, done func(WriteResult, error)) bool {
	j := a.db.callJob(callDelete, a.space, key)
	j.wrote = done
	return a.start(ctx, j)
}

// Extend makes key end ttl from now, earlier or later than before; 0 makes it
// live for ever. Done of the result is false when it does not exist.
func (a Async) Extend(ctx context.Context, key string, ttl time.Duration, done func(WriteResult, error)) bool {
	j := a.db.callJob(callExtend, a.space, key)
	if err := j.call.endIn(ttl); err != nil {
		j.free()
		done(WriteResult{}, err)
		return true
	}
	j.wrote = done
	return a.start(ctx, j)
}

// start checks the key and starts j, which frees itself.
func (a Async) start(ctx context.Context, j *callJob) bool {
	if j.answer == nil {
		j.answer = j.answered
	}
	if err := checkKey(callNames[j.call.kind], j.call.key, &a.db.limits); err != nil {
		j.answered(nil, err)
		return true
	}
	return a.db.node.Runner.Start(ctx, &j.job, j.answer)
}

// answered gives the answer of a job that was started, and frees the job.
func (j *callJob) answered(_ *script.Result, err error) {
	w, read, wrote := &j.call, j.read, j.wrote
	w.time = j.result.Time
	if err != nil {
		w.forget()
		err = callErrorOf(callNames[w.kind], w.key, err)
	}
	if read != nil {
		e, found := w.entry(), w.row.Found
		j.free()
		read(e, found, err)
		return
	}
	r := w.wrote()
	j.free()
	wrote(r, err)
}

// bound gives the job of a call its time and its path.
func (db *DB) bound(j *txn.Job) {
	j.TimeoutMs, j.AdmissionMs = db.limits.TimeoutMs, db.opts.AdmissionWait.Milliseconds()
	j.Path = txn.Auto
	if db.opts.forceSlow {
		j.Path = txn.Slow
	}
}
