package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	// tags matches PART-1, TestInvariantPART5, REP-1 to REP-6, STORE-1, 2 and 4.
	tags     = regexp.MustCompile(`\b(?:Test\w*?)?(PART|IDEM|LOCK|ADM|LOG|STORE|BACKUP|REP|SNAP|SYN|CHECK|SCRIPT|VALUE|OUT|CON|SRV|REST|CLIENT|WIRE|GRPC)(-?)(\d)\b(?:((?:, \d)*) and (\d)\b| to (?:[A-Z]+-)?(\d)\b)?`)
	tagRow   = regexp.MustCompile(`^\| ([A-Z]+-\d) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$`)
	quoted   = regexp.MustCompile("`([A-Za-z]\\w*)`")
	goFile   = regexp.MustCompile(`[\w/]+\.go`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
)

// tagsIn returns the invariants that a text names.
func tagsIn(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range tags.FindAllStringSubmatch(text, -1) {
		if m[2] == "" && !strings.HasPrefix(m[0], "Test") {
			continue
		}
		family, first := m[1], m[3]
		found[family+"-"+first] = true
		for _, n := range regexp.MustCompile(`\d`).FindAllString(m[4]+m[5], -1) {
			found[family+"-"+n] = true
		}
		if m[6] != "" {
			from, _ := strconv.Atoi(first)
			to, _ := strconv.Atoi(m[6])
			for n := from; n <= to; n++ {
				found[fmt.Sprint(family, "-", n)] = true
			}
		}
	}
	return found
}

func TestTagsIn(t *testing.T) {
	for text, want := range map[string]string{
		"Invariant PART-1: x":         "PART-1",
		"func TestInvariantSTORE2(t":  "STORE-2",
		"Invariants REP-1 to REP-3.":  "REP-1 REP-2 REP-3",
		"holds STORE-1, 2 and 4:":     "STORE-1 STORE-2 STORE-4",
		"(LOCK-1 and LOCK-3)":         "LOCK-1 LOCK-3",
		"in UTF-8, PART 1 and STORE2": "",
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(tagsIn(text))), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestInvariants holds docs/invariants.md to the code.
func TestInvariants(t *testing.T) {
	inCode, inTests, tests := map[string]bool{}, map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path == filepath.Join("..", "docs"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		into := inCode
		if strings.HasSuffix(path, "_test.go") {
			into = inTests
			for _, m := range testFunc.FindAllSubmatch(data, -1) {
				tests[string(m[1])] = true
			}
		}
		maps.Copy(into, tagsIn(string(data)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	listed := map[string]bool{}
	for _, line := range strings.Split(read(t, "invariants.md"), "\n") {
		m := tagRow.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| tag ") && !strings.HasPrefix(line, "| ---") {
				t.Errorf("a row of another form: %s", line)
			}
			continue
		}
		tag, keptBy, fails := m[1], m[2], m[3]
		if listed[tag] {
			t.Errorf("%s stands there twice", tag)
		}
		listed[tag] = true
		if !inCode[tag] {
			t.Errorf("%s is not in the code", tag)
		}
		checkPlaces(t, tag, keptBy)
		named := 0
		for _, q := range quoted.FindAllStringSubmatch(fails, -1) {
			if strings.HasPrefix(q[1], "Test") || strings.HasPrefix(q[1], "Fuzz") {
				if named++; !tests[q[1]] {
					t.Errorf("%s: there is no test %s", tag, q[1])
				}
			}
		}
		if named == 0 {
			t.Errorf("%s names no test", tag)
		}
	}
	for tag := range inCode {
		if !listed[tag] {
			t.Errorf("%s is in the code, not on the page", tag)
		}
	}
	for tag := range inTests {
		if !listed[tag] {
			t.Errorf("%s is in a test, not on the page", tag)
		}
	}
}

// checkPlaces checks that files exist and have the functions named before them.
func checkPlaces(t *testing.T, tag, text string) {
	t.Helper()
	for _, part := range strings.Split(text, ";") {
		files := goFile.FindAllString(part, -1)
		if len(files) == 0 {
			t.Errorf("%s: %q names no file", tag, part)
		}
		all := ""
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(f)))
			if err != nil {
				t.Errorf("%s: %v", tag, err)
			}
			all += string(data)
		}
		for _, q := range quoted.FindAllStringSubmatch(part, -1) {
			if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + q[1] + `[\[(]`).MatchString(all) {
				t.Errorf("%s: there is no function %s in %v", tag, q[1], files)
			}
		}
	}
}
