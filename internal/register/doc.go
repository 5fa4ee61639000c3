// Package register decides whether a history of operations on single keys is
// linearizable: whether every key behaves as one register would that serves
// one operation at a time, at some moment between its call and its return.
//
// A register here is a row with all that the language says of it: value,
// revision, expiry, and the conditions of a write. Its revision must follow
// from what came before; a row that has ended is gone but for its revision; and
// time agrees with the order: an operation never sees an earlier time than the
// one before it, so what one saw ended the next does not see live. (Operations
// that let time pass have a first and a last time: see times.)
//
// The search is porcupine's (Athalye, "Faster linearizability checking via
// P-compositionality" of Horn and Kroening, after Wing and Gong and Lowe), key
// by key. An operation of unknown outcome may have taken effect at any time
// after its call, or never. When the search does not end in time, the verdict
// is unknown, never valid.
//
// Operations carry the script's own reading of the clock where they have one;
// for the others any time will do that agrees with what they saw. Where the
// expiry of a row is not known either, it is kept as an interval that shrinks
// with what is seen of it. Both err on the side of valid.
package register
