package kahuna

import (
	"errors"
	"strings"

	"kahuna/internal/txn"
	"kahuna/script"
	"kahuna/script/syntax"
)

// Error is the error of every call. errors.Is compares it with the sentinels
// below by its code, errors.As gets the details.
type Error struct {
	// Code is the stable class of the error.
	Code Code
	// Outcome says whether what was asked for is in the store.
	Outcome Outcome
	// Message is one line without a position. Hint says what to do instead; it
	// may be empty.
	Message, Hint string
	// UserCode is the code that a script gave its own throw or assert.
	UserCode string
	// Line and Column are the place in the script, from 1, columns in characters;
	// 0 without a place. Source is the text of that line.
	Line, Column int
	Source       string
	// Op is the call that failed ("run", "set", "open", ...), Key the key it was
	// about; either may be empty.
	Op, Key string
	// Retry tells that sending the request again, unchanged, is safe and useful.
	Retry bool
	// Diagnostics are all findings, in the order of the source, when a script does
	// not compile. The Error is the first error among them.
	Diagnostics []Diagnostic
	// Warnings are the remarks on a script that compiled and then failed. They
	// must not be changed.
	Warnings []Warning
	// Err is the cause outside the store (a context that ended, a failed disk), or
	// nil.
	Err error
}

// Text returns the message with its hint: "message; hint".
func (e *Error) Text() string { return e.script().Text() }

// Reason returns Text with the place: "text at line 3, column 7".
func (e *Error) Reason() string { return e.script().Reason() }

// Error returns the Reason, after the operation and key where they are known.
func (e *Error) Error() string {
	if e.Message == "" { // a sentinel
		return "kahuna: " + strings.ReplaceAll(string(e.Code), "_", " ")
	}
	return e.script().Error()
}

// Detail returns the error with its source line and a caret below the place,
// over several lines and without a final line end; without a place, the text:
//
//	error: cannot apply '+' to string "abc" and int64
//	  3 | let label = name + 1
//	    |                  ^
func (e *Error) Detail() string { return e.script().Detail() }

// Type returns the result type that the error has on the wire.
func (e *Error) Type() Type { return Type(e.script().Type()) }

// Unwrap returns Err, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same Code; a target that has a
// Message, or a UserCode, must have the same one, too:
//
//	errors.Is(err, kahuna.ErrThrow)
//	errors.Is(err, &kahuna.Error{Code: kahuna.CodeThrow, UserCode: "sold-out"})
func (e *Error) Is(target error) bool {
	if t, ok := target.(*script.Error); ok {
		return e.script().Is(t)
	}
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message) &&
		(t.UserCode == "" || t.UserCode == e.UserCode)
}

// As sets target when it is a **script.Error, for tools of the language.
func (e *Error) As(target any) bool {
	t, ok := target.(**script.Error)
	if ok {
		*t = e.script()
	}
	return ok
}

// Diagnostic is one finding in the text of a script. Line and Column count from
// 1; columns are characters.
type Diagnostic struct {
	// Warning tells a remark from an error.
	Warning       bool
	Code          Code
	Line, Column  int
	Message, Hint string
}

// Text returns the message with its hint: "message; hint".
func (d Diagnostic) Text() string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + "; " + d.Hint
}

// Code is the stable class of an error.
type Code string

// The codes of a script that is wrong: nothing of it ran.
const (
	CodeSyntax            Code = "syntax"
	CodeUnknownFunction   Code = "unknown_function"
	CodeArity             Code = "arity"
	CodeUndefinedVariable Code = "undefined_variable"
	CodeBadKey            Code = "bad_key"
	CodeBadOption         Code = "bad_option"
	CodeMissingParameter  Code = "missing_parameter"
	CodeBadParameter      Code = "bad_parameter"
)

// The codes of a script that failed while it ran, and was undone.
const (
	CodeType           Code = "type"
	CodeRange          Code = "range"
	CodeDivisionByZero Code = "division_by_zero"
	CodeReadOnly       Code = "read_only"
	CodeState          Code = "state"
	CodeHistory        Code = "history"
	CodeThrow          Code = "throw"
	CodeRollback       Code = "rollback"
	CodeLimit          Code = "limit"
	CodeTimeout        Code = "timeout"
	CodeConflict       Code = "conflict"
	CodeDeadlock       Code = "deadlock"
)

// The codes of a request, and of the store.
const (
	CodeBadRequest     Code = "bad_request"
	CodeRetry          Code = "retry"
	CodeAdmission      Code = "admission"
	CodeOutcomeUnknown Code = "outcome_unknown"
	CodeCanceled       Code = "canceled"
	CodeClosed         Code = "closed"
	CodeStorage        Code = "storage"
	CodeCorrupt        Code = "corrupt"
	CodeOpen           Code = "open"
	CodeBackup         Code = "backup"
)

