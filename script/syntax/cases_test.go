package syntax

import (
	"os"
	"strings"
	"testing"
)

// testCase is one part of a file in testdata: a line "== name", and the text
// up to the next.
type testCase struct{ name, text string }

func readCases(t testing.TB, file string) []testCase {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []testCase
	for _, part := range strings.Split("\n"+string(b), "\n== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		list = append(list, testCase{name, strings.TrimSuffix(text, "\n")})
	}
	return list
}

// Some characters can not be seen, or not be kept, in a test file.
var special = []string{"<cr>", "\r", "<tab>", "\t", "<bom>", "\ufeff", "<nbsp>", "\u00a0", "<ff>", "\xff", "<00>", "\x00", "<vt>", "\v"}

var unescape, escape = func() (to, from *strings.Replacer) {
	var swapped []string
	for i := 0; i < len(special); i += 2 {
		swapped = append(swapped, special[i+1], special[i])
	}
	return strings.NewReplacer(special...), strings.NewReplacer(swapped...)
}()
