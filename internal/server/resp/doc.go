// Package resp serves a store to clients of Redis: RESP2 and RESP3, with
// pipelining and inline commands. docs/redis-protocol.md lists what it
// understands.
//
// # How
//
// An event loop (gnet) reads what has come on a connection, parses all of it, starts
// each request on the loop's own goroutine through the calls that do not wait
// (kahuna.Async), and writes all answers that are there in one call. An answer
// that waits for the disk is encoded by the store's goroutine into the slot of
// its request; then the loop is woken. Slots stand in the order of the requests,
// so answers do.
//
// The requests of a connection run in their order: while one of them has moved
// off the loop, since it waits for a lock or sleeps, the next are not begun.
//
// # Bounds
//
// A request, the requests of a connection that wait for answers, its input and
// its output are bounded, as are input and output of all connections together.
// The requests of a connection that does not read its answers wait; the socket of
// one whose requests wait is taken from the loop (park.go), since gnet reads a
// socket whether its data can be used or not. Who exceeds a bound is cut off, with
// a line in the log.
//
// The loop writes what a socket takes at once. A goroutine of the connection writes
// the rest (sender.go). A connection ends only when its answers are written: gnet
// would drop them.
//
// There is one event loop, so that what it knows needs no locks: the clock, the
// buffers that connections share, SLOWLOG, MONITOR, the list of clients. A
// goroutine takes connections and gives them to it (accept.go). A connection has no
// buffers while it rests.
//
// The parser is the package's own: that of redcon panics on a negative length,
// bounds nothing, and starts over with each piece that comes.
package resp
