package kahuna_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers lists the packages from the top down: a package may import only what
// stands below it. Packages on one line do not import each other.
var layers = [][]string{
	{"kahuna/cmd/kahuna-cli", "kahuna/cmd/kahuna-bench", "kahuna/cmd/kahuna-server"},
	{"kahuna/internal/server", "kahuna/client"},
	{"kahuna/internal/server/rest", "kahuna/internal/server/resp", "kahuna/internal/server/grpcapi", "kahuna/internal/server/origrest"}, // a front end each
	{"kahuna/internal/server/wire"},
	{"kahuna/internal/restwire", "kahuna/internal/wirepb"},
	{"kahuna/docs"},
	{"kahuna/internal/answer"}, // for tools and tests
	{"kahuna"},
	{"kahuna/internal/node"},
	{"kahuna/internal/txn"},
	{"kahuna/internal/partition", "kahuna/internal/admission"},
	{"kahuna/internal/replica", "kahuna/internal/raftlog", "kahuna/internal/store", "kahuna/internal/backup"},
	{"kahuna/internal/kv", "kahuna/internal/keyorder", "kahuna/internal/shadow"},
	{"kahuna/internal/hlc"},
	// Beside the engine: what tests and tools share.
	{"kahuna/internal/model", "kahuna/internal/listappend", "kahuna/internal/register"},
	{"kahuna/internal/history"},
	{"kahuna/examples"},
	{"kahuna/spec"},
	{"kahuna/internal/console"},
	{"kahuna/script"},
	{"kahuna/script/check"},
	{"kahuna/script/syntax"},
	{"kahuna/internal/seed"}, // for tests only
}

// engine is what is linked into every program with a store in it, which the
// network is no part of.
var (
	engine  = []string{"kahuna", "kahuna/internal", "kahuna/script"}
	network = []string{"kahuna/internal/server", "kahuna/internal/restwire", "kahuna/internal/wirepb", "kahuna/client"}
)

// beside may be imported by tests, by each other and by commands, but not by
// what becomes part of a program with a store in it.
var beside = []string{"kahuna/docs", "kahuna/internal/model", "kahuna/examples", "kahuna/spec", "kahuna/internal/console", "kahuna/internal/answer",
	"kahuna/internal/history", "kahuna/internal/listappend", "kahuna/internal/register", "kahuna/internal/seed"}

// forbidden lists, for packages and all below them, what they may not import:
// packages, by prefix of their path.
var forbidden = []struct {
	in   []string
	what []string
	why  string
}{
	{[]string{"kahuna/script"}, []string{"kahuna/internal", "github.com/cockroachdb", "github.com/tidwall", "go.etcd.io/", "os", "net", "log"},
		"the language knows nothing of an engine, and does no I/O"},
	{[]string{"kahuna/internal/partition", "kahuna/internal/replica", "kahuna/internal/kv", "kahuna/internal/hlc",
		"kahuna/internal/keyorder"},
		[]string{"time", "os", "net", "math/rand$", "crypto/rand", "github.com/cockroachdb/pebble"},
		"what decides is pure: it reads no clock and does no I/O"},
	{[]string{"kahuna/internal/txn", "kahuna/internal/admission"}, []string{"os", "net", "github.com/", "go.etcd.io/"},
		"paths know nothing of disks and networks"},
	{[]string{"kahuna/internal/model"}, []string{"kahuna/internal/store", "kahuna/internal/partition", "kahuna/internal/kv", "github.com/"},
		"the oracle shares no code with the engine"},
	{[]string{"kahuna/internal/history", "kahuna/internal/listappend", "kahuna/internal/register"},
		[]string{"kahuna/script", "kahuna/internal/store", "kahuna/internal/partition", "kahuna/internal/kv", "kahuna/internal/txn", "os", "net"},
		"checkers judge what they are told, and know nothing of the engine"},
	{engine, []string{"net", "flag", "log$", "unsafe", "C", "plugin"}, "no part of a store needs it"},
}

// source is a Go file of the module that is no test.
type source struct {
	path, pkg string
	file      *ast.File
	set       *token.FileSet
	imports   []string
}

func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		s := source{path: path, pkg: "kahuna", set: token.NewFileSet()}
		if dir := filepath.ToSlash(filepath.Dir(path)); dir != "." {
			s.pkg += "/" + dir
		}
		if s.file, err = parser.ParseFile(s.set, path, nil, 0); err != nil {
			return err
		}
		for _, spec := range s.file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 50 {
		t.Fatalf("only %d files were found", len(found))
	}
	return found
}

