package examples_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"kahuna/examples"
	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

func cases(t *testing.T) []spec.Case {
	t.Helper()
	cases, err := examples.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestExamples(t *testing.T) {
	spec.Run(t, cases(t), func(*testing.T) spec.Runner { return model.NewRunner() })
}

// Every script is run by a case, and every recipe says what its parameters
// are and compiles without a warning.
func TestEveryScriptIsCoveredAndDescribed(t *testing.T) {
	run := map[string]bool{}
	for _, c := range cases(t) {
		for _, s := range c.Steps {
			run[s.Source] = true
		}
	}
	err := fs.WalkDir(examples.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".kh" {
			return err
		}
		text, err := fs.ReadFile(examples.FS(), name)
		if err != nil {
			return err
		}
		if !run[string(text)] {
			t.Errorf("no case runs %s", name)
		}
		if path.Dir(name) == "." {
			recipe(t, name, string(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func recipe(t *testing.T, name, text string) {
	p, err := script.Compile(text, nil)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if w := p.Warnings(); len(w) > 0 {
		t.Errorf("%s: %+v", name, w)
	}
	for _, param := range p.Placeholders() {
		if !strings.Contains(text, "#   @"+param) {
			t.Errorf("%s does not describe @%s", name, param)
		}
	}
}
