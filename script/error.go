package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kahuna/script/syntax"
)

// Code is the stable class of an error (docs/language.md, "Errors").
type Code = syntax.Code

// The codes.
const (
	CodeSyntax            = syntax.CodeSyntax
	CodeUnknownFunction   = syntax.CodeUnknownFunction
	CodeArity             = syntax.CodeArity
	CodeUndefinedVariable = syntax.CodeUndefinedVariable
	CodeBadKey            = syntax.CodeBadKey
	CodeBadOption         = syntax.CodeBadOption
	CodeReadOnly          = syntax.CodeReadOnly
	CodeLimit             = syntax.CodeLimit
	CodeRange             = syntax.CodeRange

	CodeMissingParameter Code = "missing_parameter"
	CodeBadParameter     Code = "bad_parameter"
	CodeType             Code = "type"
	CodeDivisionByZero   Code = "division_by_zero"
	CodeState            Code = "state"
	CodeHistory          Code = "history"
	CodeThrow            Code = "throw"
	CodeRollback         Code = "rollback"
	CodeTimeout          Code = "timeout"
	CodeConflict         Code = "conflict"
	CodeDeadlock         Code = "deadlock"
	CodeRetry            Code = "retry"
	CodeAdmission        Code = "admission"
	CodeBadRequest       Code = "bad_request"
	CodeOutcomeUnknown   Code = "outcome_unknown"

	// The codes below come from an engine, not from the language.
	CodeCanceled Code = "canceled" // the caller's context ended
	CodeClosed   Code = "closed"   // the store is closed
	CodeStorage  Code = "storage"  // the disk failed
	CodeCorrupt  Code = "corrupt"  // the files are damaged
	CodeOpen     Code = "open"     // the store could not be opened
)

// Error is the error of a script, of its compilation, and of every other
// operation of a store. It is the one public error type: package kahuna
// exports it under its own name.
type Error struct {
	Code Code
	// Outcome says whether what was asked for is in the store.
	Outcome Outcome
	// UserCode is the application's own code of a throw or assert, else empty.
	UserCode string
	// Message is one line without a position; Hint says what to do instead.
	Message string
	Hint    string
	// Line and Column count from 1; 0 without a position.
	Line, Column int
	// Source is the text of that line, without its line end.
	Source string
	// Op and Key name the operation ("run", "set", "open", ...) and its key
	// where there is one.
	Op  string
	Key string
	// Retry says that sending the request again, unchanged, is safe and
	// useful.
	Retry bool
	// Diagnostics lists every finding, in source order, when a script does
	// not compile. The first error among them is this Error.
	Diagnostics []syntax.Diagnostic
	// Warnings are the remarks on the script, as a Result has them: a failure
	// does not make them go away.
	Warnings []Warning
	// Err is the cause outside Kahuna, or nil.
	Err error
}

// Text returns the message with its hint: "message; hint".
func (e *Error) Text() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

// Reason returns the reason text: "<text> at line L, column C", for a throw
// "<text> at line L", without a position the text alone.
//
// A time-out, a cancellation and the end of a transaction have no position:
// they are no fault of the statement they struck, which is another one each
// time, and the language fixes their reason to the letter ("transaction timed
// out after 5000 ms"), which a position would make longer.
func (e *Error) Reason() string {
	switch {
	case e.Line == 0:
		return e.Text()
	case e.Code == CodeThrow:
		return fmt.Sprintf("%s at line %d", e.Text(), e.Line)
	}
	return fmt.Sprintf("%s at line %d, column %d", e.Text(), e.Line, e.Column)
}

// Error returns the reason, after operation and key where they are known.
func (e *Error) Error() string {
	switch {
	case e.Op != "" && e.Key != "":
		return fmt.Sprintf("%s %s: %s", e.Op, printable(e.Key), e.Reason())
	case e.Op != "" && e.Op != "run":
		return e.Op + ": " + e.Reason()
	}
	return e.Reason()
}

// printable returns a key as it is, or quoted when it would not print in a line.
func printable(key string) string {
	if utf8.ValidString(key) && !strings.ContainsFunc(key, unicode.IsControl) {
		return key
	}
	return strconv.Quote(key)
}

// Detail returns the error with its source line and a caret, over several
// lines and without a final line end; without a position just the text:
//
//	error: cannot apply '+' to string "abc" and int64
//	  3 | let label = name + 1
//	    |                  ^
func (e *Error) Detail() string {
	return Frame("error: "+e.Text(), e.Source, e.Line, e.Column)
}

// Type returns the result type of the error (docs/language.md, "Errors").
func (e *Error) Type() Type {
	switch e.Code {
	case CodeRollback, CodeTimeout, CodeConflict, CodeDeadlock, CodeReadOnly, CodeCanceled:
		return TypeAborted
	case CodeRetry, CodeClosed:
		return TypeMustRetry
	case CodeAdmission:
		return TypeAdmissionRefused
	case CodeBadRequest:
		return TypeInvalidInput
	}
	return TypeErrored
}

// Unwrap returns the cause, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code. A target without a
// message stands for its whole class: errors.Is(err, &Error{Code: CodeThrow}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// errf makes an error without a position.
func errf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// limitf makes the error of a bound exceeded, which names the setting: a field
// of Limits.
func limitf(setting, format string, args ...any) *Error {
	return errf(CodeLimit, format, args...).hinted(limitHint(setting))
}

func limitHint(setting string) string { return "the limit is Limits." + setting }

// hinted returns e with a hint.
func (e *Error) hinted(hint string) *Error {
	e.Hint = hint
	return e
}

// ErrSlowPath is returned by Run when the script can not go on where it runs:
// it wants to sleep, or has used up the step budget it was given. Nothing
// happened; the engine runs the script again in a transaction that can wait.
var ErrSlowPath = errors.New("script: needs the slow path")
