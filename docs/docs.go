// Package docs holds the documentation. The shell's help reads the tables of the
// language reference, so that there is one of each.
package docs

import _ "embed"

// Language is the language reference, in Markdown.
//
//go:embed language.md
var Language string
