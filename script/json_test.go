package script

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Null, "null"},
		{Bool(true), "true"},
		{Bool(false), "false"},
		{Int(-5), "-5"},
		{Float(2.5), "2.5"},
		{Float(9), "9"},
		{Float(1e21), "1e+21"},
		{Float(1e-7), "1e-7"},
		{String(""), `""`},
		{String(`a"b\c/`), `"a\"b\\c/"`},
		{String("\n\t\r\b\f\x00\x1f\x7f"), `"\n\t\r\b\f\u0000\u001f` + "\x7f" + `"`},
		{String("é<&>\u2028"), "\"é<&>\u2028\""},
		{String("\uFFFD"), "\"\uFFFD\""},
		{Array(nil), "[]"},
		{Array([]Value{Int(1), String("a"), Null, Bool(true), Array([]Value{Float(2.5)})}), `[1,"a",null,true,[2.5]]`},
	} {
		if got := jsonOf(c.v); got != c.want {
			t.Errorf("JSON = %s, want %s", got, c.want)
		}
	}
}

func TestJSONBeyondTheDeepest(t *testing.T) {
	v := Null
	for range 100_000 {
		v = Array([]Value{v})
	}
	want := strings.Repeat("[", maxNesting) + "null" + strings.Repeat("]", maxNesting)
	if got := jsonOf(v); got != want {
		t.Errorf("JSON of a deep array = %s", got)
	}
	if size, ok := jsonSize(&v, 0, 1<<20, testEnv(nil).meter); ok != nil || size != int64(len(want)) {
		t.Errorf("size of a deep array: %d, %v", size, ok)
	}
}

// TestJSONSize: the size asked for is the size written, and another reader
// finds what was written.
func TestJSONSize(t *testing.T) {
	value := rapid.OneOf(anyValue(3), rapid.Map(rapid.String(), String),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) Value { return String(string(b)) }))
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "v")
		text, ok := JSON(v)
		if !ok {
			return // not UTF-8: TestJSONOfBytes
		}
		m := testEnv(nil).meter
		size, err := jsonSize(&v, 0, 1<<30, m)
		if err != nil || size != int64(len(text)) {
			t.Fatalf("size of %s: %d, %v, want %d", text, size, err, len(text))
		}
		if _, err := jsonSize(&v, 0, size, m); err != nil {
			t.Fatalf("size %d of %s does not fit itself", size, text)
		}
		if _, err := jsonSize(&v, 0, size-1, m); err == nil {
			t.Fatalf("%s of %d bytes fits one less", text, size)
		}
		var back any
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if v.kind == KindString && back != strings.ToValidUTF8(v.str, "\uFFFD") && utf8.ValidString(v.str) {
			t.Fatalf("%s reads back as %q", text, back)
		}
	})
}

func TestJSONLimits(t *testing.T) {
	limits := Limits{ValueBytes: 100}.WithDefaults()
	m := newMeter(&limits)
	if s, err := jsonText(String(strings.Repeat("x", 98)), m); err != nil || len(s) != 100 || m.memory != 100 {
		t.Errorf("a text of just the limit: %d bytes, %v, charged %d", len(s), err, m.memory)
	}
	for _, v := range []Value{
		String(strings.Repeat("x", 99)),
		String(strings.Repeat("\x00", 20)),
		flatArray(make([]Value, 21)),
	} {
		_, err := jsonText(v, m)
		if got := shown(Null, err); got != "limit: value too long: more than 100 bytes; the limit is Limits.ValueBytes" {
			t.Errorf("to_json of %s: %s", jsonOf(v), got)
		}
	}
	limits.MemoryBytes = 200
	if got := shown(callToJSON(&callEnv{meter: m}, []Value{String(strings.Repeat("x", 99-10))})); strings.HasPrefix(got, "limit") {
		t.Error(got)
	}
	if got := shown(callToJSON(&callEnv{meter: m}, []Value{String("0123456789")})); got != "limit: script uses too much memory: more than 200 bytes; the limit is Limits.MemoryBytes" {
		t.Errorf("to_json without memory: %s", got)
	}
	// A text of 2^60 bytes is refused without writing it.
	big := String(strings.Repeat("x", 1000))
	for range 60 {
		big = Array([]Value{big, big})
	}
	if _, err := jsonText(big, m); err == nil {
		t.Error("a huge array has JSON")
	}
}

// jsonOf is JSON for a value whose texts are UTF-8.
func jsonOf(v Value) string {
	text, _ := JSON(v)
	return text
}

// TestJSONOfBytes: what is not UTF-8 has no JSON, wherever it stands.
func TestJSONOfBytes(t *testing.T) {
	for _, bad := range []string{"\xff", "a\xffb", "\xe6\x97", "\xed\xa0\x80", strings.Repeat("é", 20_000) + "\xc3"} {
		for _, v := range []Value{String(bad), Array([]Value{Int(1), String(bad)}), Map([]string{"a"}, []Value{String(bad)}), Map([]string{bad}, []Value{Null})} {
			if text, ok := JSON(v); ok {
				t.Errorf("JSON of %q is %q", bad, text)
			}
			got := shown(callToJSON(testEnv(nil), []Value{v}))
			if !strings.HasPrefix(got, "range: the text ") || !strings.Contains(got, "is not UTF-8") || !strings.Contains(got, "base64_encode") {
				t.Errorf("to_json of %q: %s", bad, got)
			}
		}
	}
}
