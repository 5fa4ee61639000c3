package kahuna

import (
	"time"

	"kahuna/script"
)

// Limits bound every script. A field that is 0 has its default. An error that
// is ErrLimit names the field that was exceeded.
type Limits struct {
	// Steps are statements, loop passes, function calls, and long work of one run:
	// 1,000,000.
	Steps int64
	// Elements bounds one array or map: 100,000.
	Elements int
	// ValueBytes bounds one text or stored value: 16 MiB.
	ValueBytes int
	// KeyBytes bounds a key: 4 KiB, at most 32 KiB.
	KeyBytes int
	// SourceBytes bounds the text of a script: 256 KiB.
	SourceBytes int
	// Statements bounds the statements of a script: 10,000.
	Statements int
	// Nesting bounds how deep blocks, parentheses, calls and arrays stand in each
	// other: 200, at most 1000.
	Nesting int
	// Rows bounds the rows of a read of a bucket or prefix without a limit: 4096.
	Rows int
	// WrittenKeys and WrittenBytes bound what one script writes: 10,000 keys, and
	// 64 MiB of keys and values.
	WrittenKeys  int
	WrittenBytes int64
	// MemoryBytes bounds the texts, arrays and maps that one run makes or reads:
	// 256 MiB in all.
	MemoryBytes int64
	// AnswerBytes bounds the keys and values of an answer of several entries, of
	// which a text counts as often as it occurs: 64 MiB.
	AnswerBytes int64
	// Sleep bounds one sleep: 5 minutes.
	Sleep time.Duration
	// Timeout is that of a script that names none: 5 s. TimeoutMax is the longest
	// one that a script or caller may ask for: 5 minutes.
	Timeout, TimeoutMax time.Duration
	// AdmissionWait bounds the wait for admission that a script or caller may ask
	// for: 30 s.
	AdmissionWait time.Duration
}

// DefaultLimits returns the limits with every field set to its default.
func DefaultLimits() Limits { return limitsOf(script.DefaultLimits()) }

// script returns the limits as the language has them. Times are rounded up to
// whole milliseconds.
func (l *Limits) script() script.Limits {
	return script.Limits{Steps: l.Steps, Elements: l.Elements, ValueBytes: l.ValueBytes, KeyBytes: l.KeyBytes,
		SourceBytes: l.SourceBytes, Statements: l.Statements, Nesting: l.Nesting, Rows: l.Rows,
		WrittenKeys: l.WrittenKeys, WrittenBytes: l.WrittenBytes, MemoryBytes: l.MemoryBytes, AnswerBytes: l.AnswerBytes,
		SleepMs: milliseconds(l.Sleep), TimeoutMs: milliseconds(l.Timeout), TimeoutMaxMs: milliseconds(l.TimeoutMax),
		AdmissionMs: milliseconds(l.AdmissionWait)}
}

func limitsOf(l script.Limits) Limits {
	return Limits{Steps: l.Steps, Elements: l.Elements, ValueBytes: l.ValueBytes, KeyBytes: l.KeyBytes,
		SourceBytes: l.SourceBytes, Statements: l.Statements, Nesting: l.Nesting, Rows: l.Rows,
		WrittenKeys: l.WrittenKeys, WrittenBytes: l.WrittenBytes, MemoryBytes: l.MemoryBytes, AnswerBytes: l.AnswerBytes,
		Sleep:   time.Duration(l.SleepMs) * time.Millisecond,
		Timeout: time.Duration(l.TimeoutMs) * time.Millisecond, TimeoutMax: time.Duration(l.TimeoutMaxMs) * time.Millisecond,
		AdmissionWait: time.Duration(l.AdmissionMs) * time.Millisecond}
}

// milliseconds returns d in whole milliseconds, rounded up, so that what is
// positive stays so.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return ms
}
