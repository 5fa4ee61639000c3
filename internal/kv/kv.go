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
}

// Live reports whether the row is neither deleted nor expired at ms.
func (r *Row) Live(ms int64) bool {
	return !r.Deleted && (r.Expires == 0 || r.Expires > ms)
}

// Size returns about how many bytes the row takes in memory, without its key.
func (r *Row) Size() int { return len(r.Value) + 64 }

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
