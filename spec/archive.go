package spec

import "strings"

// member is one file of an archive in the txtar format: a line "-- name --",
// then its lines.
type member struct {
	name  string
	line  int // of the marker, from 1
	lines []string
}

// split cuts an archive into its members. Text before the first marker is a
// comment. Unlike the library's, members know their line numbers.
func split(text string) []member {
	text = strings.TrimSuffix(text, "\n")
	var members []member
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if name, ok := marker(line); ok {
			members = append(members, member{name: name, line: i + 1})
		} else if n := len(members); n > 0 {
			members[n-1].lines = append(members[n-1].lines, line)
		}
	}
	return members
}

func marker(line string) (name string, ok bool) {
	name, ok = strings.CutPrefix(line, "-- ")
	if ok {
		name, ok = strings.CutSuffix(name, " --")
	}
	name = strings.TrimSpace(name)
	return name, ok && name != ""
}
