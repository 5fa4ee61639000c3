package kahuna

import (
	"context"
	"iter"
	"time"
)

// Store is what a store offers wherever it runs: a *DB inside the process
// implements it, and so does the client of a server. A program written against
// Store moves from one to the other by changing the line that opens it.
//
// All methods are safe for concurrent use. Errors are *Error.
type Store interface {
	// Space is the persistent space: Get, Exists, Set, Delete, Extend, Bucket,
	// Prefix and Range.
	Space
	// Ephemeral returns the ephemeral space: rows in memory, bounded, lost when the
	// store stops, and evicted when memory is short.
	Ephemeral() Space

	// Run runs a script; see DB.Run.
	Run(ctx context.Context, source string, params Params, o *RunOptions) (*Result, error)
	// Compile checks a script and makes it ready to run many times; see DB.Compile.
	Compile(source string) (Program, error)

	// Begin starts an interactive transaction; see DB.Begin.
	Begin(ctx context.Context, o *TxOptions) (Tx, error)
	// Update runs f in a transaction, commits it, and retries conflicts; see
	// DB.Update.
	Update(ctx context.Context, f func(tx Tx) error) error
	// View runs f in a read-only transaction; see DB.View.
	View(ctx context.Context, f func(tx Tx) error) error

	// Close ends the store, or the connection to it. Calls after it fail with
	// ErrClosed.
	Close() error
}

// Space is one of the two key spaces of a store or of a transaction. Its calls
// do what single commands of the language do, without a script, in one order
// with scripts.
//
// A key is a non-empty UTF-8 text without NUL of at most Limits.KeyBytes; a
// value is any bytes, at most Limits.ValueBytes of them. Times to live count in
// whole milliseconds; a shorter one is one millisecond.
//
// Errors are *Error: ErrBadKey for a text that is no key, ErrBadRequest for
// options that contradict each other, ErrLimit for a value that is too large,
// ErrTimeout, ErrCanceled, ErrStorage, ErrClosed.
type Space interface {
	// Get reads key. ok is false when the key does not exist.
	Get(ctx context.Context, key string) (e Entry, ok bool, err error)
	// Exists reports whether key exists.
	Exists(ctx context.Context, key string) (bool, error)
	// Set writes key. A condition that does not hold is no error: Done is false.
	Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error)
	// Delete deletes key. Done is false when it did not exist.
	Delete(ctx context.Context, key string) (WriteResult, error)
	// Extend makes key end ttl from now, earlier or later than before; 0 makes it
	// live for ever. Done is false when it does not exist.
	Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error)

	// Bucket iterates over the keys bucket + "/" + rest that have no slash in
	// rest. One trailing slash of bucket is ignored.
	Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error]
	// Prefix iterates over the keys that start with prefix; "" is every key.
	Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error]
	// Range iterates over the keys from start on, and before end. An empty start
	// or end is no bound.
	Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error]
}

// RangeOptions select a part of a bucket, prefix or range. The zero value, and
// nil, are all of it.
//
// Keys come in the order of their bytes, each once. A read fetches a page of
// rows at a time, as the loop asks for them. In a transaction, and with AsOf,
// all of it is of one moment; otherwise each page is of one moment, and
// two pages are not.
//
// An error ends the loop: it is the last pair, with a zero Entry. Leaving the
// loop early is fine.
type RangeOptions struct {
	// After selects the keys that are greater than this text, with Desc those that
	// are smaller. It need not be a key. Empty is no bound.
	After string
	// Limit is how many keys to read at the most; 0 is no bound.
	Limit int
	// Desc reads in descending order.
	Desc bool
	// AsOf reads what was live at that moment, to the millisecond, when it is not
	// zero. The error is ErrHistory when a version of that time is no longer kept.
	AsOf time.Time
}

// SetOptions are the conditions and modifiers of a Set. The zero value, and nil,
// write unconditionally, for ever.
type SetOptions struct {
	// NX writes only a key that does not exist, XX only one that does.
	NX, XX bool
	// Equals, when not nil, writes only when the key has this value.
	Equals *string
	// Revision, when not nil, writes only when the key stands at it; -1 is a key
	// that does not exist.
	Revision *int64
	// TTL is the time to live; 0 is for ever, whatever it was before.
	TTL time.Duration
	// KeepTTL keeps the expiry of a key that exists, also when it has none; TTL is
	// then for a key that does not exist.
	KeepTTL bool
	// NoHistory keeps this version out of the history once it is superseded.
	NoHistory bool
}

// WriteResult is what a write did.
type WriteResult struct {
	// Done tells whether the write had an effect: its conditions held, and the key
	// to delete or extend existed.
	Done bool
	// Revision is the revision of the key after the call, -1 when it has none.
	Revision int64
	// Time is when the write committed, to the millisecond. It is zero when nothing
	// was done, and in a transaction, where it is not known yet.
	Time time.Time
}

