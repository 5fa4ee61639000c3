package kahuna_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers lists the packages from the top down: a package may import only what
// stands below it. Packages on one line do not import each other.
var layers = [][]string{
	{"kahuna/cmd/kahuna-cli", "kahuna/cmd/kahuna-bench"},
	{"kahuna"},
	{"kahuna/internal/node"},
	{"kahuna/internal/txn"},
	{"kahuna/internal/partition"},
	{"kahuna/internal/replica", "kahuna/internal/raftlog", "kahuna/internal/store"},
	{"kahuna/internal/kv"},
	{"kahuna/internal/hlc"},
	// Beside the engine: what tests and tools share.
	{"kahuna/internal/model"},
	{"kahuna/examples"},
	{"kahuna/spec"},
	{"kahuna/internal/console"},
	{"kahuna/script"},
	{"kahuna/script/check"},
	{"kahuna/script/syntax"},
}

// TestLayers fails on an import that points upwards.
func TestLayers(t *testing.T) {
	level := map[string]int{}
	for i, row := range layers {
		for _, p := range row {
			level[p] = i
		}
	}
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		pkg := "kahuna"
		if dir := filepath.ToSlash(filepath.Dir(path)); dir != "." {
			pkg += "/" + dir
		}
		from, known := level[pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the layers", path, pkg)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if name != "kahuna" && !strings.HasPrefix(name, "kahuna/") {
				continue
			}
			if to, ok := level[name]; !ok || to <= from {
				t.Errorf("%s: %s imports %s, which is not below it", path, pkg, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}
