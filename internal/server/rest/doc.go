// Package rest is the plain HTTP face of a store, for curl and everything that
// speaks HTTP and JSON:
//
//	POST /v1/run                        a script
//	GET, HEAD, PUT, PATCH, DELETE /v1/keys/{key}   one key
//	GET /v1/keys                        a page of keys
//	POST /v1/tx                         begins an interactive transaction
//	POST, DELETE /v1/tx/{id}            an operation of it; its end
//
// It decodes, calls the store and encodes; nothing else lives here. The JSON
// is that of package restwire, which has the table of the HTTP statuses, too.
// docs/server.md describes every path.
//
// What is in memory is bounded: a body by Options.BodyBytes, all bodies that
// are being read or run by Options.BodiesBytes, a page by pageBytes, transactions
// by their number, the answers that are remembered for them by rememberedMost. A
// client that sends or reads slowly loses its connection after Options.Patience.
package rest