// Program is a compiled script. It is immutable and safe for concurrent use.
type Program interface {
	// Run runs the program as Store.Run runs its source.
	Run(ctx context.Context, params Params, o *RunOptions) (*Result, error)
	// Source returns the text of the script.
	Source() string
	// Parameters returns the names of the parameters, without @, in the order of
	// their first use.
	Parameters() []string
	// Warnings returns the remarks of the checker.
	Warnings() []Warning
}

// Tx is an interactive transaction: several calls of the caller that take effect
// together, or not at all. It is serializable with everything else, whatever
// its options.
//
// The keys that it has read or written stay locked until it ends, and scripts on
// them wait: keep it short, and use a script where one will do. An older
// transaction that needs a lock takes it from a younger one, whose calls then
// fail with ErrConflict. The calls of a transaction also fail with ErrConflict
// when a key that it has read has expired since, and somebody else has seen
// that.
//
// Calls from several goroutines take turns. After Commit and Rollback all calls
// fail with ErrTxDone.
type Tx interface {
	// Space is the persistent space as the transaction sees it: Get, Exists, Set,
	// Delete, Extend, Bucket, Prefix and Range.
	Space
	// Ephemeral returns the ephemeral space as the transaction sees it.
	Ephemeral() Space

	// Run runs a script inside the transaction, which may sleep. When the script
	// fails, what it wrote is undone, and the transaction goes on as before it; but
	// its time-out, and the end of ctx, end the transaction. The result is
	// NotApplied until Commit. An idempotency key is refused: the transaction is
	// not repeated as a whole.
	Run(ctx context.Context, source string, params Params, o *RunOptions) (*Result, error)
	// RunProgram is Run for a compiled script of the same store.
	RunProgram(ctx context.Context, p Program, params Params, o *RunOptions) (*Result, error)

	// Commit makes everything take effect, and returns when it is durable. The
	// transaction is over, whatever Commit returns; the error's outcome says what
	// became of it, also when it was over before (ErrTxDone). Only a ctx that has
	// ended before the call leaves the transaction as it is. In Update and View,
	// which commit by themselves, Commit fails and changes nothing.
	Commit(ctx context.Context) error
	// Rollback undoes everything and ends the transaction. After Commit, and a
	// second time, it does nothing, so that it can be deferred.
	Rollback()
}

// Params are the parameters of a script, by name, with or without the leading
// @. A value is
//
//   - nil, a bool, an integer that fits an int64, a finite float, a string, or a
//     []byte (a string), also of a named type;
//   - a time.Duration, which becomes its whole milliseconds, or a time.Time,
//     which becomes its Unix milliseconds;
//   - a json.Number, json.RawMessage or json.Marshaler, which becomes what its
//     JSON says: an object becomes a map;
//   - an encoding.TextMarshaler, which becomes its text;
//   - a slice or array of these (one of bytes is a string), a map with text keys,
//     which is taken in the order of its keys, or a pointer to one of these, where
//     nil is null.
//
// Structs without one of these methods, channels, functions and complex numbers
// are refused with code "bad_parameter", and so are values that contain
// themselves.
type Params map[string]any

// RunOptions change one run of a script. The zero value, and nil, are the
// defaults.
type RunOptions struct {
	// IdempotencyKey makes the script take effect once, however often it is sent
	// with this key: a repeat gets the first result, also after a crash. The key, 1
	// to 1024 bytes, belongs to one script with one set of parameters, and is
	// remembered for Options.IdempotencyAge after the commit. Empty is none.
	IdempotencyKey string
	// Timeout is the time-out of a script that names none itself. It covers
	// running, and waiting for other scripts. It is cut to Limits.TimeoutMax; 0 is
	// Limits.Timeout.
	Timeout time.Duration
	// Priority is that of a script that names none itself.
	Priority Priority
	// AdmissionWait is how long a script that names no admissionWait waits to be
	// admitted to the slow path. It is cut to Limits.AdmissionWait. 0 is
	// Options.AdmissionWait; a negative one does not wait at all.
	AdmissionWait time.Duration
}

// Priority is the order in which long scripts are admitted to the slow path. It
// affects nothing else.
type Priority uint8

// The priorities. PriorityDefault is PriorityNormal.
const (
	PriorityDefault Priority = iota
	PriorityBackground
	PriorityLow
	PriorityNormal
	PriorityHigh
	PriorityCritical
)

// TxOptions say how an interactive transaction runs. The zero value, and nil, are
// the defaults.
type TxOptions struct {
	// ReadOnly refuses writes.
	ReadOnly bool
	// Optimistic takes no locks: others go on, and Commit fails with ErrConflict
	// when one of them changed what the transaction has read. Only then is it known
	// that everything read was of one moment.
	Optimistic bool
	// Idle is how long the transaction may rest between two calls before it is
	// rolled back: 10 s, cut to Timeout.
	Idle time.Duration
	// Timeout is the longest life of the transaction: 60 s, cut to
	// Limits.TimeoutMax.
	Timeout time.Duration
}
