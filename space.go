package kahuna

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// Space is one of a store's two key spaces. Its calls do what single commands
// of the language do, at no cost of parsing, in the same order with scripts.
//
// A key is a non-empty UTF-8 text without NUL of at most Limits.KeyBytes; a
// value is any bytes, at most Limits.ValueBytes of them. Times to live are
// counted in whole milliseconds.
type Space struct {
	db    *DB
	space script.Space
}

// SetOptions are the conditions and modifiers of a Set.
type SetOptions struct {
	// NX sets only a key that is not live, XX only one that is.
	NX, XX bool
	// Equals, when not nil, sets only when the live value equals it.
	Equals *string
	// Revision, when not nil, sets only when the key stands at it; -1 is a
	// key that is not live.
	Revision *int64
	// TTL is the time to live; 0 means for ever, whatever it was before.
	TTL time.Duration
	// NoHistory keeps this version out of the history once it is superseded.
	NoHistory bool
}

// WriteResult is what a write did.
type WriteResult struct {
	// Done tells whether the write had an effect: its conditions held, the
	// key to delete or extend was live.
	Done bool
	// Revision is the key's revision after the call, -1 when it has none.
	Revision int64
}

// Set writes key. A condition that does not hold is no error: Done is false.
func (s Space) Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error) {
	w, err := setCall(key, value, o, &s.db.opts.Limits)
	if err != nil {
		return WriteResult{}, err
	}
	err = s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// setCall makes the call of a Set.
func setCall(key, value string, o *SetOptions, limits *Limits) (call, error) {
	w := call{kind: callSet, key: key, value: value}
	if o != nil {
		w.set = script.SetOptions{NX: o.NX, XX: o.XX, NoRev: o.NoHistory, TTL: o.TTL.Milliseconds()}
		if o.Equals != nil {
			w.set.HasCmp, w.set.Cmp = true, *o.Equals
		}
		if o.Revision != nil {
			w.set.HasCmpRev, w.set.CmpRev = true, *o.Revision
		}
		if o.TTL > 0 && w.set.TTL == 0 {
			w.set.TTL = 1
		}
		if o.TTL < 0 {
			return call{}, badCall("set", key, "TTL must not be negative")
		}
		if o.NX && o.XX {
			return call{}, badCall("set", key, "NX contradicts XX")
		}
	}
	if n, limit := len(value), limits.ValueBytes; n > limit {
		return call{}, &Error{Op: "set", Key: key, Code: script.CodeLimit,
			Message: fmt.Sprintf("the value has %d bytes, more than %d; the limit is Limits.ValueBytes", n, limit)}
	}
	return w, nil
}

// Get reads key. ok is false when it is not live.
func (s Space) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	w := call{kind: callGet, key: key}
	err = s.do(ctx, &w)
	return entry(&w.row), w.row.Found, err
}

// Exists reports whether key is live.
func (s Space) Exists(ctx context.Context, key string) (bool, error) {
	_, ok, err := s.Get(ctx, key)
	return ok, err
}

// Delete deletes key. Done is false when it was not live.
func (s Space) Delete(ctx context.Context, key string) (WriteResult, error) {
	w := call{kind: callDelete, key: key}
	err := s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// Extend makes key end ttl from now, earlier or later than before; 0 makes it
// live for ever. Done is false when it was not live.
func (s Space) Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error) {
	w, err := extendCall(key, ttl)
	if err != nil {
		return WriteResult{}, err
	}
	err = s.do(ctx, &w)
	return WriteResult{w.write.Done, w.write.Revision}, err
}

// extendCall makes the call of an Extend.
func extendCall(key string, ttl time.Duration) (call, error) {
	if ttl < 0 {
		return call{}, badCall("extend", key, "the time to live must not be negative")
	}
	w := call{kind: callExtend, key: key}
	if w.set.TTL = ttl.Milliseconds(); ttl > 0 && w.set.TTL == 0 {
		w.set.TTL = 1
	}
	return w, nil
}

// Bucket returns the live keys bucket + "/" + rest, with no slash in rest, in
// the order of their bytes, all of one moment. One slash at the end of bucket is
// ignored, as in the language. More than Limits.Rows of them
// are an error of code "limit".
func (s Space) Bucket(ctx context.Context, bucket string) ([]Entry, error) {
	const source = "get by bucket @b"
	const ephemeral = "eget by bucket @b"
	if err := checkKey("bucket", bucket, &s.db.opts.Limits); err != nil {
		return nil, err
	}
	return s.rows(ctx, source, ephemeral, bucket)
}

func (s Space) rows(ctx context.Context, persistent, ephemeral, operand string) ([]Entry, error) {
	source := persistent
	if s.space == script.Ephemeral {
		source = ephemeral
	}
	res, err := s.db.Run(ctx, source, Params{"b": operand})
	if err != nil {
		return nil, err
	}
	return res.Entries, nil
}

// Page is a part of the rows with a prefix.
type Page struct {
	Entries []Entry
	// Next is the After of the following page; "" when this is the last.
	Next string
}

