package store

import (
	"bytes"
	"encoding/binary"
	"strings"

	"kahuna/internal/kv"
)

// First bytes of the rows on Pebble; see the package comment.
const (
	prefixRow     = 'L'
	prefixHistory = 'H'
	prefixDying   = 'X'
	prefixResult  = 'I'
	prefixAge     = 'J'
	prefixMeta    = 'R'
)

// The only space on disk. The byte is there so that another one could be added
// without a new format.
const spaceByte = byte(kv.Persistent)

// The marker between bucket and rest. Bare sorts first, so that the key "a"
// comes before all "a/…" and both come before the bucket "a-".
const (
	markerBare  = 1 // the key is its bucket
	markerSlash = 2 // bucket, slash, rest
)

// KeyBytesMax is the longest key the store takes, a bound for the encoding.
// The language has a lower one.
const KeyBytesMax = 1<<16 - 1

func validKey(key string) bool {
	return key != "" && len(key) <= KeyBytesMax && strings.IndexByte(key, 0) < 0
}

// appendRowKey appends prefix and the key in its order-preserving form. The
// key has no NUL, so bucket and rest can not run into each other.
func appendRowKey(b []byte, prefix byte, key string) []byte {
	bucket, rest, slash := kv.SplitKey(key)
	b = append(b, prefix, spaceByte)
	b = append(b, bucket...)
	if !slash {
		return append(b, 0, markerBare)
	}
	b = append(b, 0, markerSlash)
	return append(b, rest...)
}

// decodeRowKey undoes appendRowKey.
func decodeRowKey(b []byte) (key string, ok bool) {
	if len(b) < 2 {
		return "", false
	}
	b = b[2:]
	i := bytes.IndexByte(b, 0)
	if i < 0 || i+1 >= len(b) {
		return "", false
	}
	bucket, rest := b[:i], b[i+2:]
	switch b[i+1] {
	case markerBare:
		return string(bucket), len(rest) == 0
	case markerSlash:
		return string(bucket) + "/" + string(rest), true
	}
	return "", false
}

// appendHistoryPrefix appends what all H rows of key begin with, which is the
// key of its marker.
func appendHistoryPrefix(b []byte, key string) []byte {
	return append(appendRowKey(b, prefixHistory, key), 0)
}

func appendHistoryKey(b []byte, key string, revision int64) []byte {
	return binary.BigEndian.AppendUint64(appendHistoryPrefix(b, key), ^uint64(revision))
}

// appendBlockKey appends the H row of a block, which comes right after the row
// that its last revision would have alone.
func appendBlockKey(b []byte, key string, revision int64) []byte {
	return append(appendHistoryKey(b, key, blockOf(revision)+blockRevisions-1), blockMark)
}

// appendHistoryBelow appends the least key of the H rows of key with a revision
// below the given one. If that is the first of a block, or the newest of the
// key, they are all rows from there on.
func appendHistoryBelow(b []byte, key string, revision int64) []byte {
	return append(appendHistoryKey(b, key, revision), 0)
}

// blockMark ends the key of a block. It sorts behind what appendHistoryBelow
// appends.
const blockMark = 0xff

// splitHistoryKey cuts an H row into the part for its key and the end, which
// splitRevision reads, and which is empty for a marker.
func splitHistoryKey(b []byte) (rowKey, end []byte, ok bool) {
	n := 2                             // behind the space
	for _, skip := range []int{2, 1} { // behind the bucket's NUL and its marker, behind the other NUL
		if n > len(b) {
			return nil, nil, false
		}
		i := bytes.IndexByte(b[n:], 0)
		if i < 0 || n+i+skip > len(b) {
			return nil, nil, false
		}
		n += i + skip
	}
	return b[:n-1], b[n:], true
}

// splitRevision reads the end of an H row's key: the revision, for a block its
// last one.
func splitRevision(end []byte) (revision int64, block, ok bool) {
	switch {
	case len(end) == 8:
	case len(end) == 9 && end[8] == blockMark:
		block = true
	default:
		return 0, false, false
	}
	revision = int64(^binary.BigEndian.Uint64(end))
	return revision, block, revision >= 0 && (!block || revision == blockOf(revision)+blockRevisions-1)
}

// appendDyingKey appends the X row of a key. The key stands there as it is:
// nothing comes after it.
func appendDyingKey(b []byte, at int64, key string) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixDying), uint64(at))
	return append(append(b, spaceByte), key...)
}

const dyingHead = 1 + 8 + 1

func appendResultKey(b []byte, key string) []byte {
	return append(append(b, prefixResult), key...)
}

func appendAgeKey(b []byte, time uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(append(b, prefixAge), time), key...)
}

const ageHead = 1 + 8

// span is the half-open range [low, high) of Pebble keys.
type span struct{ low, high []byte }

func prefixSpan(prefix []byte) span {
	return span{prefix, prefixEnd(prefix)}
}

// prefixEnd returns the least key above all keys that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// rowSpans returns the ranges of L rows that a read of a bucket or a prefix
// covers, in store order. A bucket is one range: exactly the keys of
// kv.InBucket. A prefix without a slash is one, since the bucket of every key
// that begins with it begins with it too. A prefix with a slash is two: the
// rests of the bucket before that slash, and the deeper buckets.
func rowSpans(prefix bool, text string) []span {
	head := []byte{prefixRow, spaceByte}
	bucket, rest, slash := kv.SplitKey(text)
	if !prefix {
		return []span{prefixSpan(append(append(head, text...), 0, markerSlash))}
	}
	deep := prefixSpan(append(bytes.Clone(head), text...))
	if !slash {
		return []span{deep}
	}
	flat := append(append(head, bucket...), 0, markerSlash)
	return []span{prefixSpan(append(flat, rest...)), deep}
}
