package main

import (
	"regexp"
	"strings"
	"sync"

	"kahuna/docs"
	"kahuna/script/check"
	"kahuna/script/syntax"
)

const help = `A script is one or more statements. It runs at the end of the line that makes it
complete; what is pasted is one script. What is open goes on, whatever empty
lines it holds: a string to its quote, a bracket, a block (if, for, begin...) to
its end. Ctrl-C drops what was typed, or stops a running script. Ctrl-R searches
the history, Tab completes, Ctrl-D on an empty line leaves.

  set greeting "hello"            get greeting
  let n = to_int(get n) + 1; set n n

Commands of the shell:
`

// helpText is what help shows.
func helpText() string {
	var b strings.Builder
	b.WriteString(help)
	for _, l := range locals {
		b.WriteString("  " + l.usage + strings.Repeat(" ", max(1, 26-len(l.usage))) + l.what + "\n")
	}
	return b.String()
}

// helpOn is what help NAME shows of a command of the shell, a function or a
// keyword, "" when there is none of that name. Of functions it shows the row of
// the language reference, of keywords the section that is about them.
func helpOn(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "()"))
	for _, l := range locals {
		if l.name == name {
			return l.usage + "\n  " + l.what + "\n"
		}
	}
	var shown string
	if title, ok := keywordSections[name]; ok {
		shown = section(title)
	}
	if row := functionRows()[name]; row.usage != "" {
		shown = row.usage + "\n  " + row.what + "\n" + shown
	}
	return shown
}

// helpNames are the names that help knows.
func helpNames() (names []string) {
	for _, l := range locals {
		names = append(names, l.name)
	}
	return append(append(names, syntax.Keywords()...), check.FunctionNames()...)
}

// keywordSections names the section of the language reference that is about a
// keyword.
var keywordSections = func() map[string]string {
	m := map[string]string{}
	for title, words := range map[string]string{
		"set":                  "set eset nx xx cmp cmprev norev ex keepttl",
		"get and exists":       "get eget exists eexists",
		"delete":               "delete del edelete edel",
		"Expiry and extend":    "extend eextend",
		"Buckets and prefixes": "by bucket prefix scan escan count ecount limit after desc",
		"History":              "at as of",
		"Variables":            "let",
		"Operators":            "not",
		"Guards":               "found deleted extended",
		"Values and types":     "true false null",
		"Control flow":         "if then else elif elseif end for in do while break continue switch case default",
		"Ending a script":      "return throw assert sleep",
		"Transactions":         "begin commit rollback",
	} {
		for _, word := range strings.Fields(words) {
			m[word] = title
		}
	}
	return m
}()

// section is the text of a section of the language reference.
func section(title string) string {
	_, text, found := strings.Cut(docs.Language, "\n## "+title+"\n")
	if !found {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return plainText(strings.TrimSpace(text)) + "\n"
}

type functionRow struct{ usage, what string }

var (
	tableRow = regexp.MustCompile("(?m)^\\| (`[a-z_0-9]+\\([^|]*) \\| (.*) \\|$")
	called   = regexp.MustCompile("`([a-z_0-9]+)\\(")
)

// functionRows are the rows of the tables of functions in the language reference,
// by the names of the functions.
var functionRows = sync.OnceValue(func() map[string]functionRow {
	rows := map[string]functionRow{}
	for _, m := range tableRow.FindAllStringSubmatch(docs.Language, -1) {
		for _, name := range called.FindAllStringSubmatch(m[1], -1) {
			if _, twice := rows[name[1]]; !twice {
				rows[name[1]] = functionRow{plainText(m[1]), plainText(m[2])}
			}
		}
	}
	return rows
})

var (
	link  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	fence = regexp.MustCompile("(?m)^```.*\n?")
	marks = strings.NewReplacer("`", "", "**", "", `\|`, "|")
)

// plainText is Markdown as it is read on a terminal. Examples stay as they are.
func plainText(text string) string {
	var b strings.Builder
	for i, part := range fence.Split(text, -1) {
		if i%2 == 0 { // outside of an example
			part = marks.Replace(link.ReplaceAllString(part, "$1"))
		}
		b.WriteString(part)
	}
	return b.String()
}

// signature is how a function is called.
func signature(name string) string {
	usage := functionRows()[name].usage
	if at := strings.Index(usage, name+"("); at >= 0 {
		if end := strings.IndexByte(usage[at:], ')'); end >= 0 {
			return usage[at : at+end+1]
		}
	}
	return ""
}
