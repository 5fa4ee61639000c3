// Package grpcapi is the gRPC front end: the services of package wirepb, as the
// clients of the original system use them, for a wire.Service.
//
// What it guarantees:
//
//   - GRPC-1: every request of a batch stream is answered exactly once, with its
//     type and id; whatever is wrong with it, and also when the server fails in
//     the middle of it.
//   - GRPC-2: a batch stream ends only with its client, or with UNAVAILABLE when
//     the server drains, after the answers under way. Its headers are sent before
//     anything is read.
//   - GRPC-3: no answer is larger than 4 MiB, unless its client reads packs, and
//     every text in it is UTF-8.
//
// Requests of one stream run concurrently. Their number and bytes, and the bytes
// of answers that are not sent, are bounded by not reading on.
//
// # Packs
//
// A message of a batch stream of calls on keys may have many requests, or many
// answers: those that are waiting when the writer is free. The headers of the
// stream say who reads packs, and nobody else gets any. A stream with packs has
// requests that the original does not have: scripts by their SHA-256 alone,
// requests of the plain REST face, and the end of waiting for an answer. When it
// ends with the trailer wirepb.AnsweredTrailer, what has no answer was not begun.
package grpcapi
