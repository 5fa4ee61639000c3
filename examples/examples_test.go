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

// params reads parameters as "name=text name=text".
func params(t *testing.T, text string) map[string]any {
	t.Helper()
	params := map[string]any{}
	for _, field := range strings.Fields(text) {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			t.Fatalf("%q is no parameter", field)
		}
		params[name] = value
	}
	return params
}

// TestTokensOutliveHistory: the numbers of locks and elections go on growing
// when the keys are gone so long that their revisions begin again.
func TestTokensOutliveHistory(t *testing.T) {
	db, err := kahuna.OpenMemory(&kahuna.Options{HistoryAge: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	run := func(file, with string) []kahuna.Entry {
		t.Helper()
		text, err := fs.ReadFile(examples.FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		res, err := db.Run(ctx, string(text), params(t, with), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.Entries
	}
	token := func(node string) (lock, term string) {
		t.Helper()
		lock = run("lock-acquire.kh", "lock=lock/report ttl_ms=60000 owner="+node)[0].Value
		elected := run("election.kh", "election_key=election/db ttl_in_seconds=60 node="+node)
		if elected[0].Value != node {
			t.Fatalf("%s leads, not %s", elected[0].Value, node)
		}
		return lock, elected[1].Value
	}
	if lock, term := token("a"); lock != "1" || term != "1" {
		t.Fatalf("the first numbers are %s and %s", lock, term)
	}
	run("lock-release.kh", "lock=lock/report owner=a")
	if _, err := db.Delete(ctx, "election/db"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for db.Stats().Purged < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("not collected: %+v", db.Stats())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if lock, term := token("b"); lock != "2" || term != "2" {
		t.Errorf("the next numbers are %s and %s, want 2 and 2", lock, term)
	}
	for _, key := range []string{"lock/report", "election/db"} {
		if e, _, err := db.Get(ctx, key); err != nil || e.Revision != 0 {
			t.Errorf("%s has revision %d, %v: its history was not collected", key, e.Revision, err)
		}
	}
}
