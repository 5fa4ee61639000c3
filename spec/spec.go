package spec

import (
	"embed"
	"testing"
)

//go:embed *.txtar
var files embed.FS

// Cases returns the whole suite: the files, and the cases about limits that
// are too long to be written down.
func Cases() ([]Case, error) {
	cases, err := ParseDir(files)
	if err != nil {
		return nil, err
	}
	return append(cases, limitCases()...), nil
}

// RunAll runs the suite: one subtest for a file, in it one for each case, on a
// store of its own from newRunner, which may register t.Cleanup.
func RunAll(t *testing.T, newRunner func(t *testing.T) Runner) {
	t.Helper()
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	Run(t, cases, newRunner)
}

// Run runs cases as RunAll does.
func Run(t *testing.T, cases []Case, newRunner func(t *testing.T) Runner) {
	t.Helper()
	for len(cases) > 0 {
		n := 1
		for n < len(cases) && cases[n].File == cases[0].File {
			n++
		}
		file := cases[:n]
		cases = cases[n:]
		t.Run(file[0].File, func(t *testing.T) {
			for i := range file {
				c := &file[i]
				t.Run(c.Name, func(t *testing.T) {
					if err := RunCase(t.Context(), c, newRunner(t)); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}
