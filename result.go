package kahuna

import (
	"strconv"
	"time"

	"kahuna/script"
)

// Result is the answer of a script that committed. It belongs to the caller.
type Result struct {
	// Type says what the script's last command, or its return, did. NotSet and
	// DoesNotExist are answers like others: the script committed.
	Type Type
	// Outcome is Applied, or NotApplied inside a transaction that has not been
	// committed.
	Outcome Outcome
	// List tells that Entries are the elements of an array, or the rows of a read
	// of several keys. Otherwise there is at most one.
	List bool
	// Op is the command that the answer is of, OpNone when there is none.
	Op      Op
	Entries []Entry
	// Warnings are remarks on the script. They must not be changed.
	Warnings []Warning
	// Elapsed is how long the store took, waiting included.
	Elapsed time.Duration

	one [1]Entry // backs Entries of the usual result
}

// First returns the first entry, or an Entry without value whose Revision is -1.
func (r *Result) First() Entry {
	if len(r.Entries) == 0 {
		return Entry{Revision: -1}
	}
	return r.Entries[0]
}

// Text returns the text of the first entry, "" when it has no value.
func (r *Result) Text() string { return r.First().Value }

// Int returns the first entry as a whole number. It fails when its text is none:
// with an *Error of code "type", which names the text.
func (r *Result) Int() (int64, error) {
	e := r.First()
	n, err := strconv.ParseInt(e.Value, 10, 64)
	if err != nil {
		return 0, &Error{Op: "result", Key: e.Key, Code: CodeType, Outcome: r.Outcome,
			Message: "the result is no whole number: " + shown(e), Err: err}
	}
	return n, nil
}

// Revision returns the revision of the first entry, -1 when it has none.
func (r *Result) Revision() int64 { return r.First().Revision }

// shown is the value of e for an error.
func shown(e Entry) string {
	if e.Kind == KindNull {
		return "null"
	}
	return strconv.Quote(shorten(e.Value))
}

// Entry is a key with its value, or a value that a script computed.
type Entry struct {
	// Key is empty for a computed value.
	Key string
	// Value is the text of the value, any bytes. It is empty for null, and for
	// what has no value: a set, a delete, a key that does not exist.
	Value string
	// Kind is the type of the value; KindNull when there is none. What a key
	// holds is always a KindString; of a KindArray or KindMap, Value is the JSON.
	Kind Kind
	// Revision is that of the key: 0 for its first version, one more with each
	// write or delete. -1 when there is none.
	Revision int64
	// Expires is when the key ends; the zero Time when it does not.
	Expires time.Time
	// Modified is when this version of the key was committed, to the millisecond;
	// the zero Time for a computed value, and inside a transaction for what it
	// wrote itself.
	Modified time.Time
}

// Kind is the type of a value.
type Kind uint8

// The kinds.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindArray
	KindMap
)

// String returns the name of the kind as type_of gives it in a script.
func (k Kind) String() string { return script.Kind(k).String() }

// Type is the class of a result, with the number it has on the wire.
type Type uint8

// The types. Those from TypeErrored on, TypeDoesNotExist aside, are of errors:
// Error.Type.
const (
	TypeSet              Type = 0   // a key was written
	TypeNotSet           Type = 1   // the conditions of a set did not hold
	TypeExtended         Type = 2   // the time to live of a key was changed
	TypeGet              Type = 3   // Entries are what was read or returned
	TypeDeleted          Type = 4   // keys were deleted
	TypeCommitted        Type = 8   // the script committed and has nothing to report
	TypeExists           Type = 10  // the key exists
	TypeErrored          Type = 99  // the script is wrong, or failed
	TypeInvalidInput     Type = 100 // the request is malformed
	TypeMustRetry        Type = 101 // nothing was done; it can be sent again
	TypeAborted          Type = 102 // rolled back, timed out, or lost a conflict
	TypeDoesNotExist     Type = 103 // what was to be read, deleted or extended is not there
	TypeAdmissionRefused Type = 108 // the script was not started
)

// String returns the name of the type: "Set", "NotSet", and so on.
func (t Type) String() string { return script.Type(t).String() }

// Success reports whether a script with this result committed.
func (t Type) Success() bool { return script.Type(t).Success() }

// Op is a command that a result can be of.
type Op uint8

// The ops. OpBucket and OpScan are reads by bucket and by prefix.
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

// String returns the name of the command as a script writes it, "" for OpNone.
func (o Op) String() string { return script.Op(o).String() }

// Outcome says whether what a request asked for is in the store.
//
// Invariant OUT-1: no error says NotApplied unless that is certain.
type Outcome uint8

// The outcomes. NotApplied is the zero value: nothing of the request remains.
const (
	NotApplied Outcome = iota
	Applied
	Unknown
)

// String returns "not applied", "applied" or "unknown".
func (o Outcome) String() string { return script.Outcome(o).String() }

// Warning is a remark on a script that did not stop it. Line and Column count
// from 1; columns are characters.
type Warning struct {
	Line, Column int
	Text         string
}

func resultOf(r *script.Result) *Result {
	out := &Result{Type: Type(r.Type), Outcome: Outcome(r.Outcome), Op: Op(r.Op), List: r.List, Elapsed: r.Elapsed}
	if r.Warnings != nil {
		out.Warnings = warningsOf(r.Warnings)
	}
	switch n := len(r.Entries); n {
	case 0:
	case 1:
		out.Entries = out.one[:]
		out.one[0].set(&r.Entries[0])
	default:
		out.Entries = make([]Entry, n)
		for i := range r.Entries {
			out.Entries[i].set(&r.Entries[i])
		}
	}
	return out
}

// set makes the empty o what e is.
func (o *Entry) set(e *script.Entry) {
	o.Value, o.Kind, o.Revision = e.Value, Kind(e.Kind), e.Revision
	if e.Key != "" { // what is written into an object has its price
		o.Key = e.Key
	}
	if e.Expires != 0 {
		o.Expires = time.UnixMilli(e.Expires)
	}
	if ms := e.Modified.Millis(); ms != 0 {
		o.Modified = time.UnixMilli(ms)
	}
}

// rowEntry returns the entry of a live row.
func rowEntry(r *script.Row) (e Entry) {
	e.setRow(r)
	return e
}

// setRow makes the empty o the entry of a live row.
func (o *Entry) setRow(r *script.Row) {
	o.Key, o.Value, o.Kind, o.Revision = r.Key, r.Value, KindString, r.Revision
	if r.Expires != 0 {
		o.Expires = time.UnixMilli(r.Expires)
	}
	if ms := r.Modified.Millis(); ms != 0 {
		o.Modified = time.UnixMilli(ms)
	}
}

// unixMilli returns the time, or the zero Time for 0.
func unixMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func warningsOf(list []script.Warning) []Warning {
	warnings := make([]Warning, len(list))
	for i, w := range list {
		warnings[i] = Warning(w)
	}
	return warnings
}
