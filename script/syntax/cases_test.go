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

// unescape resolves what a test file can not hold as it is: <cr>, <tab>, <nbsp>,
// <bom>, <lf> and <xx> for the byte with that hexadecimal value.
var unescape = strings.NewReplacer("<cr>", "\r", "<tab>", "\t", "<lf>", "\n", "<bom>", "\ufeff",
	"<nbsp>", "\u00a0", "<ff>", "\xff", "<00>", "\x00", "<vt>", "\v")
