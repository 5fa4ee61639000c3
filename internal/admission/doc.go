// Package admission keeps scripts on the slow path from taking the machine
// away from everybody else. It bounds four things:
//
//   - how many of them are under way at once; the others wait in line, by
//     priority and then in the order they came, or are refused;
//   - how many of those compute at once: they take turns of some milliseconds
//     on a part of the processors, so that there is always one for scripts in
//     the executor, for the log and for answers;
//   - how long they compute at a stretch, while others use the store: then
//     they rest for some microseconds;
//   - how fast they make garbage, while others use the store: its collection
//     is paid for by everybody who allocates, so who makes much pauses.
//
// The life of a script:
//
//	Admit ──> under way ── Yield: a turn ── Yield ── Yield: next turn ──> Leave
//	  │           │  ^                                  │
//	refused     Leave Enter                           pause, or
//	          (sleeps, waits for a lock)         wait for the next turn
//
// A script takes its first turn when it yields for the first time: up to there
// it has done no more than a script in the executor may.
//
// # No deadlock
//
// Invariant ADM-1: who has a turn computes and waits for nothing, but rests;
// who is under way waits for a turn, and for nothing else; who waits to be
// admitted holds nothing that others wait for. A script leaves before it waits
// for a lock, for room or for time, and enters again without being admitted
// anew, so what it holds meanwhile is released without anybody's admission. The
// price is that more than Scripts are under way when many come back at once;
// nobody is admitted until they are fewer.
//
// Invariant ADM-2: what was taken is given back, once, however a script ends,
// and goes to the first in line.
//
// Priority orders who is admitted and nothing else: turns go round.
package admission
