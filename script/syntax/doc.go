// Package syntax turns the text of a script into a tree: scanner, parser,
// formatter, and the small tools around them. docs/language.md describes
// the language; spec/grammar.txtar and spec/lexical.txtar pin it.
//
//	source ── scanner ──> tokens ── parser ──> Script, or diagnostics
//	                         │                    │
//	                         └────── Format <─────┘  (comments from the tokens,
//	                                                  structure from the tree)
//
// It answers questions of form only. Whether a function exists, a variable is
// assigned or an option makes sense is the business of package check; what a
// script does is the business of package script.
//
// # What Parse guarantees
//
// A script has a tree or diagnostics, never both and never neither:
//
//   - Invariant SYN-1: Parse returns a nil *Script exactly when it returns at
//     least one diagnostic. All of them are errors, they stand in source
//     order, no two at the same place, and there are at most 20.
//     ParsePartial returns the same diagnostics, and always a tree.
//   - Invariant SYN-2: no input makes Parse, Format, Complete or Walk panic,
//     exhaust the stack, or take more than linear time (formatting adds the
//     indentation it writes). Recursion is bounded by Limits.Nesting. A tree
//     is no deeper than four nodes for each level of it, except along the
//     operators in a row that Operands takes apart: whoever walks a tree
//     recurses neither into the left operand of one nor into the right operand
//     of a ??, of which there may be as many as the source has room for.
//   - Invariant SYN-3: Format changes white space, letter case of keywords
//     and the spelling of synonyms, and nothing else: the formatted source
//     has the same tree but for positions, the same comments in the same
//     order, and formatting it again changes nothing.
//
// # How an error is survived
//
// All mistakes of a script are worth reporting at once, and none of them
// twice. The parser works in three ways to that end. Where the slip is known
// (a misspelt keyword, "and" for "&&", a missing "then") it reports it and
// goes on as if it had been written right. Otherwise it gives up the statement
// and looks for a token at which the next one must begin. And a token that the
// scanner has already complained about is never complained about again.
//
// What is given up is a gap in the tree. Package check examines the rest, and
// holds nothing against it that may only follow from a gap.
package syntax
