package spec_test

import (
	"context"
	"path/filepath"
	"testing"

	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

func newModel(*testing.T) spec.Runner { return model.NewRunner() }

func TestModel(t *testing.T) { spec.RunAll(t, newModel) }

func examples(t *testing.T) []spec.Case { return spec.Examples(t, filepath.Join("..", "..", "shared")) }

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
