package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kahuna"
	"kahuna/internal/server/rest"
)

// TestScriptsOverServer runs scripts of testdata, which say --embedded db, on a
// server instead: they print the same.
func TestScriptsOverServer(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"as-printed", "run", "json", "json_shapes", "batch", "params", "keys"} {
		data, err := os.ReadFile(filepath.Join("testdata", "script", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		// What comes behind is about directories.
		data, _, _ = bytes.Cut(data, []byte("# Statistics.\n"))
		text := strings.ReplaceAll(string(data), "--embedded db", "-c $SERVER")
		if text == string(data) {
			t.Errorf("%s does not say --embedded db", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				return err
			}
			db, err := kahuna.OpenMemory(nil)
			if err != nil {
				return err
			}
			h := rest.New(db, rest.Options{})
			s := httptest.NewUnstartedServer(h)
			s.Config.Handler = withHealth(h)
			s.Start()
			env.Setenv("ROOT", root)
			env.Setenv("SERVER", s.URL)
			env.Defer(func() {
				s.Close()
				h.Close()
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "fill": fill},
	})
}

// withHealth answers /readyz, too.
func withHealth(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			h.ServeHTTP(w, r)
		}
	})
}
