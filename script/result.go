package script

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Type is the class of a result, with the numbers used on the wire.
type Type uint8

// The result types (docs/language.md, "Results").
const (
	TypeSet              Type = 0
	TypeNotSet           Type = 1
	TypeExtended         Type = 2
	TypeGet              Type = 3
	TypeDeleted          Type = 4
	TypeCommitted        Type = 8
	TypeExists           Type = 10
	TypeErrored          Type = 99
	TypeInvalidInput     Type = 100
	TypeMustRetry        Type = 101
	TypeAborted          Type = 102
	TypeDoesNotExist     Type = 103
	TypeAdmissionRefused Type = 108
)

// String returns the type's name as docs/language.md writes it.
func (t Type) String() string {
	switch t {
	case TypeSet:
		return "Set"
	case TypeNotSet:
		return "NotSet"
	case TypeExtended:
		return "Extended"
	case TypeGet:
		return "Get"
	case TypeDeleted:
		return "Deleted"
	case TypeCommitted:
		return "Committed"
	case TypeExists:
		return "Exists"
	case TypeErrored:
		return "Errored"
	case TypeInvalidInput:
		return "InvalidInput"
	case TypeMustRetry:
		return "MustRetry"
	case TypeAborted:
		return "Aborted"
	case TypeDoesNotExist:
		return "DoesNotExist"
	case TypeAdmissionRefused:
		return "AdmissionRefused"
	}
	return "Unknown"
}

// Success reports whether the script committed.
func (t Type) Success() bool { return t <= 98 || t == TypeDoesNotExist }

// Outcome says whether what a request asked for is in the store.
type Outcome uint8

// The outcomes. NotApplied is the zero value: nothing of the request remains.
const (
	NotApplied Outcome = iota
	Applied
	OutcomeUnknown
)

// String returns "not applied", "applied" or "unknown".
func (o Outcome) String() string {
	switch o {
	case Applied:
		return "applied"
	case OutcomeUnknown:
		return "unknown"
	}
	return "not applied"
}

// Op is the command that produced a result.
type Op uint8

// The ops. OpNone is of a script whose result is of no command.
const (
	OpNone Op = iota
	OpSet
	OpGet
	OpExists
	OpDelete
	OpExtend
	OpBucket
	OpScan
	OpCount
	OpLet
	OpReturn
)

var opNames = [...]string{OpNone: "", OpSet: "set", OpGet: "get", OpExists: "exists", OpDelete: "delete",
	OpExtend: "extend", OpBucket: "bucket", OpScan: "scan", OpCount: "count", OpLet: "let", OpReturn: "return"}

// String returns the name of the command, "" for OpNone.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}

// ParseOp returns the op of a name that String returns.
func ParseOp(name string) (op Op, ok bool) {
	i := slices.Index(opNames[:], name)
	return Op(max(i, 0)), i >= 0
}

// Entry is one value of a result.
type Entry struct {
	Key      string // empty for a computed or returned value
	Value    string // bytes, when HasValue
	HasValue bool   // false for a null, and for what carries no value
	Kind     Kind   // of the value that Value is the text of; KindNull without one
	Revision int64  // -1 when not applicable
	Expires  int64  // Unix milliseconds, 0 for none
	Modified Timestamp
}

// What an entry depends on the commit for stands in it until Stamp: Modified is
// atCommit for a version that the script wrote itself, Expires is negative for
// a time to live that it gave.
const atCommit Timestamp = math.MaxUint64

// own completes the entry of a key that the script has written, or extended, by
// what is not known before the commit.
func (e *Entry) own(version bool, ttl int64) {
	if version {
		e.Modified = atCommit
	}
	if ttl > 0 {
		e.Expires = -ttl
	}
}

// Warning is a remark on a script that did not stop it.
type Warning struct {
	Line, Column int
	Text         string
}

// Result is the answer of a script that committed.
type Result struct {
	Type    Type
	Outcome Outcome
	Op      Op
	// List tells that the entries are the elements of an array or the rows of a
	// read of several keys, also when there is only one.
	List     bool
	Entries  []Entry
	Warnings []Warning
	// Time is the commit time, set by Stamp; 0 before.
	Time Timestamp
	// Elapsed is the time the engine took, waiting included.
	Elapsed time.Duration

	one [1]Entry // backs Entries of the usual result
}

// First returns the first entry, or a zero Entry with Revision -1.
func (r *Result) First() Entry {
	if len(r.Entries) == 0 {
		return Entry{Revision: -1}
	}
	return r.Entries[0]
}

// Text returns the first value as text, "" when it is absent.
func (r *Result) Text() string { return r.First().Value }

// Revision returns the first entry's revision, -1 when there is none.
func (r *Result) Revision() int64 { return r.First().Revision }

// Reset drops what r refers to, and keeps the memory of a moderate number of
// entries for RunInto.
func (r *Result) Reset() {
	const entriesKept = 64
	if cap(r.Entries) > entriesKept {
		r.Entries = nil
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Key != "" || e.Value != "" { // a write of what it was would cost as much
			e.Key, e.Value = "", ""
		}
		e.HasValue, e.Kind, e.Revision, e.Expires, e.Modified = false, 0, 0, 0, 0
	}
	r.Entries = r.Entries[:0]
	if r.Warnings != nil {
		r.Warnings = nil
	}
}

// grow makes room for n empty entries.
func (r *Result) grow(n int) {
	switch {
	case cap(r.Entries) >= n:
		r.Entries = r.Entries[:n]
	case n == 1:
		r.Entries = r.one[:]
	default:
		r.Entries = make([]Entry, n)
	}
}

// Clone returns a copy that shares nothing with r that can be changed.
func (r *Result) Clone() *Result {
	c := *r
	c.Entries, c.Warnings = slices.Clone(r.Entries), slices.Clone(r.Warnings)
	return &c
}

// Stamp completes the entries written by the script itself with the commit
// time. The engine calls it, or Estimate, once, before anybody else sees r.
func (r *Result) Stamp(commit Timestamp) {
	r.Time = commit
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Modified == atCommit {
			e.Modified = commit
		}
		if e.Expires < 0 {
			e.Expires = commit.Millis() - e.Expires
		}
	}
}

// Estimate is Stamp for a script in a transaction that goes on: what the script
// wrote has no commit time yet, and expires as if it were committed at now, in
// Unix milliseconds.
func (r *Result) Estimate(now int64) {
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Modified == atCommit {
			e.Modified = 0
		}
		if e.Expires < 0 {
			e.Expires = now - e.Expires
		}
	}
}
