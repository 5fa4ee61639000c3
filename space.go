package kahuna

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"kahuna/internal/partition"
	"kahuna/script"
)

// space is the Space of a DB.
type space struct {
	db    *DB
	space script.Space
}

func (s *space) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	j := s.db.callJob(callGet, s.space, key)
	err = s.do(ctx, j)
	if row := &j.call.row; row.Found {
		e.setRow(row)
		ok = true
	} else {
		e.Key, e.Revision = key, -1
	}
	j.free()
	return e, ok, err
}

func (s *space) Exists(ctx context.Context, key string) (bool, error) {
	j := s.db.callJob(callGet, s.space, key)
	defer j.free()
	err := s.do(ctx, j)
	return j.call.row.Found, err
}

func (s *space) Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error) {
	j := s.db.callJob(callSet, s.space, key)
	defer j.free()
	if err := j.call.setTo(value, o, &s.db.limits); err != nil {
		return WriteResult{}, err
	}
	err := s.do(ctx, j)
	return j.call.wrote(), err
}

func (s *space) Delete(ctx context.Context, key string) (WriteResult, error) {
	j := s.db.callJob(callDelete, s.space, key)
	defer j.free()
	err := s.do(ctx, j)
	return j.call.wrote(), err
}

func (s *space) Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error) {
	j := s.db.callJob(callExtend, s.space, key)
	defer j.free()
	if err := j.call.endIn(ttl); err != nil {
		return WriteResult{}, err
	}
	err := s.do(ctx, j)
	return j.call.wrote(), err
}

// setTo gives a Set its value and options.
func (w *call) setTo(value string, o *SetOptions, limits *script.Limits) error {
	w.value = value
	if o != nil {
		w.set = script.SetOptions{NX: o.NX, XX: o.XX, NoRev: o.NoHistory, TTL: milliseconds(o.TTL), KeepTTL: o.KeepTTL}
		if o.Equals != nil {
			w.set.HasCmp, w.set.Cmp = true, *o.Equals
		}
		if o.Revision != nil {
			w.set.HasCmpRev, w.set.CmpRev = true, *o.Revision
		}
		if o.TTL < 0 {
			return badRequest("set", w.key, fmt.Sprintf("TTL must not be negative, got %v", o.TTL), "0 is for ever; Delete ends a key now")
		}
		if o.NX && o.XX {
			return badRequest("set", w.key, "NX contradicts XX", "")
		}
	}
	if n, limit := len(value), limits.ValueBytes; n > limit {
		return &Error{Op: "set", Key: w.key, Code: CodeLimit,
			Message: fmt.Sprintf("the value has %d bytes, more than %d; the limit is Limits.ValueBytes", n, limit)}
	}
	return nil
}

// endIn gives an Extend its time to live.
func (w *call) endIn(ttl time.Duration) error {
	if ttl < 0 {
		return badRequest("extend", w.key, fmt.Sprintf("the time to live must not be negative, got %v", ttl), "0 is for ever; Delete ends a key now")
	}
	w.set.TTL = milliseconds(ttl)
	return nil
}

// checkKey refuses what is no key.
func checkKey(op, key string, limits *script.Limits) error {
	if key != "" && len(key) <= limits.KeyBytes && utf8.ValidString(key) && strings.IndexByte(key, 0) < 0 {
		return nil
	}
	return &Error{Op: op, Key: shorten(key), Code: CodeBadKey,
		Message: fmt.Sprintf("a key must be a non-empty UTF-8 text without NUL of at most %d bytes", limits.KeyBytes),
		Hint:    "the limit is Limits.KeyBytes"}
}

// do checks the key and runs j.
func (s *space) do(ctx context.Context, j *callJob) error {
	w := &j.call
	if err := checkKey(callNames[w.kind], w.key, &s.db.limits); err != nil {
		return err
	}
	_, err := s.db.node.Runner.Run(ctx, &j.job)
	w.time = j.result.Time
	if err != nil {
		w.forget()
		return callErrorOf(callNames[w.kind], w.key, err)
	}
	return nil
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
)

var callNames = [...]string{"set", "get", "delete", "extend"}

// call is the Work of a point call.
type call struct {
	kind  callKind
	space script.Space
	key   string
	value string
	set   script.SetOptions
	// result, when not nil, is the answer that a write gives the engine, which
	// stamps it with the commit time.
	result *script.Result

	row   script.Row
	write script.WriteResult
	time  script.Timestamp // of the commit
}

// Do runs the call.
func (w *call) Do(tx *partition.Tx, _ int64) (_ *script.Result, err error) {
	switch w.kind {
	case callSet:
		w.write, err = tx.Set(w.space, w.key, w.value, &w.set)
		return w.result, err
	case callGet:
		w.row, err = tx.Get(w.space, w.key)
	case callDelete:
		w.write, err = tx.Delete(w.space, w.key)
		return w.result, err
	case callExtend:
		w.write, err = tx.Extend(w.space, w.key, w.set.TTL)
		return w.result, err
	}
	return nil, err
}

// reset makes w, which was a call, ready to be another.
func (w *call) reset() {
	w.key, w.row.Key, w.row.Value, w.row.Found = "", "", "", false
	if w.kind != callGet {
		w.value, w.set, w.write, w.time = "", script.SetOptions{}, script.WriteResult{}, 0
	}
}

// forget drops what a call that failed has read: it may be lost, and is of no
// moment.
func (w *call) forget() {
	w.row, w.write = script.Row{Key: w.key, Revision: -1}, script.WriteResult{Revision: -1}
}

// entry is the answer of a read.
func (w *call) entry() Entry {
	if !w.row.Found {
		return Entry{Key: w.key, Revision: -1}
	}
	return rowEntry(&w.row)
}

// wrote is the answer of a write.
func (w *call) wrote() WriteResult {
	r := WriteResult{Done: w.write.Done, Revision: w.write.Revision}
	if r.Done {
		r.Time = unixMilli(w.time.Millis())
	}
	return r
}

func (w *call) lockSet() (s partition.LockSet) {
	s.AddPoint(partition.Point{Space: w.space, Key: w.key, Write: w.kind != callGet})
	return s
}
