// Package kv holds the nouns that all layers of the engine share: spaces,
// rows, and how a key is cut into bucket and rest.
package kv

import (
	"strings"

	"kahuna/internal/hlc"
	"kahuna/script"
)

// Space is a key space.
type Space = script.Space

// The spaces.
const (
	Persistent = script.Persistent
	Ephemeral  = script.Ephemeral
)

// Row is one version of a key.
type Row struct {
	Value    string
	Revision int64
	Prev     int64         // revision of the committed version this one superseded, -1 for none
	Modified hlc.Timestamp // commit time of this version
	Expires  int64         // Unix milliseconds, 0 for never
	Deleted  bool          // a tombstone; Value is empty, Expires 0
	NoRev    bool          // not to be kept in the history
	Gap      Gap           // the norev versions right before this one
}

// Gap is what the history does not show between a version and the one before
// it that it keeps: the norev versions that followed that one. With it, what
// was visible before them can still be told from what they hid. The zero Gap
// is none.
type Gap struct {
	Since hlc.Timestamp // commit time of the first of them; 0 for no gap
	Prev  int64         // revision that the first of them superseded, -1 for none
}

// Supersede makes r the version after old, the newest one of its key before
// it, whose Revision is -1 when there is none: it sets Prev and Gap.
func (r *Row) Supersede(old *Row) {
	r.Prev, r.Gap = old.Revision, Gap{}
	switch {
	case old.Revision < 0 || !old.NoRev:
	case old.Gap.Since != 0:
		r.Gap = old.Gap
	default:
		r.Gap = Gap{Since: old.Modified, Prev: old.Prev}
	}
}

// Before returns the revision that was the newest one at ts, a time before r
// was committed, -1 for none. ok is false when it was a norev version, of
// which history keeps no trace.
func (r *Row) Before(ts hlc.Timestamp) (revision int64, ok bool) {
	if r.Gap.Since == 0 {
		return r.Prev, true
	}
	return r.Gap.Prev, ts < r.Gap.Since
}

// KeptPrev returns the revision of the newest version before r that was not
// written with norev, -1 for none.
func (r *Row) KeptPrev() int64 {
	if r.Gap.Since == 0 {
		return r.Prev
	}
	return r.Gap.Prev
}

// Live reports whether the row is neither deleted nor expired at ms.
func (r *Row) Live(ms int64) bool {
	return !r.Deleted && (r.Expires == 0 || r.Expires > ms)
}

// Size returns about how many bytes the row takes in memory, without its key.
func (r *Row) Size() int { return len(r.Value) + 80 }

// SplitKey cuts a key into its bucket, the text before its last slash, and
// the rest after it. A key without a slash is its own bucket, with slash
// false.
func SplitKey(key string) (bucket, rest string, slash bool) {
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i], key[i+1:], true
	}
	return key, "", false
}

// InBucket reports whether key is one of the rows that a read of bucket
// shows: a key bucket + "/" + rest with no slash in rest.
func InBucket(key, bucket string) bool {
	b, _, slash := SplitKey(key)
	return slash && b == bucket
}
