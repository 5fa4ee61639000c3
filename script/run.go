package script

import (
	"math"

	"kahuna/script/syntax"
)

// frame is the memory of one run: what compiled code works on.
type frame struct {
	prog   *Program
	params []Value  // by placeholder
	keys   []origin // the same as keys, where they stand as keys

	env      callEnv // the transaction, and the meter, as functions see them
	meter    meter   // with the limits and the Interrupt
	given    int64   // bytes of memory that the parameters take
	snapshot int64   // time of a snapshot transaction
	vars     []Value // by slot; kindUnset when not assigned
	stack    []Value // arguments of calls under way

	steps     int64 // statements, loop passes and function calls so far
	rowsRead  int64 // rows visited by scans so far
	budget    int64 // steps and rows after which to give up, or MaxInt64
	nextCheck int64 // when steps reaches it, a bound may be reached

	used      bool     // there is something to forget
	stepsOnly bool     // tests: bytes do not count against the budget
	guards    [4]guard // by syntax.GuardKind
	committed bool     // a commit statement ended the script
	last      last     // the result if the script ended now

	rows     []Row // of the last scan
	scan     scan  // the scan under way
	part     Part  // what it reads: Tx takes a pointer
	visitRow func(Row) error
	written  written
	setOpts  SetOptions // operand of the set under way: Tx takes a pointer
}

// kindUnset marks a variable that is not assigned. No value of the language
// has it.
const kindUnset Kind = 255

// guard is what a guard knows of the last command of its kind.
type guard uint8

const (
	guardUnset guard = iota // there was none
	guardHit                // it had an effect, or found something
	guardMiss
)

// Run executes the call in tx. It may be repeated, with the same or another
// tx; every run starts afresh.
//
// A Result means that the script committed: the caller commits what tx
// buffered. The entries of its own writes are to be completed by
// Result.Stamp. With an error nothing may be kept of what tx buffered. It is
//
//   - an *Error at the place concerned: a failure of the script, a throw, a
//     rollback, the end of a begin block without commit (the last two without
//     a place), a bound of Limits, or an *Error of tx or in given a place;
//   - ErrSlowPath when budget is positive and used up (each step and each row
//     that a scan visits counts), or when tx.Sleep says so;
//   - any other error of tx or in, unchanged.
//
// A nil in never stops the run.
func (c *Call) Run(tx Tx, in *Interrupt, budget int64) (*Result, error) {
	return c.RunInto(new(Result), tx, in, budget)
}

