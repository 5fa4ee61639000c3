package partition

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"kahuna/script"
)

// TestNewerResult: a result that a newer program wrote is told from a damaged
// one, and neither says that the request was not applied.
func TestNewerResult(t *testing.T) {
	data := encodeResult(&script.Result{Type: script.TypeSet, Entries: []script.Entry{{Key: "k"}}})
	if _, err := decodeResult(data); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[byte]string{
		resultVersion + 1: "written by a newer program: it has format version 2, this program knows 1; the request was applied",
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
	want := &script.Result{Type: script.TypeSet, Outcome: script.Applied, Op: script.OpSet,
		Entries: []script.Entry{
			{Key: "k", HasValue: true, Value: "v", Revision: 300, Expires: 1_700_000_000_000, Modified: 1 << 60},
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
