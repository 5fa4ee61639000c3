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
//   - GRPC-3: no answer is larger than 4 MiB, and every text in it is UTF-8.
//
// Requests of one stream run concurrently. Their number and bytes are bounded by
// not reading on.
package grpcapi
