// Package spec is the conformance suite of Kahuna Script: cases in text files
// (*.txtar, embedded here, described in README.md), and the harness that runs
// them on anything that can run a script. It says what an implementation must
// do, so it imports none: it knows package script's nouns, and the console's
// rendering, since docs/language.md prescribes that too.
//
// An engine joins by implementing Runner, two methods, and calling
//
//	func TestConformance(t *testing.T) {
//		spec.RunAll(t, func(t *testing.T) spec.Runner { return newStore(t) })
//	}
//
// Everything the harness needs of a store it does through scripts: it brings
// given rows about by writing them (given.go), and looks at the rows
// afterwards by reading them (rows.go). So the same files run on the model,
// an embedded store, a server and a cluster.
//
// Beyond what a case writes down, the harness checks of every script:
//
//   - a success has a result with a successful type and outcome applied; a
//     failure has an error whose outcome is not applied, and no result;
//   - after a failure no row of either space has changed;
//   - elapsed time is not negative, and a position lies within the source.
//
// Cases of one file run in order, each on a store of its own. A Runner is
// used by one goroutine.
package spec
