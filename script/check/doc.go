// Package check finds everything that is wrong with a parsed script before it
// runs, and everything that can be known about it without running it: its
// variables, its placeholders, which of its keys are known in advance, and
// whether it can write or wait.
//
// It guarantees that a script without error diagnostics
//
//   - calls only functions that exist, with a number of arguments they take,
//   - reads no variable that is assigned nowhere,
//   - has begin options that are known, given once, and not wrong whatever
//     the parameters are,
//   - names no empty or malformed key in its text,
//   - writes nothing when it is a snapshot transaction.
//
// A script whose form is broken is examined as far as it was understood:
//
//   - Invariant CHECK-1: what is said about a partial tree holds whatever the
//     source of its gaps was meant to be. A name that occurs in a gap may be
//     assigned there, so it is not called undefined; a soft keyword that is
//     read as a name may have been meant as the keyword; how control flows is
//     not judged at all.
//
// It does not judge what depends on a parameter or on data: that is the
// business of package script when parameters are bound or the script runs.
// Warnings are remarks that never stop a script.
//
// A check is one walk over the tree for names (walk.go), one over the
// statements for control flow (flow.go), and a look at the options
// (options.go). It takes time linear in the size of the script, keeps no
// state between scripts, and may be used by any number of goroutines.
package check
