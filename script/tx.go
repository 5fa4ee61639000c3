package script

import (
	"sync/atomic"
)

// Timestamp is a hybrid logical clock reading as the store gives it: Unix
// milliseconds in the upper 44 bits, a logical counter in the lower 20. Zero
// means "none". Package script does no more with it than hand it on.
type Timestamp uint64

// Millis returns the physical part in Unix milliseconds.
func (t Timestamp) Millis() int64 { return int64(t >> 20) }

// Counter returns the logical part.
func (t Timestamp) Counter() int64 { return int64(t & (1<<20 - 1)) }

// Row is one version of a key as a transaction reads it.
type Row struct {
	Key      string
	Value    string
	Revision int64     // -1 when the read found nothing
	Expires  int64     // Unix milliseconds, 0 for never
	Modified Timestamp // commit time; zero while Own
	Found    bool
	// Own marks a version that this transaction wrote: its Modified is not
	// yet known.
	Own bool
	// TTL, when not zero, is the time to live in milliseconds that this
	// transaction gave the row: its Expires is provisional until commit.
	TTL int64
}

// SetOptions are the conditions and modifiers of a set. The zero value is an
// unconditional set without expiry.
type SetOptions struct {
	NX, XX bool
	// Cmp, when HasCmp, is the bytes the live value must equal. With CmpNull
	// the condition also holds for a key that is not live.
	HasCmp  bool
	CmpNull bool
	Cmp     string
	// CmpRev, when HasCmpRev, is the revision the key must stand at
	// (docs/language.md, "set").
	HasCmpRev bool
	CmpRev    int64
	// TTL is the time to live in milliseconds, not negative; 0 means none.
	TTL int64
	// KeepTTL leaves the expiry of a live row as it is; TTL is then for a row
	// that is not live.
	KeepTTL bool
	NoRev   bool
}

// Part is what a read with limit, after or desc asks for: a part of a bucket
// (Text without the trailing slash) or of the keys with a prefix.
type Part struct {
	Space  Space
	Prefix bool
	Text   string
	// AsOf, when greater than 0, is the time of which the rows are to be, in
	// Unix milliseconds, without own writes.
	AsOf int64
	// Desc asks for descending order of keys.
	Desc bool
	// After, when HasAfter, is the text behind which, in that order, the rows
	// stand.
	HasAfter bool
	After    string
	// Limit is how many rows are wanted, from 1 on, or -1 for all.
	Limit int
}

// WriteResult is what a write command did.
type WriteResult struct {
	// Done tells whether the write had an effect.
	Done bool
	// Revision is the new revision (unchanged for an extend); when not Done
	// the key's revision counter, -1 if it has none.
	Revision int64
	// Expires is the row's expiry after the write, provisional until commit.
	Expires int64
	// TTL is the time to live the write asked for.
	TTL int64
}

// Tx is the transaction a script runs in: everything a script can see of a
// store. Reads see the transaction's own writes, except GetAsOf and Scan with
// a time. Keys and operands have been checked by the caller (valid key, time
// to live not negative, revision not negative, time greater than zero).
//
// An error of type *Error without a position is given the position of the
// command; any other error is returned from Run unchanged. A Tx is used by
// one goroutine.
type Tx interface {
	// Time is the clock reading of this transaction. It never changes.
	Time() Timestamp
	// Now is the current time in Unix milliseconds: Time().Millis() until
	// Sleep, after Sleep(d) at least d later. It never goes back.
	Now() int64
	// Get reads the newest version. A key that was never written, is deleted
	// or expired is a Row with Found false and Revision -1.
	Get(space Space, key string) (Row, error)
	// GetAt reads exactly revision rev, deleted or expired since or not; its
	// Expires is 0 (docs/language.md, "History").
	GetAt(space Space, key string, rev int64) (Row, error)
	// GetAsOf reads the version visible at ms, without own writes. It fails
	// with code "history" when that version is no longer kept.
	GetAsOf(space Space, key string, ms int64) (Row, error)
	// Set writes key when all conditions hold.
	Set(space Space, key, value string, opts *SetOptions) (WriteResult, error)
	// Delete writes a tombstone when key is live.
	Delete(space Space, key string) (WriteResult, error)
	// Extend sets the expiry of a live key to Now() + ttl, or removes it
	// when ttl is 0.
	Extend(space Space, key string, ttl int64) (WriteResult, error)
	// Scan calls visit for each live row, in no particular order: of the
	// bucket text (prefix false; one trailing slash was already removed), or
	// with the prefix text (prefix true). With asOf > 0 it shows the rows
	// visible at that time, without own writes. An error of visit ends it
	// and is returned.
	Scan(space Space, prefix bool, text string, asOf int64, visit func(Row) error) error
	// ScanPart calls visit for the live rows of a part, in order. Rows beyond
	// the last one visited are not read, and may change meanwhile. An error of
	// visit ends it and is returned.
	ScanPart(p *Part, visit func(Row) error) error
	// Sleep pauses for ms milliseconds. A transaction that can not wait
	// returns ErrSlowPath.
	Sleep(ms int64) error
}

// Interrupt stops a running script from outside. The zero value is ready.
// Stop may be called from any goroutine; one run polls it at every step.
type Interrupt struct {
	err atomic.Pointer[error]
	// Yield, when not nil, is called now and then by a run without a budget,
	// in the middle of its work, which has made, or is about to make, that many
	// bytes since the last call. It may let others use the processor, wait, or
	// pause, but not for long once Stop was called. It is set before the run.
	Yield func(made int64)
}

func (i *Interrupt) yield(made int64) {
	if i != nil && i.Yield != nil {
		i.Yield(made)
	}
}

// Stop makes the script fail with err at its next step or wait. The first
// call wins.
func (i *Interrupt) Stop(err error) { i.err.CompareAndSwap(nil, &err) }

// Reset makes the Interrupt ready for another run. It must not be used
// meanwhile.
func (i *Interrupt) Reset() {
	if i.Yield != nil {
		i.Yield = nil
	}
	if i.err.Load() != nil {
		i.err.Store(nil)
	}
}

// Err returns the error given to Stop, or nil. A nil Interrupt was never
// stopped.
func (i *Interrupt) Err() error {
	if i == nil {
		return nil
	}
	if p := i.err.Load(); p != nil {
		return *p
	}
	return nil
}
