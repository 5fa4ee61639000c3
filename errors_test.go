package kahuna

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"kahuna/script"
)

// TestErrorsAreOneLine: what does not print is quoted in the text of an error.
func TestErrorsAreOneLine(t *testing.T) {
	db := openTest(t, "", nil)
	for _, key := range []string{"a\x00b", "a\x00\nb", "\xff", "", strings.Repeat("k", 5000)} {
		_, err := db.Set(context.Background(), key, "v", nil)
		var e *Error
		if !errors.As(err, &e) || e.Code != script.CodeBadKey || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\n") || len(err.Error()) > 300 {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, err := db.Bucket(context.Background(), ""); err == nil || strings.Contains(err.Error(), "@b") {
		t.Errorf("an empty bucket: %v", err)
	}
}

// TestOptionsAreChecked: sizes below zero are refused, by name.
func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]*Options{
		"RowCacheBytes": {RowCacheBytes: -1}, "BlockCacheBytes": {BlockCacheBytes: -1}, "MemTableBytes": {MemTableBytes: -1},
		"EphemeralBytes": {EphemeralBytes: -1}, "IdempotencyBytes": {IdempotencyBytes: -1}, "HistoryRevisions": {HistoryRevisions: -2}, "SlowBytes": {SlowBytes: -2}, "SlowScripts": {SlowScripts: -1},
		"Limits.Steps": {Limits: Limits{Steps: -1}},
	} {
		db, err := OpenMemory(o)
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
