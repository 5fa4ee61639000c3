package spec_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

func newModel(*testing.T) spec.Runner { return model.NewRunner() }

func TestModel(t *testing.T) { spec.RunAll(t, newModel) }

// examplesMin is how many examples the language specification has at least.
const examplesMin = 243

// examples returns the examples that came with the language specification, nil
// when it is not there.
func examples(t *testing.T) []spec.Case {
	var cases []spec.Case
	place := map[string]int{}
	for _, file := range []string{"examples.txt", "examples-additions.txt"} {
		name := filepath.Join("..", "..", "shared", "spec", file)
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			t.Logf("%s is not there", name)
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		read, err := spec.ParseExamples(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count("\n"+string(text), "\nexample "); len(read) != n {
			t.Fatalf("%d examples read of %d in %s", len(read), n, file)
		}
		for _, c := range read {
			if at, ok := place[c.Name]; ok { // the later file takes its place
				cases[at] = c
				continue
			}
			place[c.Name] = len(cases)
			cases = append(cases, c)
		}
	}
	if len(cases) < examplesMin {
		t.Fatalf("%d examples read, want at least %d", len(cases), examplesMin)
	}
	return cases
}

func TestExamples(t *testing.T) { spec.Run(t, examples(t), newModel) }

// liar gives a wrong answer to one script.
type liar struct {
	spec.Runner
	source string
}

func (l liar) Run(ctx context.Context, req spec.Request) spec.Response {
	res := l.Runner.Run(ctx, req)
	if req.Source == l.source {
		res = spec.Response{Result: &script.Result{Type: script.TypeExtended, Outcome: script.Applied}}
	}
	return res
}

// TestExamplesSayWhatTheyWant: there is no example that any answer would do for.
func TestExamplesSayWhatTheyWant(t *testing.T) {
	for _, c := range examples(t) {
		if err := spec.RunCase(t.Context(), &c, liar{model.NewRunner(), c.Steps[0].Source}); err == nil {
			t.Errorf("%s is satisfied with a wrong answer", c.Name)
		}
	}
}

// TestCasesSayWhatTheyWant: nor is there a script of the suite for which a
// wrong answer goes unnoticed. Some are only there for what they do.
func TestCasesSayWhatTheyWant(t *testing.T) {
	cases, err := spec.Cases()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 500 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		for i := range c.Steps {
			w := &c.Steps[i].Want
			if c.Steps[i].Source == "" || w.Code == "" && w.Type == nil {
				continue
			}
			only := c
			only.Steps = c.Steps[:i+1]
			if err := spec.RunCase(t.Context(), &only, liar{model.NewRunner(), c.Steps[i].Source}); err == nil && (w.Type == nil || *w.Type != script.TypeExtended) {
				t.Errorf("%s:%d is satisfied with a wrong answer", c.File, c.Steps[i].Line)
			}
		}
	}
}
