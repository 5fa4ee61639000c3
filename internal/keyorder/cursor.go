package keyorder

import "bytes"

// A Cursor stands on a row of a source whose rows are in store order, or on
// none. Keys are not empty, have no NUL byte, and are different.
//
// A new cursor stands on no row. The methods that move it report whether it
// then stands on a row; if not, either there is no such row, and Err returns
// nil, or reading failed, and Err returns why. After that only SeekGE, SeekLT
// and Last may be called. Next and Prev are called only on a row.
//
// A source may hide rows that no walk of a Range can need: those outside the
// buckets that Range.Buckets tells. The rows must not change during a walk.
type Cursor interface {
	// SeekGE moves to the first row at or behind at.
	SeekGE(at Position) bool
	// SeekLT moves to the last row before at.
	SeekLT(at Position) bool
	// Last moves to the last row.
	Last() bool
	// Next moves to the row behind the current one.
	Next() bool
	// Prev moves to the row before the current one.
	Prev() bool
	// Key returns the key of the current row. It is valid, and stays as it
	// is, until the cursor is moved.
	Key() []byte
	// Err returns why the last move failed, nil if it did not.
	Err() error
}

// A Position is a place in store order, whether a row is there or not.
// Positions are ordered by Bucket, then Slash, false first, then Rest. The row
// of the key bucket + "/" + rest, with no slash in rest, is at {bucket, true,
// rest}; that of a key without a slash at {key, false, nil}. In the Position
// of a seek Bucket and Rest may be any bytes but NUL, also a Rest with slashes
// and a Bucket with slashes but Slash false. A cursor must not keep them.
type Position struct {
	Bucket []byte
	Slash  bool
	Rest   []byte
}

// bucketLen returns the length of a key's bucket.
func bucketLen(key []byte) int {
	if i := bytes.LastIndexByte(key, '/'); i >= 0 {
		return i
	}
	return len(key)
}

// bucketOf returns the bucket of a key.
func bucketOf(key []byte) []byte { return key[:bucketLen(key)] }

// positionOf returns where the row of a key is.
func positionOf(key []byte) Position {
	n := bucketLen(key)
	if n == len(key) {
		return Position{Bucket: key}
	}
	return Position{Bucket: key[:n], Slash: true, Rest: key[n+1:]}
}

// commonPrefix returns how many bytes a and b begin with in common.
func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
