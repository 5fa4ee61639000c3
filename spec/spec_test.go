package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"kahuna/internal/model"
	"kahuna/spec"
)

func newModel(*testing.T) spec.Runner { return model.NewRunner() }

func TestModel(t *testing.T) { spec.RunAll(t, newModel) }

// The examples that came with the language specification, when it is there.
func TestExamples(t *testing.T) {
	name := filepath.Join("..", "..", "shared", "spec", "examples.txt")
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		t.Logf("%s is not there", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	cases, err := spec.ParseExamples(filepath.Base(name), string(text))
	if err != nil {
		t.Fatal(err)
	}
	spec.Run(t, cases, newModel)
}
