// Package client reaches a store that kahuna-server serves. A Client is a
// kahuna.Store: a program moves from a store of its own to a server by changing
// the line that opens it.
//
//	db, err := client.Open("grpc://127.0.0.1:2072", nil)
//
// Results and errors are those of the embedded store: errors.Is(err,
// kahuna.ErrThrow) and errors.As work, with code, place, hint and outcome.
//
// It speaks HTTP (http, https) or gRPC (grpc, grpcs), with the same results. Over
// gRPC all calls share one connection, and those that are waiting when it is free
// go in one message; a script is stopped when its caller's context ends.
//
// # What is sent again
//
// A Client sends a request again, after pauses that grow, for
// Options.RetryFor, when that is certain to do no harm: when the request did not
// reach a server, when the server says that it was not done, when it reads, and
// when it is a script with an idempotency key. Every script that can write gets
// a key from the Client, unless it has one or Options.NoIdempotencyKeys says
// otherwise; so a server that restarts is not noticed by callers with time left.
// For anything else a lost answer is kahuna.ErrOutcomeUnknown.
//
// # Transactions
//
// An interactive transaction lives on the server that began it. Its operations
// have numbers, and the server does each of them once, so they are sent again
// like reads, the commit included. When that server ends, the transaction ends
// with ErrConflict, and Update and View run it again; only when the server ends
// in the middle of the commit, the outcome is unknown.
package client
