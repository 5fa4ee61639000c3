package kahuna

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/admission"
	"kahuna/internal/node"
	"kahuna/internal/partition"
)

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
	// LogBytes is how long the log gets before the rows are written to files,
	// however few of them there are, so that the log can be cut: 256 MiB, at
	// least 64 KiB. It is also about the most that Open has to replay after a
	// crash.
	LogBytes int64
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
	logEntries  int64
	now         func() int64
	faults      partition.Faults // tests of histories: see there
}

// What the log and the rows can take of one script, whatever the limits say.
const (
	keyBytesMost     = 32 << 10
	writtenBytesMost = 128 << 20
	writtenKeysMost  = 500_000
)

// setting is an option with what is allowed for it beside 0, its default.
type setting struct {
	name               string
	value, least, most int64
	unbounded          bool // -1 is allowed: no bound
	duration           bool // in nanoseconds
}

// error returns why the value is refused, nil if it is not.
func (s *setting) error() error {
	if s.value == 0 || s.value >= s.least && s.value <= s.most || s.unbounded && s.value == -1 {
		return nil
	}
	render := func(v int64) string {
		if s.duration {
			return time.Duration(v).String()
		}
		return strconv.FormatInt(v, 10)
	}
	least, hint := render(s.least), "0 is the default"
	if s.unbounded {
		hint = "-1 is no bound, 0 is the default"
	}
	switch {
	case s.unbounded && s.least > 0:
		least = "-1, 0, or " + least
	case s.unbounded:
		least = "-1"
	case s.least > 0:
		least = "0, or " + least
	}
	allowed := least + " to " + render(s.most)
	if s.most >= forever {
		allowed = least + " or more"
	}
	return &Error{Op: "open", Code: CodeBadRequest,
		Message: fmt.Sprintf("%s must be %s, got %s", s.name, allowed, render(s.value)), Hint: hint}
}

// check refuses options that the store cannot keep as they are.
func (o *Options) check() error {
	const (
		countMost = 1 << 30
		bytesMost = 1 << 50
		ever      = math.MaxInt64
		ms        = int64(time.Millisecond)
	)
	l, used := &o.Limits, limitsOf(o.Limits.script().WithDefaults())
	for _, s := range []setting{
		{name: "HistoryRevisions", value: o.HistoryRevisions, most: ever, unbounded: true},
		{name: "HistoryAge", value: int64(o.HistoryAge), least: ms, most: ever, unbounded: true, duration: true},
		{name: "IdempotencyAge", value: int64(o.IdempotencyAge), least: int64(10 * time.Minute), most: ever, duration: true},
		{name: "IdempotencyBytes", value: o.IdempotencyBytes, most: bytesMost},
		{name: "RowCacheBytes", value: o.RowCacheBytes, most: bytesMost},
		{name: "BlockCacheBytes", value: o.BlockCacheBytes, most: bytesMost},
		{name: "MemTableBytes", value: o.MemTableBytes, least: 64 << 10, most: 1 << 30},
		{name: "LogBytes", value: o.LogBytes, least: 64 << 10, most: bytesMost},
		{name: "EphemeralBytes", value: o.EphemeralBytes, most: bytesMost},
		{name: "SlowProcessors", value: int64(o.SlowProcessors), most: 1 << 16},
		{name: "SlowScripts", value: int64(o.SlowScripts), most: countMost},
		{name: "SlowWaiting", value: int64(o.SlowWaiting), most: countMost},
		{name: "SlowBytes", value: o.SlowBytes, most: bytesMost, unbounded: true},
		{name: "AdmissionWait", value: int64(o.AdmissionWait), least: ms, most: ever, duration: true},
		{name: "Programs", value: int64(o.Programs), most: countMost},

		{name: "Limits.KeyBytes", value: int64(l.KeyBytes), most: keyBytesMost},
		{name: "Limits.ValueBytes", value: int64(l.ValueBytes), most: writtenBytesMost},
		{name: "Limits.WrittenBytes", value: l.WrittenBytes, most: writtenBytesMost},
		{name: "Limits.WrittenKeys", value: int64(l.WrittenKeys), most: writtenKeysMost},
		{name: "Limits.Steps", value: l.Steps, most: forever},
		{name: "Limits.Elements", value: int64(l.Elements), most: forever},
		{name: "Limits.SourceBytes", value: int64(l.SourceBytes), most: forever},
		{name: "Limits.Statements", value: int64(l.Statements), most: forever},
		{name: "Limits.Nesting", value: int64(l.Nesting), most: 1000},
		{name: "Limits.Rows", value: int64(l.Rows), most: forever},
		{name: "Limits.MemoryBytes", value: l.MemoryBytes, most: forever},
		{name: "Limits.AnswerBytes", value: l.AnswerBytes, most: forever},
		{name: "Limits.Sleep", value: int64(l.Sleep), most: ever, duration: true},
		{name: "Limits.TimeoutMax", value: int64(l.TimeoutMax), most: ever, duration: true},
		{name: "Limits.Timeout", value: int64(l.Timeout), most: ever, duration: true},
		{name: "Limits.AdmissionWait", value: int64(l.AdmissionWait), most: ever, duration: true},
	} {
		if err := s.error(); err != nil {
			return err
		}
	}
	if l.Timeout > used.TimeoutMax {
		return badRequest("open", "", fmt.Sprintf("Limits.Timeout must be at most Limits.TimeoutMax, which is %v, got %v",
			used.TimeoutMax, l.Timeout), "raise Limits.TimeoutMax too")
	}
	if o.AdmissionWait > used.AdmissionWait {
		return badRequest("open", "", fmt.Sprintf("AdmissionWait must be at most Limits.AdmissionWait, which is %v, got %v",
			used.AdmissionWait, o.AdmissionWait), "raise Limits.AdmissionWait too")
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
		LogBytes: o.LogBytes, LogEntries: o.logEntries, SweepInterval: o.sweep, SegmentBytes: o.segment, MemTableBytes: o.MemTableBytes, DisableSync: o.disableSync, KeepLog: o.keepLog, Now: o.now, Logger: o.Logger,
	}
	if o.HistoryAge < 0 {
		n.Partition.RetentionMs = forever
	}
	if o.IdempotencyAge > 0 {
		n.Partition.ResultMs = max(o.IdempotencyAge, 10*time.Minute).Milliseconds()
	}
	return n
}
