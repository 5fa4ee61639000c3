// Package listappend decides whether a history of transactions over lists is
// strictly serializable, and shows what is wrong when it is not.
//
// # Why lists
//
// A register that is read as 3 says nothing of what was there before. A list
// that every writer appends a unique element to, and that is read whole, shows
// the order of all its writes up to then. From what was read, the order of the
// versions of every key follows, and from that which transaction must come
// before which:
//
//	ww  the one wrote the version that the other one's version came next to
//	wr  the one wrote what the other one read
//	rw  the one read the version that the other one overwrote (an anti-dependency)
//	rt  the one had returned before the other one was called (real time)
//
// A history is strictly serializable only if these have no cycle; a cycle is a
// proof that it is not, which a person can follow. That is the method of Elle
// (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
// Observations", VLDB 2020); the anomalies are named as there and by Adya
// ("Weak Consistency", 1999; with Liskov and O'Neil, "Generalized Isolation
// Level Definitions", ICDE 2000):
//
//	G0        a cycle of ww alone
//	G1a       what an aborted transaction wrote was read
//	G1b       what a transaction overwrote itself was read
//	G1c       a cycle of ww and wr
//	G-single  a cycle with exactly one rw (a lost update, read skew)
//	G2-item   a cycle with several rw (write skew)
//	G2        the same, where a key was missed in a read of a bucket (a phantom)
//	...-realtime  the same, with real time in the cycle (a stale read)
//
// and, before there are cycles: duplicate-elements, garbage-read (nobody wrote
// it), incompatible-order (two reads of a key, neither of which begins as the
// other), internal (a transaction does not see its own writes, or sees a key
// change that it did not change).
//
// # Rows that end
//
// A list that was set with a time to live is a Lease: written once, live for a
// while, then gone. Its end is a transaction of nobody's: who saw the row live
// comes before it, who saw it gone comes after. Among transactions that see a
// single instant of the clock, the ends of all leases are in the order of their
// times, too.
//
// # What it can not see
//
// Who appended to a list that nobody read afterwards is only known to come
// after all that was read. A transaction of unknown outcome counts when
// something of it was read, and else is left out. A history in which all of
// this is fine may show too little; Needs says how much is enough, and less
// makes the verdict unknown.
//
// The check takes time near linear in the length of the history: real time is
// kept as its transitive reduction, of at most as many edges for each
// transaction as were under way at once.
package listappend
