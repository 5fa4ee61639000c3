package restwire

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"kahuna"
)

// TestLargeResultIsStreamed encodes a result of 30 texts that share a million
// control characters, of which JSON makes six million bytes each. The memory of
// it is that of one of them, and of what the encoder needs to grow to it.
func TestLargeResultIsStreamed(t *testing.T) {
	const entries, control = 30, 1_000_000
	r := &kahuna.Result{Type: kahuna.TypeGet, List: true}
	long := strings.Repeat("\x01", control)
	for range entries {
		r.Entries = append(r.Entries, kahuna.Entry{Kind: kahuna.KindString, Value: long, Revision: -1})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	written := &counter{}
	if err := EncodeTo(written, ResultOf(r)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if written.n < 6*entries*control {
		t.Errorf("%d bytes were written, want %d", written.n, 6*entries*control)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 6*6*control {
		t.Errorf("the encoder allocated %d bytes for %d", made, written.n)
	}
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

var _ io.Writer = &counter{}

// TestResultAsItIsSent reads results as a client does.
func TestResultAsItIsSent(t *testing.T) {
	r := &kahuna.Result{Type: kahuna.TypeGet, Outcome: kahuna.Applied, List: true, Entries: []kahuna.Entry{
		{Key: "k", Kind: kahuna.KindString, Value: "a\"\\\n\x01\u00e9\u2028</b>", Revision: 3},
		{Kind: kahuna.KindString, Value: "\xff\x00", Revision: -1},
		{Kind: kahuna.KindString, Revision: -1},
		{Kind: kahuna.KindNull, Revision: -1},
		{Kind: kahuna.KindFloat, Value: "1.5", Revision: -1},
		{Kind: kahuna.KindFloat, Value: "NaN", Revision: -1},
		{Kind: kahuna.KindMap, Value: `{"a":[1,"\u00e9"]}`, Revision: -1},
	}}
	data, err := Encode(ResultOf(r))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := EncodeTo(&b, ResultOf(r)); err != nil || strings.TrimSuffix(b.String(), "\n") != string(data) {
		t.Errorf("streamed, %v:\n%s\nin one piece:\n%s", err, b.String(), data)
	}
	var sent Result
	if err := Decode(data, &sent); err != nil {
		t.Fatal(err)
	}
	got, err := sent.Kahuna()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range r.Entries {
		if got.Entries[i] != want {
			t.Errorf("entry %d of\n%s\nis %+v, want %+v", i, data, got.Entries[i], want)
		}
	}
}
