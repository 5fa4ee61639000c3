// Package server makes a store reachable: it takes addresses, serves protocols
// on them, and drains them when the process is to end.
//
// A protocol is a Front. A server has one per address; New adds the HTTP one,
// Add any other:
//
//	s := server.New(db, server.Options{...})
//	s.Add("http", "127.0.0.1:2070", s.HTTP())
//	s.Add("redis", "127.0.0.1:2079", resp.New(db, resp.Options{}))
//	err := s.Run(drain, leave)
//
// What it guarantees:
//
//   - SRV-1: once draining has begun, no front takes new work; what runs is
//     answered, for as long as Options.Drain; then it is stopped, and told so.
//   - SRV-2: without Options.Insecure it listens on the loopback only, and
//     answers no HTTP request that names the host otherwise, so that a web page
//     cannot reach it through a name of its own.
//   - SRV-3: server.json is there while the server serves, names the addresses
//     it took, and can be read by the owner alone.
//
// It neither opens nor closes the store.
package server
