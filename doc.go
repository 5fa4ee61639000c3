// Package kahuna is a key/value store whose unit of work is a script: a short
// program, sent with parameters, that reads, decides and writes, and takes
// effect whole or not at all.
//
//	db, err := kahuna.Open("data", nil)
//	...
//	res, err := db.Run(ctx, `
//		let stock = to_int(get @item)
//		if stock < 1 then throw "sold out" end
//		set @item stock - 1
//		return stock - 1`, kahuna.Params{"item": "stock/sku-1"}, nil)
//
// Scripts are strictly serializable, in both key spaces: the persistent one,
// which is on disk when a call returns, and the ephemeral one, which lives in
// memory, bounded, for what may be lost. docs/language.md describes the
// language. The calls of DB on keys do without a script what single commands
// do.
//
// A program that takes a Store instead of a *DB runs inside the process or on a
// server alike.
//
// # Errors
//
// Every error is an *Error, with a stable code and an outcome that
// says whether what was asked for is in the store: NotApplied, Applied, or
// (only with ErrOutcomeUnknown) Unknown. A script sent with an
// idempotency key can be sent again until its outcome is known; it takes
// effect once.
//
// # Concurrency
//
// A DB is safe for concurrent use. All calls take a context;
// when it ends, waiting ends.
package kahuna
