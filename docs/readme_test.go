package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeProgram: the Go code of the README is part of an example that
// compiles and runs.
func TestReadmeProgram(t *testing.T) {
	source := read(t, filepath.Join("..", "example_test.go"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, filepath.Join("..", "README.md")), -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no Go code")
	}
	for _, b := range blocks {
		var indented []string
		for _, line := range strings.Split(strings.TrimSpace(b[1]), "\n") {
			if line != "" {
				line = "\t" + line
			}
			indented = append(indented, line)
		}
		if text := strings.Join(indented, "\n"); !strings.Contains(source, text) {
			t.Errorf("example_test.go does not have this code of the README:\n%s", text)
		}
	}
}

// TestReadmeCommands: the two commands are where .ci/run looks for them, and
// the files they name are there.
func TestReadmeCommands(t *testing.T) {
	text := read(t, filepath.Join("..", "README.md"))
	for _, want := range []string{"\ngo run ./cmd/kahuna-cli --embedded data run examples/", "\ngo test ./...\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the README has no line %q", want)
		}
	}
	for _, name := range regexp.MustCompile(`(?:examples|docs|internal|script|cmd|spec)/[\w./-]*\w`).FindAllString(text, -1) {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
}
