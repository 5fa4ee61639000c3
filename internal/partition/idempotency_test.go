package partition

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/script"
)

// answer is a write with a result.
type answer string

func (a answer) Do(tx *Tx, _ int64) (*script.Result, error) {
	_, err := tx.Set(script.Persistent, "k", string(a), &script.SetOptions{})
	return &script.Result{Entries: []script.Entry{{Value: string(a), HasValue: true}}}, err
}

// TestForgetLate: what is forgotten is decided by the age of a result when the
// entry is applied. An order that comes late does not drop the result of a
// request that ran again meanwhile.
func TestForgetLate(t *testing.T) {
	p := onStore(t, 1<<20)
	req := &Request{Key: "id"}
	want := func(what, value string) {
		t.Helper()
		res, _, err := p.Remembered(req)
		if err != nil || (res == nil) != (value == "") || res != nil && res.Text() != value {
			t.Fatalf("%s: %+v, %v, want %q", what, res, err, value)
		}
	}
	run := func(value string, nowMs int64) {
		t.Helper()
		if _, _, err := p.Fast(context.Background(), answer(value), nil, nowMs, req); err != nil {
			t.Fatal(err)
		}
	}
	due := kv.Period{To: hlc.At(500)}
	forget := func() {
		t.Helper()
		if _, err := p.Forget(due, 2000); err != nil {
			t.Fatal(err)
		}
	}
	run("first", 1)
	p.commit(true)
	forget()
	want("ordered", "first")
	p.commit(true)
	want("applied", "")
	run("second", 2000)
	forget() // in the same entry
	p.commit(true)
	want("late, in one entry", "second")
	forget()
	p.commit(true)
	want("late", "second")
	if n, _ := p.st.Results(); n != 1 {
		t.Errorf("%d results", n)
	}
}

// TestForeignResult: a result that another version of the program wrote is told
// from a damaged one, and neither says that the request was not applied.
func TestForeignResult(t *testing.T) {
	data := encodeResult(&script.Result{Type: script.TypeSet, Entries: []script.Entry{{Key: "k"}}})
	if _, err := decodeResult(data); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[byte]string{
		resultVersion + 1: "written by another version of the program: it has format version 3, this program knows 2; the request was applied",
		1:                 "it has format version 1, this program knows 2",
		0:                 "a remembered result is damaged",
	} {
		data[0] = version
		_, err := decodeResult(data)
		if err == nil {
			t.Fatal(version)
		}
		var e *script.Error
		if err = errUnreadable(err); !errors.As(err, &e) || e.Outcome != script.OutcomeUnknown || !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v, want %q", version, err, want)
		}
	}
}

// TestResultRemembered: a repeated request gets all that the first got, and
// damage does not go unnoticed.
func TestResultRemembered(t *testing.T) {
	want := &script.Result{Type: script.TypeSet, Outcome: script.Applied, Op: script.OpSet, List: true,
		Entries: []script.Entry{
			{Key: "k", HasValue: true, Kind: script.KindInt, Value: "v", Revision: 300, Expires: 1_700_000_000_000, Modified: 1 << 60},
			{Key: "none", Revision: -1},
		},
		Warnings: []script.Warning{{Line: 3, Column: 200, Text: "a warning"}, {Line: 4, Column: 1, Text: "another"}}}
	data := encodeResult(want)
	if got, err := decodeResult(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	for n := range data {
		if got, err := decodeResult(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes: %+v", n, len(data), got)
		}
	}
	if got, err := decodeResult(append(data, 0)); err == nil {
		t.Errorf("a byte too many: %+v", got)
	}
}
