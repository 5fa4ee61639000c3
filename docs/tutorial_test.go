package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTutorial follows tutorial.md in an empty directory. A block below a line
// with nothing but the name of a file is that file; a block below a paragraph
// that ends with "into a file" and a name, too. In a block of kind sh, lines
// that begin with "$ " are commands, and below each stands what it prints,
// where times are not compared. Other lines of such a block are not run: they
// install what this test builds by itself.
func TestTutorial(t *testing.T) {
	t.Parallel()
	dir, bin := t.TempDir(), t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "./cmd/kahuna-cli")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	goMod := strings.Replace(read(t, "../go.mod"), "module kahuna\n", "module hello\n\nrequire kahuna v0.0.0\n\nreplace kahuna => "+root+"\n", 1)
	for name, text := range map[string]string{"go.mod": goMod, "go.sum": read(t, "../go.sum")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GOFLAGS=-mod=mod -ldflags=-w", "GOPROXY=off")

	files, commands := 0, 0
	for _, b := range blocks(read(t, "tutorial.md")) {
		if m := named.FindStringSubmatch(b.above); m != nil {
			if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(b.text), 0o666); err != nil {
				t.Fatal(err)
			}
			files++
		}
		if b.kind != "sh" {
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			line, want, _ := strings.Cut(step, "\n")
			c := exec.Command("sh", "-c", line)
			c.Dir, c.Env = dir, env
			out, _ := c.CombinedOutput() // what a failure prints is compared
			if got := timeless(string(out)); got != timeless(want) {
				t.Errorf("$ %s\nprints\n%s\nnot\n%s", line, out, want)
			}
			commands++
		}
	}
	if files != 5 || commands != 13 {
		t.Errorf("%d files and %d commands were found", files, commands)
	}
}

var named = regexp.MustCompile("(?:^|into a file )`([\\w.]+)`:$")

// block is a fenced block of a page, with the last line of text above it.
type block struct{ above, kind, text string }

func blocks(page string) []block {
	var found []block
	var b block
	inside := false
	for _, line := range strings.Split(page, "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && inside:
			found = append(found, b)
			b, inside = block{}, false
		case fence:
			b.kind, inside = kind, true
		case inside:
			b.text += line + "\n"
		case line != "":
			b.above = line
		}
	}
	return found
}

var times = regexp.MustCompile(` \d+ms|\d+\.\d+s|\(cached\)`)

func timeless(text string) string {
	return strings.TrimSpace(times.ReplaceAllString(text, ""))
}
