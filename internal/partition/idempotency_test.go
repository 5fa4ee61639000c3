package partition

import (
	"errors"
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
