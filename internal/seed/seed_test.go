package seed

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsDrawn runs this test binary in several environments and looks at the
// seeds it takes.
func TestWhatIsDrawn(t *testing.T) {
	if os.Getenv("KAHUNA_SEED_TEST") != "" {
		fmt.Printf("rapid %v first %d\n", flag.Lookup("rapid.seed").Value, First())
		return
	}
	for _, c := range []struct {
		env, arg string
		want     string
		first    bool // 1
	}{
		{"", "", "rapid 1 ", true},
		{"KAHUNA_RANDOM=0", "", "rapid 1 ", true},
		{"KAHUNA_RANDOM=1", "", "rapid 0 ", false},
		{"KAHUNA_RANDOM=1", "-rapid.seed=9", "rapid 9 ", false},
		{"RAPID_SEED=7", "", "rapid 7 ", true},
		{"RAPID_SEED=0", "", "rapid 0 ", true},
		{"", "-rapid.seed=9", "rapid 9 ", true},
		{"", "-rapid.seed=0", "rapid 0 ", true},
	} {
		args := []string{"-test.run=^TestWhatIsDrawn$"}
		if c.arg != "" {
			args = append(args, c.arg)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "KAHUNA_RANDOM=") && !strings.HasPrefix(v, "RAPID_") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "KAHUNA_SEED_TEST=1")
		if c.env != "" {
			cmd.Env = append(cmd.Env, c.env)
		}
		out, err := cmd.Output()
		if got := string(out); err != nil || !strings.HasPrefix(got, c.want) || strings.Contains(got, "first 1\n") != c.first {
			t.Errorf("%q %q: %q, %v", c.env, c.arg, got, err)
		}
	}
}

// TestPropertiesHaveFixedSeeds: each test package that uses rapid imports this
// package.
func TestPropertiesHaveFixedSeeds(t *testing.T) {
	const here, rapid = `"kahuna/internal/seed"`, `"pgregory.net/rapid"`
	uses, fixed := map[string]bool{}, map[string]bool{} // by directory
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			uses[filepath.Dir(path)] = uses[filepath.Dir(path)] || spec.Path.Value == rapid
			fixed[filepath.Dir(path)] = fixed[filepath.Dir(path)] || spec.Path.Value == here
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for dir, yes := range uses {
		if !yes {
			continue
		}
		found++
		if !fixed[dir] {
			t.Errorf("the tests of %s draw a new seed in each run: they import %s without %s", dir, rapid, here)
		}
	}
	if found < 5 {
		t.Errorf("only %d packages with properties were found", found)
	}
}
