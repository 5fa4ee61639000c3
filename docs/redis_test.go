package docs

import (
	"regexp"
	"strings"
	"testing"

	"kahuna/script"
)

// TestRedisTables: what stands on the right side of the tables of redis.md
// compiles, alone as a statement or as an operand of return. Forms with a gap,
// and links, are only text.
func TestRedisTables(t *testing.T) {
	const before = "let a = 1 let b = 2 let m = {a: 1} let n = 1 let s = 'text' let t = [1] let v = 1 let x = 1\n"
	found := 0
	for _, line := range strings.Split(prose(read(t, "redis.md")), "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		for _, m := range regexp.MustCompile("`` (.+?) ``|`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			code := strings.ReplaceAll(m[1]+m[2], "\x00", "|")
			switch {
			case strings.Contains(code, "…") || !strings.ContainsAny(code, " (=") || strings.HasPrefix(code, "#"):
				continue
			case strings.HasPrefix(code, "for "):
				code += " let x = 1 end"
			}
			found++
			_, statement := script.Compile(before+code, nil)
			if _, operand := script.Compile(before+"return "+code, nil); statement != nil && operand != nil {
				t.Errorf("%s: %v", code, statement)
			}
		}
	}
	if found < 45 {
		t.Errorf("only %d examples were found", found)
	}
}
