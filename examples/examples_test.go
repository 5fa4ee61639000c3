package examples_test

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"kahuna"
	"kahuna/examples"
	"kahuna/internal/answer"
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

func TestOnTheModel(t *testing.T) {
	spec.Run(t, cases(t), func(*testing.T) spec.Runner { return model.NewRunner() })
}

// embedded runs the scripts as a program that embeds a store does.
type embedded struct{ db *kahuna.DB }

func (e embedded) Run(ctx context.Context, req spec.Request) spec.Response {
	res, err := e.db.Run(ctx, req.Source, req.Params, &kahuna.RunOptions{IdempotencyKey: req.IdempotencyKey})
	return spec.Response{Result: answer.Result(res), Err: err}
}

func (e embedded) Wait(ctx context.Context, d time.Duration) error { return spec.WaitReal(ctx, d) }

func TestEmbedded(t *testing.T) {
	spec.Run(t, cases(t), func(t *testing.T) spec.Runner {
		db, err := kahuna.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return embedded{db}
	})
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
	for _, param := range p.Parameters() {
		if !strings.Contains(text, "#   @"+param) {
			t.Errorf("%s does not describe @%s", name, param)
		}
	}
}
