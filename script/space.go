package script

import "kahuna/script/syntax"

// Space is one of the two key spaces of a store.
type Space = syntax.Space

// The spaces: Persistent rows are on disk and replicated, Ephemeral rows live
// in the leader's memory only.
const (
	Persistent = syntax.Persistent
	Ephemeral  = syntax.Ephemeral
)
