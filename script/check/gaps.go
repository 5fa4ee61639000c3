package check

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"kahuna/script/syntax"
)

// gaps knows the parts of a source that are not in its partial tree, or may
// not be there as what they were meant to be. Of a whole tree it holds nothing.
type gaps struct {
	script *syntax.Script
	list   []syntax.Gap    // in order, none touching another
	names  map[string]bool // nil until it is needed
}

func newGaps(s *syntax.Script) *gaps {
	g := &gaps{script: s}
	if len(s.Gaps) == 0 {
		return g
	}
	all := slices.SortedFunc(slices.Values(s.Gaps), func(a, b syntax.Gap) int { return cmp.Compare(a.From, b.From) })
	g.list = all[:1]
	for _, next := range all[1:] {
		if last := &g.list[len(g.list)-1]; next.From <= last.To {
			last.To = max(last.To, next.To)
		} else {
			g.list = append(g.list, next)
		}
	}
	return g
}

// cover reports whether the byte at offset is in a gap: nothing is known about
// what stands there.
func (g *gaps) cover(offset int32) bool {
	i := sort.Search(len(g.list), func(i int) bool { return offset < g.list[i].To })
	return i < len(g.list) && g.list[i].From <= offset
}

// mention reports whether name stands in a gap. What it is there is not known;
// it may be a variable that is assigned.
func (g *gaps) mention(name string) bool {
	if len(g.list) == 0 {
		return false
	}
	if g.names == nil {
		g.names = map[string]bool{}
		for _, gap := range g.list {
			g.collect(g.script.Source[gap.From:gap.To])
		}
	}
	return g.names[name]
}

// keyword reports whether name, which the tree reads as a name, may have been
// meant as the keyword it also is: behind an operator without its operand a
// soft keyword is a name, wherever the next statement was to begin.
func (g *gaps) keyword(name string) bool {
	return g.script.Partial && syntax.SoftKeyword(name)
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
