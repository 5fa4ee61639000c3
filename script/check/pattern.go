package check

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// PatternBytes is how long a regular expression may be.
const PatternBytes = 1000

// patternStates bounds what a short expression may stand for: x{1000} is a
// thousand x.
const patternStates = 10_000

// Pattern examines a regular expression. It returns how many states it has, or
// what is wrong with it.
func Pattern(pattern string) (states int, problem string) {
	if len(pattern) > PatternBytes {
		return 0, fmt.Sprintf("a regular expression must not be longer than %d bytes, got %d", PatternBytes, len(pattern))
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, "matches() needs a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, "matches() needs a regular expression: " + err.Error()
	}
	if len(prog.Inst) > patternStates {
		return 0, fmt.Sprintf("a regular expression must not stand for more than %d states, got %d", patternStates, len(prog.Inst))
	}
	return len(prog.Inst), ""
}