// What a program decides by, while a store is open. errors.Is compares codes.
var (
	// ErrThrow is a script's own throw or failed assert; Error.UserCode is the
	// code it gave, Error.Message what it said.
	ErrThrow error = &Error{Code: CodeThrow}
	// ErrRollback is a script's own rollback, or a begin block without commit.
	ErrRollback error = &Error{Code: CodeRollback}
	// ErrTimeout is a script or transaction whose time is over.
	ErrTimeout error = &Error{Code: CodeTimeout}
	// ErrConflict is a transaction that lost against another one. It can be run
	// again from its beginning.
	ErrConflict error = &Error{Code: CodeConflict}
	// ErrLimit is a script or a value that exceeds one of Limits.
	ErrLimit error = &Error{Code: CodeLimit}
	// ErrAdmission is a request that was refused because the store is busy. It
	// can be sent again after a pause.
	ErrAdmission error = &Error{Code: CodeAdmission}
	// ErrRetry is a request that was not done, for a reason that passes. It can be
	// sent again.
	ErrRetry error = &Error{Code: CodeRetry}
	// ErrBadRequest is a call with arguments that make no sense.
	ErrBadRequest error = &Error{Code: CodeBadRequest}
	// ErrBadKey is a text that is no key.
	ErrBadKey error = &Error{Code: CodeBadKey}
	// ErrReadOnly is a write in a read-only transaction or script.
	ErrReadOnly error = &Error{Code: CodeReadOnly}
	// ErrHistory is a read of a version that is no longer kept.
	ErrHistory error = &Error{Code: CodeHistory}
	// ErrOutcomeUnknown is a commit that was interrupted: it may or may not have
	// taken effect.
	ErrOutcomeUnknown error = &Error{Code: CodeOutcomeUnknown}
	// ErrCanceled is a call whose context ended before it took effect. It wraps
	// the context's error.
	ErrCanceled error = &Error{Code: CodeCanceled}
	// ErrStorage is a disk that failed; afterwards the store only reads.
	ErrStorage error = &Error{Code: CodeStorage}
	// ErrTxDone is a call of a transaction that was committed or rolled back.
	ErrTxDone error = errorOf(txn.ErrTxDone)
)

// What a store that is not open answers.
var (
	// ErrClosed is a call after Close.
	ErrClosed error = &Error{Code: CodeClosed}
	// ErrInUse is a directory that another process has open.
	ErrInUse error = &Error{Code: CodeOpen}
	// ErrCorrupt is a store with damaged files.
	ErrCorrupt error = &Error{Code: CodeCorrupt}
	// ErrBackup is a backup that could not be written because its writer failed,
	// or that cannot be restored: it is damaged, cut off, no backup at all, or of
	// a format that this program does not know.
	ErrBackup error = &Error{Code: CodeBackup}
)

// errorOf returns err as an *Error, with the same chain of causes; nil for nil.
// What is none yet is a fault of the disk.
func errorOf(err error) error {
	if err == nil {
		return nil
	}
	var public *Error
	if errors.As(err, &public) {
		return err
	}
	var e *script.Error
	if !errors.As(err, &e) {
		return &Error{Code: CodeStorage, Message: err.Error(), Err: err}
	}
	out := &Error{Code: Code(e.Code), Outcome: Outcome(e.Outcome), Message: e.Message, Hint: e.Hint,
		UserCode: e.UserCode, Line: e.Line, Column: e.Column, Source: e.Source, Op: e.Op, Key: e.Key, Retry: e.Retry, Err: e.Err}
	if e.Warnings != nil {
		out.Warnings = warningsOf(e.Warnings)
	}
	for _, d := range e.Diagnostics {
		out.Diagnostics = append(out.Diagnostics, Diagnostic{Warning: d.Severity == syntax.Warning, Code: Code(d.Code),
			Line: int(d.Pos.Line), Column: int(d.Pos.Column), Message: d.Message, Hint: d.Hint})
	}
	return out
}

// script returns e as the language has it.
func (e *Error) script() *script.Error {
	out := &script.Error{Code: script.Code(e.Code), Outcome: script.Outcome(e.Outcome), Message: e.Message, Hint: e.Hint,
		UserCode: e.UserCode, Line: e.Line, Column: e.Column, Source: e.Source, Op: e.Op, Key: e.Key, Retry: e.Retry, Err: e.Err}
	for _, w := range e.Warnings {
		out.Warnings = append(out.Warnings, script.Warning(w))
	}
	for _, d := range e.Diagnostics {
		found := syntax.Diagnostic{Code: script.Code(d.Code), Message: d.Message, Hint: d.Hint,
			Pos: syntax.Pos{Line: int32(d.Line), Column: int32(d.Column)}}
		if d.Warning {
			found.Severity = syntax.Warning
		}
		out.Diagnostics = append(out.Diagnostics, found)
	}
	return out
}

// callErrorOf is errorOf with the operation and key of the call.
func callErrorOf(op, key string, err error) error {
	var e *Error
	if err = errorOf(err); !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Op, named.Key = op, key
	return &named
}

func badRequest(op, key, message, hint string) error {
	return &Error{Op: op, Key: key, Code: CodeBadRequest, Message: message, Hint: hint}
}
