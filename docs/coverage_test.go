package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"kahuna"
	"kahuna/script/check"
	"kahuna/script/syntax"
)

// TestLanguageIsComplete looks for everything that the language has in its
// reference.
func TestLanguageIsComplete(t *testing.T) {
	text := read(t, "language.md")
	missing := func(what, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("language.md lacks the %s %s", what, want)
		}
	}
	for id := range check.NumFunctions {
		for _, name := range id.Aliases() {
			if !regexp.MustCompile("`" + name + "[`(]").MatchString(text) {
				t.Errorf("language.md lacks the function %s", name)
			}
		}
	}
	for _, word := range syntax.Keywords() {
		missing("keyword", "`"+word+"`")
	}
	names := regexp.MustCompile(`(?s)optionNames = \[\]string{(.*?)}`).FindStringSubmatch(read(t, "../script/check/options.go"))
	if names == nil {
		t.Fatal("the names of the options were not found")
	}
	for _, m := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(names[1], -1) {
		if !strings.Contains(text, "| `"+m[1]+"` |") {
			missing("option", "`"+m[1]+"=")
		}
	}
	for _, code := range codes(t) {
		missing("code", "`"+code+"`")
	}
	limits := reflect.TypeOf(kahuna.Limits{})
	for i := range limits.NumField() {
		missing("limit", "| `"+limits.Field(i).Name+"` |")
	}
}

// TestLimitsAreTrue compares the defaults that the pages state with those of
// the code.
func TestLimitsAreTrue(t *testing.T) {
	text := read(t, "language.md")
	limits := reflect.ValueOf(kahuna.DefaultLimits())
	for i := range limits.NumField() {
		name := limits.Type().Field(i).Name
		m := regexp.MustCompile("(?m)^\\| `" + name + `\x60 \| ([\d,]+)( KiB| MiB| s)? \|`).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("no default of %s", name)
			continue
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
		if err != nil {
			t.Error(err)
		}
		n *= map[string]int64{"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " s": int64(time.Second)}[m[2]]
		if got := limits.Field(i).Int(); got != n {
			t.Errorf("%s is %d, the page says %d", name, got, n)
		}
	}
}

// TestOptionsAreListed looks for every option of a store, and of a transaction,
// in operations.md.
func TestOptionsAreListed(t *testing.T) {
	text := read(t, "operations.md")
	for _, options := range []reflect.Type{reflect.TypeFor[kahuna.Options](), reflect.TypeFor[kahuna.TxOptions]()} {
		for i := range options.NumField() {
			if f := options.Field(i); f.IsExported() && !strings.Contains(text, "| `"+f.Name+"` |") {
				t.Errorf("operations.md lacks the option %s of %s", f.Name, options)
			}
		}
	}
}

// TestEveryCodeHasAnExample: the codes that a script can bring about alone
// stand in bold, with an example that a test runs below them.
func TestEveryCodeHasAnExample(t *testing.T) {
	text := read(t, "language.md")
	for _, code := range codes(t) {
		if regexp.MustCompile("(?m)^\\| (`\\w+`, )*`" + code + "`").MatchString(text) {
			continue // from the store: in the table
		}
		if !regexp.MustCompile("(?m)^(\\*\\*`\\w+`\\*\\*, )*\\*\\*`" + code + "`\\*\\*").MatchString(text) {
			t.Errorf("language.md has no example of %s", code)
		}
	}
}

// codes returns the error codes as the code declares them.
func codes(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{"../script", "../script/syntax"} {
		files, err := filepath.Glob(filepath.FromSlash(dir) + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				v, ok := n.(*ast.ValueSpec)
				if !ok || len(v.Names) != 1 || len(v.Values) != 1 || fmt.Sprint(v.Type) != "Code" {
					return true
				}
				if lit, ok := v.Values[0].(*ast.BasicLit); ok {
					code, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					found = append(found, code)
				}
				return true
			})
		}
	}
	if len(found) < 25 {
		t.Fatalf("only %d codes were found", len(found))
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^)]+)\)`)

// TestLinks follows the links between the pages, and to files.
func TestLinks(t *testing.T) {
	for _, name := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, name)), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := name
			if target != "" {
				path = filepath.Join(filepath.Dir(name), filepath.FromSlash(target))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if anchor != "" && !anchors(read(t, path))[anchor] {
				t.Errorf("%s: %s has no heading #%s", name, path, anchor)
			}
		}
	}
}

// prose returns a page without its blocks.
func prose(text string) string {
	var out []string
	inside := false
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if !inside {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// anchors returns the anchors of a page's headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, line := range strings.Split(prose(text), "\n") {
		if strings.HasPrefix(line, "#") {
			h := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			h = regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(h, "")
			found[strings.ReplaceAll(h, " ", "-")] = true
		}
	}
	return found
}

var cited = regexp.MustCompile(`docs/language\.md,[\s/]+"([^"]+)"(?: and "([^"]+)")?`)

// TestCitations: what Go comments name as a part of the language page is a
// heading of it.
func TestCitations(t *testing.T) {
	headings := anchors(read(t, "language.md"))
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		for _, m := range cited.FindAllStringSubmatch(read(t, path), -1) {
			for _, name := range m[1:] {
				name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || unicode.IsSpace(r) }), "-")
				if name != "" && !headings[strings.ToLower(name)] {
					t.Errorf("%s: language.md has no heading %q", path, name)
				}
				found++
			}
		}
		return nil
	})
	if err != nil || found < 20 {
		t.Fatal(found, err)
	}
}
