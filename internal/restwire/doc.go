// Package restwire is the JSON of the REST face: what the server's package rest
// writes, the client reads, and the other way round. docs/server.md explains it.
//
// Nothing is lost on the way: integers keep all their digits, values keep their
// kind, a text that is not UTF-8 goes as {"base64": "..."}, and an error has
// everything that the embedded one has, except Err, a cause outside the store.
//
// What comes from outside is read strictly: no member twice, none that is
// unknown, no text that is not UTF-8, no half of a surrogate pair.
package restwire