// RunInto is Run for a caller that keeps the memory of results: it overwrites r,
// reuses its entries, and returns it, or nil with an error.
func (c *Call) RunInto(r *Result, tx Tx, in *Interrupt, budget int64) (*Result, error) {
	if len(r.Entries) > 0 || r.Warnings != nil {
		r.Reset()
	}
	f := &c.frame
	f.start(tx, in, budget)
	f.snapshot = c.options.Snapshot
	err := f.run(c.options.AutoCommit)
	if err == nil {
		err = f.result(r)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (f *frame) run(autoCommit bool) error {
	if _, err := f.prog.body.run(f); err != nil {
		return err
	}
	if !f.committed && !autoCommit {
		return errf(CodeRollback, "transaction was not committed")
	}
	return nil
}

// start makes the frame ready for a run.
func (f *frame) start(tx Tx, in *Interrupt, budget int64) {
	if f.used {
		f.forget()
	}
	f.used = true
	n := len(f.prog.info.Vars)
	if cap(f.vars) < n {
		f.vars = make([]Value, n)
	}
	f.vars = f.vars[:n]
	for i := range f.vars {
		f.vars[i].kind = kindUnset
	}
	// Most often they are those of the run before, and to write a pointer while
	// memory is collected costs more than to look at it.
	if f.env.tx != tx {
		f.env.tx = tx
	}
	if f.meter.in != in {
		f.meter.in = in
	}
	f.meter.reset()
	f.meter.memory = f.given
	f.budget = math.MaxInt64
	if budget > 0 {
		f.budget = budget
		if !f.stepsOnly {
			f.meter.budget = budget * bytesPerStep
		}
	}
	f.nextCheck = f.checkAt()
}

// yieldSteps is how often a run without a budget lets others use the
// processor.
const (
	yieldSteps = 1024
	yieldRows  = 128
)

// checkAt returns the steps at which something is to be looked at.
func (f *frame) checkAt() int64 {
	if f.budget != math.MaxInt64 {
		return min(f.meter.limits.Steps, f.budget-f.rowsRead)
	}
	return min(f.meter.limits.Steps, f.steps+yieldSteps)
}

// forget drops everything of the run before, so that a pooled frame keeps no
// data alive, and no large memory either.
func (f *frame) forget() {
	const keep = 1024 // elements; more than that is left to the collector
	f.used = false
	forget(f.vars)
	f.vars = f.vars[:0]
	forget(f.stack)
	f.stack = f.stack[:0]
	clear(f.rows)
	f.rows = f.rows[:0]
	if cap(f.vars) > keep {
		f.vars = nil
	}
	if cap(f.stack) > keep {
		f.stack = nil
	}
	if cap(f.rows) > keep {
		f.rows = nil
	}
	if f.env.matcher != nil {
		f.env.matcher = nil
	}
	f.steps, f.rowsRead = 0, 0
	f.guards = [4]guard{}
	f.committed = false
	f.last.forget()
	if f.scan.text != "" {
		f.scan.text = ""
	}
	if f.setOpts.Cmp != "" {
		f.setOpts.Cmp = ""
	}
	f.written.reset()
}

// step counts one statement, loop pass or function call, and gives the
// outside a chance to stop the run.
func (f *frame) step(pos syntax.Pos) error {
	if err := f.meter.in.Err(); err != nil {
		return f.fail(err, pos)
	}
	if f.steps >= f.nextCheck {
		if f.steps >= f.meter.limits.Steps {
			return f.at(limitf("Steps", "script runs too long: more than %d steps", f.meter.limits.Steps), pos)
		}
		if f.budget != math.MaxInt64 {
			return ErrSlowPath
		}
		f.meter.yield()
		f.nextCheck = f.checkAt()
	}
	f.steps++
	return nil
}

// visited counts one row of a scan.
func (f *frame) visited() error {
	f.rowsRead++
	if f.budget != math.MaxInt64 {
		f.nextCheck = f.checkAt()
		if f.steps+f.rowsRead > f.budget {
			return ErrSlowPath
		}
	} else if f.rowsRead%yieldRows == 0 {
		f.meter.yield()
	}
	return f.meter.in.Err()
}

// at gives an error of the language its place.
func (f *frame) at(e *Error, pos syntax.Pos) error {
	switch e {
	case slowFault:
		return ErrSlowPath
	case stopFault:
		return f.fail(f.meter.in.Err(), pos)
	}
	return e.at(f.prog.source, pos)
}

// fail gives an error from outside its place, when it is of a kind that has
// one.
func (f *frame) fail(err error, pos syntax.Pos) error {
	if e, ok := err.(*Error); ok {
		return f.at(e, pos)
	}
	return err
}

// flow says how control goes on after a statement.
type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowContinue
	flowEnd // the script is over
)

// expr is a compiled expression.
type expr func(f *frame) (Value, error)

// statement is a compiled statement.
type statement struct {
	run func(f *frame) (flow, error)
	pos syntax.Pos
}

// block is a sequence of compiled statements.
type block []statement

func (b block) run(f *frame) (flow, error) {
	for i := range b {
		if err := f.step(b[i].pos); err != nil {
			return flowEnd, err
		}
		if fl, err := b[i].run(f); err != nil || fl != flowNext {
			return fl, err
		}
	}
	return flowNext, nil
}