// TestLayers fails on an import that points upwards.
func TestLayers(t *testing.T) {
	level := map[string]int{}
	for i, row := range layers {
		for _, p := range row {
			level[p] = i
		}
	}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.pkg] = true
		from, known := level[s.pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the layers", s.path, s.pkg)
			continue
		}
		for _, name := range s.imports {
			if name != "kahuna" && !strings.HasPrefix(name, "kahuna/") {
				continue
			}
			if to, ok := level[name]; !ok || to <= from {
				t.Errorf("%s: %s imports %s, which is not below it", s.path, s.pkg, name)
			}
			if slices.Contains(beside, name) && !slices.Contains(beside, s.pkg) && !within(s.pkg, "kahuna/cmd") {
				t.Errorf("%s: %s imports %s, which is for tests and tools", s.path, s.pkg, name)
			}
		}
	}
	for p := range level {
		if !seen[p] {
			t.Errorf("the layers have a package %s that does not exist", p)
		}
	}
}

// TestForbiddenImports keeps the language free of the engine, and what decides
// free of clocks and I/O.
func TestForbiddenImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.pkg == "kahuna/internal/seed" { // sets a flag of tests
			continue
		}
		if slices.ContainsFunc(network, func(dir string) bool { return within(s.pkg, dir) }) {
			continue
		}
		for _, rule := range forbidden {
			if !slices.ContainsFunc(rule.in, func(dir string) bool { return within(s.pkg, dir) }) {
				continue
			}
			for _, name := range s.imports {
				if slices.ContainsFunc(rule.what, func(w string) bool { return matches(name, w) }) {
					t.Errorf("%s imports %s: %s", s.path, name, rule.why)
				}
			}
		}
	}
}

// within reports whether the package pkg is dir or below it. Below the root is
// only the root.
func within(pkg, dir string) bool {
	return pkg == dir || dir != "kahuna" && strings.HasPrefix(pkg, dir+"/")
}

// matches reports whether an import is the one named, or below it; a name that
// ends in $ stands for nothing below.
func matches(name, rule string) bool {
	if exact, ok := strings.CutSuffix(rule, "$"); ok {
		return name == exact
	}
	return within(name, strings.TrimSuffix(rule, "/"))
}

// TestOnlyCommandsExit: a library never ends the process it is in, and prints
// nothing.
func TestOnlyCommandsExit(t *testing.T) {
	ends := map[string]bool{
		"os.Exit": true, "log.Fatal": true, "log.Fatalf": true, "log.Fatalln": true, "log.Panic": true, "runtime.Goexit": true,
		"syscall.Exit": true, "os.Stdout": true, "os.Stderr": true, "fmt.Print": true, "fmt.Println": true, "fmt.Printf": true,
		"slog.SetDefault": true, "slog.Default": true,
	}
	for _, s := range sources(t) {
		if within(s.pkg, "kahuna/cmd") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && ends[x.Name+"."+sel.Sel.Name] {
				t.Errorf("%s: %s.%s belongs in a command", s.set.Position(n.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestAPIShowsItself: go doc shows all of a type. No exported type of the
// package is an alias, and no exported struct has an embedded type whose
// methods and fields a reader would have to look for.
func TestAPIShowsItself(t *testing.T) {
	types := 0
	for _, s := range sources(t) {
		if s.pkg != "kahuna" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			types++
			if spec.Assign.IsValid() {
				t.Errorf("%s is an alias", spec.Name)
			}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					if len(f.Names) == 0 {
						t.Errorf("%s embeds another type", spec.Name)
					}
				}
			}
			return true
		})
	}
	if types < 20 {
		t.Errorf("only %d types were found", types)
	}
}

// TestCodesAgree: the codes of the package are those of the language and of the
// engine, by name and text.
func TestCodesAgree(t *testing.T) {
	public, inner := map[string]string{}, map[string]string{}
	for _, s := range sources(t) {
		found := inner
		switch s.pkg {
		case "kahuna":
			found = public
		case "kahuna/script", "kahuna/script/syntax", "kahuna/internal/node":
		default:
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if ok && len(v.Names) == 1 && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Code") {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok {
					found[v.Names[0].Name] = lit.Value
				}
			}
			return true
		})
	}
	if len(public) < 25 || !maps.Equal(public, inner) {
		t.Errorf("%v\nof the package, but\n%v\nof what it is made of", public, inner)
	}
}
