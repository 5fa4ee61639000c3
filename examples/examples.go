// Package examples holds scripts to copy, and what they do as cases of the
// conformance suite's format: recipes beside this file, and under as-printed
// the scripts of the page that this project began from. See README.md.
package examples

import (
	"embed"
	"io/fs"

	"kahuna/spec"
)

//go:embed *.kh *.txtar as-printed
var files embed.FS

// FS returns the scripts, *.kh and as-printed/*.kh.
func FS() fs.FS { return files }

// Cases returns what the scripts do, for spec.Run.
func Cases() ([]spec.Case, error) {
	cases, err := spec.ParseDir(files)
	if err != nil {
		return nil, err
	}
	printed, err := fs.Sub(files, "as-printed")
	if err != nil {
		return nil, err
	}
	more, err := spec.ParseDir(printed)
	if err != nil {
		return nil, err
	}
	return append(cases, more...), nil
}
