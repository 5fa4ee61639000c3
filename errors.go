package kahuna

import (
	"kahuna/internal/txn"
	"kahuna/script"
)

// Error is the error of every call: code, message with place and hint, and
// the outcome. errors.Is compares codes, errors.As gets the details.
type Error = script.Error

// Outcome says whether what a request asked for is in the store.
//
// Invariant OUT-1: no error says NotApplied unless that is certain.
type Outcome = script.Outcome

// The outcomes.
const (
	NotApplied = script.NotApplied
	Applied    = script.Applied
	Unknown    = script.OutcomeUnknown
)

// Errors to compare with by errors.Is, while a store is open.
var (
	// ErrThrow is a script's own throw or failed assert.
	ErrThrow error = &Error{Code: script.CodeThrow}
	// ErrRollback is a script's own rollback, or a begin block that ended
	// without commit.
	ErrRollback error = &Error{Code: script.CodeRollback}
	// ErrTimeout is a script stopped at its time-out.
	ErrTimeout error = &Error{Code: script.CodeTimeout}
	// ErrConflict is a transaction that lost against another one; it can be
	// run again.
	ErrConflict error = &Error{Code: script.CodeConflict}
	// ErrLimit is a script, or a value, beyond one of Limits.
	ErrLimit error = &Error{Code: script.CodeLimit}
	// ErrOutcomeUnknown is a commit that was interrupted.
	ErrOutcomeUnknown error = &Error{Code: script.CodeOutcomeUnknown}
	// ErrStorage is a disk that failed; the store only reads afterwards.
	ErrStorage error = &Error{Code: script.CodeStorage}
)

// Errors of a store that is not open.
var (
	// ErrClosed is a call after Close.
	ErrClosed = txn.ErrClosed
	// ErrInUse is a directory that another process has open.
	ErrInUse error = &Error{Code: script.CodeOpen}
	// ErrCorrupt is a store with damaged files.
	ErrCorrupt error = &Error{Code: script.CodeCorrupt}
)
