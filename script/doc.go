// Package script is the Kahuna Script language: it compiles a source text to
// a Program, binds parameters to it, and runs it in a transaction.
//
//	p, err := script.Compile(source, nil)      // once; immutable, shared
//	call, err := p.Bind(params)                // one request
//	call.Footprint()                           // the keys it will touch
//	result, err := call.Run(tx, interrupt, 0)  // may be repeated
//	call.Release()
//
// The language is defined by docs/language.md. The package knows nothing of
// an engine: a store is whatever implements Tx.
//
// # What it guarantees
//
//   - SCRIPT-1: Run with the same parameters on a Tx that answers the same
//     gives the same result, error and calls of Tx, whatever the step budget,
//     as long as it does not return ErrSlowPath. The compiled form behaves as
//     the plain tree walk in oracle_test.go.
//   - SCRIPT-2: Run is bounded by Limits in steps, memory and writes, and
//     looks at its Interrupt at every statement, loop pass, function call and
//     row of a scan. No input makes it panic.
//   - SCRIPT-3: When Footprint.Complete, a run reads and writes no current
//     row outside its Footprint, whatever the data. Reads of history (at,
//     as of, snapshot transactions) are not part of it.
//   - SCRIPT-4: A script that fails, throws, rolls back, or ends a begin block
//     without commit returns an error, and a script that commits returns a
//     Result: the caller commits what Tx buffered on the second, and drops it
//     on the first.
//
// # What it does not
//
// It takes no locks, reads no clock and starts no goroutine; time-outs are an
// Interrupt that somebody else stops. It does not undo what it wrote to Tx.
//
// # The life of a script
//
//	source --syntax.Parse--> tree --check.Check--> names, keys, warnings
//	       --compile--> closures over a frame, variables in slots
//	params --Bind-----> Call: values, key texts, options   (one frame, pooled)
//	Tx     --Run------> Result or error
//
// An expression is compiled to a func(*frame) (Value, error), a statement to
// one that also says how control goes on. Errors of values and of Tx have no
// position; the closure that met them gives them its own.
package script