// Prefix returns at most limit live keys that start with prefix and come after
// the key after ("" for the first page; then Page.Next). An empty prefix is
// refused: there is no call that lists every key; keys that are to be listed
// together need a common beginning. limit is at least 1
// and at most Limits.Rows; 0 means that. Keys come in the store's order: by
// bucket (what is before the last slash), then by the rest; each key once. A
// page is of one moment, two pages are not.
func (s Space) Prefix(ctx context.Context, prefix, after string, limit int) (Page, error) {
	rowsMax := s.db.opts.Limits.Rows
	if limit < 0 {
		return Page{}, badCall("prefix", prefix, "limit must not be negative")
	}
	if limit == 0 || limit > rowsMax {
		limit = rowsMax
	}
	if prefix == "" {
		return Page{}, badCall("prefix", prefix, "the prefix must not be empty")
	}
	w := call{kind: callPage, key: prefix, value: after, limit: limit, space: s.space}
	for {
		if err := s.do(ctx, &w); err != nil {
			return Page{}, err
		}
		if len(w.rows) > 0 || w.next == "" {
			break
		}
		w.value = w.next // only rows that have ended: go on
	}
	page := Page{Next: w.next}
	for i := range w.rows {
		page.Entries = append(page.Entries, entry(&w.rows[i]))
	}
	return page, nil
}

func entry(r *script.Row) Entry {
	if !r.Found {
		return Entry{Key: r.Key, Revision: -1}
	}
	return Entry{Key: r.Key, Value: r.Value, HasValue: true, Revision: r.Revision, Expires: r.Expires, Modified: r.Modified}
}

func badCall(op, key, message string) error {
	return &Error{Op: op, Key: key, Code: script.CodeBadRequest, Message: message}
}

// checkKey refuses what is no key.
func checkKey(op, key string, limits *Limits) error {
	if key != "" && len(key) <= limits.KeyBytes && utf8.ValidString(key) && strings.IndexByte(key, 0) < 0 {
		return nil
	}
	return &Error{Op: op, Key: shorten(key), Code: script.CodeBadKey,
		Message: fmt.Sprintf("a key must be a non-empty UTF-8 text without NUL of at most %d bytes", limits.KeyBytes),
		Hint:    "the limit is Limits.KeyBytes"}
}

// do checks the key and runs w.
func (s Space) do(ctx context.Context, w *call) error {
	if err := checkKey(callNames[w.kind], w.key, &s.db.opts.Limits); err != nil {
		return err
	}
	w.space = s.space
	j := newCallJob(w)
	defer j.free()
	j.job.TimeoutMs, j.job.AdmissionMs = s.db.opts.Limits.TimeoutMs, s.db.opts.AdmissionWait.Milliseconds()
	j.job.Path = txn.Auto
	if s.db.opts.forceSlow && w.kind != callPage {
		j.job.Path = txn.Slow
	}
	_, err := s.db.node.Runner.Run(ctx, &j.job)
	*w = j.call
	if err != nil {
		w.forget()
		return callError(w.kind, w.key, err)
	}
	return nil
}

// callError names the call in its error.
func callError(kind callKind, key string, err error) error {
	var e *Error
	if err = runError(err); !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Op, named.Key = callNames[kind], key
	return &named
}

func shorten(key string) string {
	if len(key) > 40 {
		return strings.ToValidUTF8(key[:40], "") + "…"
	}
	return key
}

type callKind uint8

const (
	callSet callKind = iota
	callGet
	callDelete
	callExtend
	callPage
)

var callNames = [...]string{"set", "get", "delete", "extend", "prefix"}

// call is the Work of a point call.
type call struct {
	kind  callKind
	space script.Space
	key   string
	value string // or, of a page, the key before it
	set   script.SetOptions
	limit int

	row   script.Row
	write script.WriteResult
	rows  []script.Row
	next  string
}

// Do runs the call.
func (w *call) Do(tx *partition.Tx, _ int64) (res *script.Result, err error) {
	switch w.kind {
	case callSet:
		w.write, err = tx.Set(w.space, w.key, w.value, &w.set)
	case callGet:
		w.row, err = tx.Get(w.space, w.key)
	case callDelete:
		w.write, err = tx.Delete(w.space, w.key)
	case callExtend:
		w.write, err = tx.Extend(w.space, w.key, w.set.TTL)
	case callPage:
		w.rows, w.next, err = tx.Page(partition.Range{Space: w.space, Prefix: true, Text: w.key}, w.value, w.limit)
	}
	return nil, err
}

// forget drops what a call that failed has read: it may be lost, and is of no
// moment.
func (w *call) forget() {
	w.row, w.write = script.Row{Key: w.key, Revision: -1}, script.WriteResult{Revision: -1}
	w.rows, w.next = nil, ""
}

func (w *call) lockSet() (s partition.LockSet) {
	if w.kind == callPage {
		s.AddRange(partition.Range{Space: w.space, Prefix: true, Text: w.key})
	} else {
		s.AddPoint(partition.Point{Space: w.space, Key: w.key, Write: w.kind != callGet})
	}
	return s
}
