package check

import (
	"strings"

	"kahuna/script/syntax"
)

// gaps knows which names stand in the parts of a source that are not in its
// partial tree. What such a name is there is not known; it may be a variable
// that is assigned.
type gaps struct {
	script *syntax.Script
	names  map[string]bool // nil until it is needed
}

// mention reports whether name stands in a gap. Without gaps it costs nothing.
func (g *gaps) mention(name string) bool {
	if len(g.script.Gaps) == 0 {
		return false
	}
	if g.names == nil {
		g.names = map[string]bool{}
		for _, gap := range g.script.Gaps {
			g.collect(g.script.Source[gap.From:gap.To])
		}
	}
	return g.names[name]
}

// collect takes every word of text for a name, and whatever stands between two
// backticks.
func (g *gaps) collect(text string) {
	isWord := func(r rune) bool {
		return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isWord(r) }) {
		g.names[word] = true
	}
	for quoted := range strings.SplitSeq(text, "`") {
		g.names[quoted] = true
	}
}
