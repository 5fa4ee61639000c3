package kahuna

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestErrorsAreOneLine: what does not print is quoted in the text of an error.
func TestErrorsAreOneLine(t *testing.T) {
	db := openTest(t, "", nil)
	for _, key := range []string{"a\x00b", "a\x00\nb", "\xff", "", strings.Repeat("k", 5000)} {
		_, err := db.Set(context.Background(), key, "v", nil)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeBadKey || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\n") || len(err.Error()) > 300 {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, err := Collect(db.Bucket(context.Background(), "", nil)); err == nil || strings.Contains(err.Error(), "@b") {
		t.Errorf("an empty bucket: %v", err)
	}
}

// TestOptionsAreChecked: an option that the store would not keep as it is given
// is refused, with its name, its value, and what is allowed.
func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{HistoryRevisions: -2}, "HistoryRevisions must be -1 or more, got -2"},
		{Options{HistoryAge: -5}, "HistoryAge must be -1, 0, or 1ms or more, got -5ns"},
		{Options{HistoryAge: time.Microsecond}, "HistoryAge must be -1, 0, or 1ms or more, got 1µs"},
		{Options{IdempotencyAge: -1}, "IdempotencyAge must be 0, or 10m0s or more, got -1ns"},
		{Options{IdempotencyAge: time.Second}, "IdempotencyAge must be 0, or 10m0s or more, got 1s"},
		{Options{IdempotencyBytes: -1}, "IdempotencyBytes must be 0 to 1125899906842624, got -1"},
		{Options{RowCacheBytes: -1}, "RowCacheBytes must be 0 to 1125899906842624, got -1"},
		{Options{BlockCacheBytes: -1}, "BlockCacheBytes must be 0 to 1125899906842624, got -1"},
		{Options{MemTableBytes: 1}, "MemTableBytes must be 0, or 65536 to 1073741824, got 1"},
		{Options{MemTableBytes: 2 << 30}, "MemTableBytes must be 0, or 65536 to 1073741824, got 2147483648"},
		{Options{EphemeralBytes: -1}, "EphemeralBytes must be 0 to 1125899906842624, got -1"},
		{Options{SlowProcessors: -1}, "SlowProcessors must be 0 to 65536, got -1"},
		{Options{SlowScripts: -1}, "SlowScripts must be 0 to 1073741824, got -1"},
		{Options{SlowWaiting: -1}, "SlowWaiting must be 0 to 1073741824, got -1"},
		{Options{SlowBytes: -2}, "SlowBytes must be -1 to 1125899906842624, got -2"},
		{Options{AdmissionWait: -time.Second}, "AdmissionWait must be 0, or 1ms or more, got -1s"},
		{Options{AdmissionWait: time.Microsecond}, "AdmissionWait must be 0, or 1ms or more, got 1µs"},
		{Options{AdmissionWait: time.Minute}, "AdmissionWait must be at most Limits.AdmissionWait, which is 30s, got 1m0s"},
		{Options{Programs: -1}, "Programs must be 0 to 1073741824, got -1"},
		{Options{Limits: Limits{KeyBytes: 1 << 20}}, "Limits.KeyBytes must be 0 to 32768, got 1048576"},
		{Options{Limits: Limits{Steps: -1}}, "Limits.Steps must be 0 or more, got -1"},
		{Options{Limits: Limits{Sleep: -1}}, "Limits.Sleep must be 0s or more, got -1ns"},
		{Options{Limits: Limits{Timeout: 10 * time.Minute}}, "Limits.Timeout must be at most Limits.TimeoutMax, which is 5m0s, got 10m0s"},
	} {
		db, err := OpenMemory(&tt.options)
		if err == nil {
			_ = db.Close()
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeBadRequest || e.Message != tt.want || e.Hint == "" {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	// Every option and limit is among them: none is taken unseen.
	for _, o := range []any{&Options{}, &Limits{}} {
		fields := reflect.ValueOf(o).Elem()
		for i := range fields.NumField() {
			field := fields.Type().Field(i)
			if !field.IsExported() || !fields.Field(i).CanInt() {
				continue
			}
			fields.Field(i).SetInt(-5)
			bad, ok := o.(*Options)
			if !ok {
				bad = &Options{Limits: *o.(*Limits)}
			}
			if err := bad.check(); err == nil || !strings.Contains(err.Error(), field.Name+" must be ") {
				t.Errorf("%s = -5: %v", field.Name, err)
			}
			fields.Field(i).SetInt(0)
		}
	}
	if err := (&Options{HistoryAge: -1, HistoryRevisions: -1, SlowBytes: -1, IdempotencyAge: 10 * time.Minute,
		AdmissionWait: time.Millisecond, MemTableBytes: 64 << 10, Limits: Limits{Timeout: 5 * time.Minute}}).check(); err != nil {
		t.Error(err)
	}
}
