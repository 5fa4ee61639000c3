package kahuna

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/admission"
	"kahuna/internal/node"
	"kahuna/internal/partition"
	"kahuna/script"
)

// Limits bound every script; zero fields take their defaults.
type Limits = script.Limits

// Options configure a store. The zero value, and nil, are the defaults.
type Options struct {
	// Limits bound every script.
	Limits Limits

	// RowCacheBytes is the memory for rows that scripts read and write: 128 MiB.
	RowCacheBytes int64
	// BlockCacheBytes is the memory for blocks of the files: 64 MiB.
	BlockCacheBytes int64
	// MemTableBytes is how much of the rows is gathered in memory before it is
	// written to a file: 64 MiB. It begins small and grows with what is written;
	// in the worst case there are five times as much.
	MemTableBytes int64
	// EphemeralBytes bounds the ephemeral space: 256 MiB. When it is full,
	// rows that have ended go first, then, about, those not used for the
	// longest time.
	EphemeralBytes int64

	// HistoryRevisions is how many revisions of a key are kept, the current
	// one included: 128. -1 keeps all of them.
	HistoryRevisions int64
	// HistoryAge is how long a superseded revision, a deleted or an expired
	// row is kept: one hour. Afterwards a deleted or expired key counts its
	// revisions from 0 again. -1 keeps them for ever.
	HistoryAge time.Duration
	// IdempotencyAge is how long the result of a script that was sent with an
	// idempotency key is remembered: 20 minutes, at least 10.
	IdempotencyAge time.Duration
	// IdempotencyBytes is about what these results may take on disk: 1 GiB.
	// When they come near it, they are forgotten after 10 minutes already; when
	// those of the last 10 minutes alone reach it, requests with a new key are
	// refused with code "admission", not applied.
	IdempotencyBytes int64

	// SlowProcessors is how many processors the scripts on the slow path (those
	// that take long or sleep) use at once, so that the others are left to all
	// the rest: half of GOMAXPROCS, at least 1.
	SlowProcessors int
	// SlowScripts bounds how many of them are under way at once, those aside
	// that sleep or wait for a lock: 8 times SlowProcessors. More wait to be
	// admitted, in the order of their priority and then of their coming.
	SlowScripts int
	// SlowWaiting bounds how many wait to be admitted: 10,000. More are refused
	// with code "admission", not applied.
	SlowWaiting int
	// SlowBytes is how many bytes of text, arrays and cached rows those under way
	// may make together in a second, while other scripts run: 16 MiB times
	// GOMAXPROCS. -1 is no bound.
	SlowBytes int64
	// AdmissionWait is how long a script that names no admissionWait waits to
	// be admitted, before it is refused with code "admission", not applied: 5 s.
	AdmissionWait time.Duration

	// Programs is how many compiled scripts Run keeps: 1000.
	Programs int

	// Logger gets what an operator should know; nil logs nothing.
	Logger *slog.Logger

	forceSlow   bool // tests: everything on the slow path
	fs          vfs.FS
	disableSync bool
	keepLog     bool // tests: the log is never compacted
	sweep       time.Duration
	segment     int64
	now         func() int64
	faults      partition.Faults // tests of histories: see there
}

// What the log and the rows can take of one script, whatever the limits say.
const (
	keyBytesMost     = 32 << 10
	writtenBytesMost = 128 << 20
	writtenKeysMost  = 500_000
)

// check refuses limits that the store can not keep.
func (o *Options) check() error {
	l := &o.Limits
	if o.HistoryRevisions < -1 {
		return &Error{Op: "open", Code: script.CodeBadRequest,
			Message: fmt.Sprintf("HistoryRevisions must be -1 or more, got %d", o.HistoryRevisions), Hint: "-1 keeps all, 0 is the default"}
	}
	if o.SlowBytes < -1 {
		return &Error{Op: "open", Code: script.CodeBadRequest,
			Message: fmt.Sprintf("SlowBytes must be -1 or more, got %d", o.SlowBytes), Hint: "-1 is no bound, 0 is the default"}
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"RowCacheBytes", o.RowCacheBytes}, {"BlockCacheBytes", o.BlockCacheBytes}, {"MemTableBytes", o.MemTableBytes},
		{"EphemeralBytes", o.EphemeralBytes}, {"IdempotencyBytes", o.IdempotencyBytes},
		{"SlowProcessors", int64(o.SlowProcessors)}, {"SlowScripts", int64(o.SlowScripts)},
		{"SlowWaiting", int64(o.SlowWaiting)}, {"AdmissionWait", int64(o.AdmissionWait)},
	} {
		if field.value < 0 {
			return &Error{Op: "open", Code: script.CodeBadRequest,
				Message: fmt.Sprintf("%s must not be negative, got %d", field.name, field.value), Hint: "0 is the default"}
		}
	}
	for _, field := range []struct {
		name        string
		value, most int64
	}{
		{"KeyBytes", int64(l.KeyBytes), keyBytesMost},
		{"ValueBytes", int64(l.ValueBytes), writtenBytesMost},
		{"WrittenBytes", l.WrittenBytes, writtenBytesMost},
		{"WrittenKeys", int64(l.WrittenKeys), writtenKeysMost},
		{"Steps", l.Steps, forever}, {"Elements", int64(l.Elements), forever},
		{"SourceBytes", int64(l.SourceBytes), forever}, {"Statements", int64(l.Statements), forever},
		{"Nesting", int64(l.Nesting), 1000}, {"Rows", int64(l.Rows), forever},
		{"MemoryBytes", l.MemoryBytes, forever}, {"SleepMs", l.SleepMs, forever},
		{"TimeoutMs", l.TimeoutMs, forever}, {"TimeoutMaxMs", l.TimeoutMaxMs, forever},
		{"AdmissionMs", l.AdmissionMs, forever},
	} {
		if field.value < 0 || field.value > field.most {
			return &Error{Op: "open", Code: script.CodeBadRequest,
				Message: fmt.Sprintf("Limits.%s must be 0 to %d, got %d", field.name, field.most, field.value),
				Hint:    "0 is the default"}
		}
	}
	return nil
}

const forever = 1 << 60 // milliseconds

func (o *Options) node(dir string) node.Options {
	n := node.Options{
		FS: o.fs, Dir: dir,
		Partition: partition.Options{
			CacheBytes: o.RowCacheBytes, EphemeralBytes: o.EphemeralBytes,
			RetentionMs: o.HistoryAge.Milliseconds(),
			ResultBytes: o.IdempotencyBytes,
			WrittenKeys: o.Limits.WrittenKeys, WrittenBytes: o.Limits.WrittenBytes,
			Faults: o.faults,
		},
		Admission: admission.Options{Scripts: o.SlowScripts, Waiting: o.SlowWaiting, Processors: o.SlowProcessors,
			BytesPerSecond: o.SlowBytes},
		BlockCacheBytes: o.BlockCacheBytes, HistoryRevisions: o.HistoryRevisions,
		SweepInterval: o.sweep, SegmentBytes: o.segment, MemTableBytes: o.MemTableBytes, DisableSync: o.disableSync, KeepLog: o.keepLog, Now: o.now, Logger: o.Logger,
	}
	if o.HistoryAge < 0 {
		n.Partition.RetentionMs = forever
	}
	if o.IdempotencyAge > 0 {
		n.Partition.ResultMs = max(o.IdempotencyAge, 10*time.Minute).Milliseconds()
	}
	return n
}
