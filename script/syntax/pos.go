package syntax

import "fmt"

// Pos is a place in a script's source. Offset is the byte offset, counted
// from 0 after a skipped byte order mark; Line and Column count from 1, a
// column in Unicode code points (a tab counts as one). The zero Pos means
// "no position".
type Pos struct {
	Offset int32
	Line   int32
	Column int32
}

// IsValid reports whether p is a place in a source.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns "line L, column C".
func (p Pos) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// Code is the stable class of a diagnostic or run-time error, as in
// docs/language.md, "Errors".
type Code string

// The codes found before a script runs. The run-time codes stand in package
// script.
const (
	CodeSyntax            Code = "syntax"
	CodeUnknownFunction   Code = "unknown_function"
	CodeArity             Code = "arity"
	CodeUndefinedVariable Code = "undefined_variable"
	CodeBadKey            Code = "bad_key"
	CodeBadOption         Code = "bad_option"
	CodeReadOnly          Code = "read_only"
	CodeLimit             Code = "limit"
	CodeRange             Code = "range" // of a literal
)

// Severity tells an error, which stops a script from running, from a warning,
// which never does.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

// Diagnostic is one finding about a script's source.
type Diagnostic struct {
	Severity Severity
	Code     Code // empty for warnings
	Pos      Pos  // where the caret goes
	// Message is one line without position. A syntax error's message begins
	// "Syntax error: ".
	Message string
	// Hint, when not empty, says what to write instead ("did you mean
	// 'upper'?"). It is shown after the message and a semicolon.
	Hint string
}

// Text returns the message with its hint: "message; hint".
func (d Diagnostic) Text() string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + "; " + d.Hint
}
