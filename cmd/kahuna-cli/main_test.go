package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kahuna"
)

// TestMain makes the test binary the command when it is called by its name,
// and one that acknowledges writes without a disk when it is called forgetful.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kahuna-cli": main, "forgetful": func() {
		c := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: make(chan os.Signal),
			open: func(_ string, o *kahuna.Options) (*kahuna.DB, error) { return kahuna.OpenMemory(o) }}
		os.Exit(c.main(context.Background(), os.Args[1:]))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs(filepath.Join("..", ".."))
			env.Setenv("ROOT", root)
			return err
		},
	})
}

// build builds the real command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "kahuna-cli")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
