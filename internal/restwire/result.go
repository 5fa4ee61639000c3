package restwire

import (
	"encoding/base64"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kahuna"
)

// Result is the answer of a script.
type Result struct {
	Type      string    `json:"type"`
	Outcome   string    `json:"outcome"`
	Op        string    `json:"op,omitzero"`
	List      bool      `json:"list,omitzero"`
	Entries   []Entry   `json:"entries"`
	Warnings  []Warning `json:"warnings,omitzero"`
	ElapsedNs int64     `json:"elapsedNs"`
}

// Entry is a key with its value, or a value that a script computed.
type Entry struct {
	Key        string `json:"key,omitzero"`
	Kind       string `json:"kind"`
	Value      Value  `json:"value"`
	Revision   int64  `json:"revision"`
	ExpiresMs  int64  `json:"expiresMs,omitzero"`
	ModifiedMs int64  `json:"modifiedMs,omitzero"`
}

// Value is a value in JSON. A text is encoded only when it is written, which
// saves a copy of up to six times its length.
type Value struct {
	raw  jsontext.Value // nil for a text to write
	text string
}

// MarshalJSONTo implements json.MarshalerTo.
func (v Value) MarshalJSONTo(enc *jsontext.Encoder) error {
	switch {
	case v.raw != nil:
		return enc.WriteValue(v.raw)
	case utf8.ValidString(v.text):
		return enc.WriteToken(jsontext.String(v.text))
	}
	return enc.WriteValue(stringOf(v.text))
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *Value) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	*v = Value{raw: raw.Clone()}
	return err
}

// Page is a part of the keys. Next, when not empty, is the After of the part
// behind it.
type Page struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitzero"`
}

// Write is what a write of one key did.
type Write struct {
	Done     bool  `json:"done"`
	Revision int64 `json:"revision"`
	TimeMs   int64 `json:"timeMs,omitzero"`
}

// Warning is a remark on a script.
type Warning struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// out is how answers are written. Texts that are not UTF-8 stand in messages
// only; their bytes are replaced there.
var out = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true))

// Encode returns v, one of the types of this package, as JSON.
func Encode(v any) ([]byte, error) { return json.Marshal(v, out) }

// EncodeTo writes what Encode returns piece by piece. It holds hardly more than
// the longest value of v.
func EncodeTo(w io.Writer, v any) error { return json.MarshalWrite(w, v, out) }

// Decode reads the answer of a server into v. Members that this program does
// not know are ignored.
func Decode(data []byte, v any) error {
	return json.Unmarshal(data, v, jsontext.AllowInvalidUTF8(true))
}

// ResultOf returns r as it is sent.
func ResultOf(r *kahuna.Result) *Result {
	o := &Result{Type: r.Type.String(), Outcome: OutcomeText(r.Outcome), Op: r.Op.String(), List: r.List,
		Entries: make([]Entry, len(r.Entries)), Warnings: warningsOf(r.Warnings), ElapsedNs: int64(r.Elapsed)}
	for i := range r.Entries {
		o.Entries[i] = EntryOf(&r.Entries[i])
	}
	return o
}

// Kahuna returns the result that was sent.
func (r *Result) Kahuna() (*kahuna.Result, error) {
	typ, ok := types[r.Type]
	if !ok {
		return nil, fmt.Errorf("the result has type %q, which this client does not know", r.Type)
	}
	o := &kahuna.Result{Type: typ, Outcome: outcomeOf(r.Outcome), Op: OpOf(r.Op), List: r.List,
		Warnings: kahunaWarnings(r.Warnings), Elapsed: time.Duration(r.ElapsedNs)}
	for i := range r.Entries {
		e, err := r.Entries[i].Kahuna()
		if err != nil {
			return nil, err
		}
		o.Entries = append(o.Entries, e)
	}
	return o, nil
}

// types are the result types by name.
var types = func() map[string]kahuna.Type {
	m := map[string]kahuna.Type{}
	for _, t := range []kahuna.Type{kahuna.TypeSet, kahuna.TypeNotSet, kahuna.TypeExtended, kahuna.TypeGet, kahuna.TypeDeleted,
		kahuna.TypeCommitted, kahuna.TypeExists, kahuna.TypeDoesNotExist} {
		m[t.String()] = t
	}
	return m
}()

// ops are the commands by name.
var ops = func() map[string]kahuna.Op {
	m := map[string]kahuna.Op{}
	for o := kahuna.OpNone; o <= kahuna.OpReturn; o++ {
		m[o.String()] = o
	}
	return m
}()

// OpOf returns the command of a name, OpNone of one that this program does not
// know.
func OpOf(name string) kahuna.Op { return ops[name] }

// kinds are the kinds of values by name.
var kinds = func() map[string]kahuna.Kind {
	m := map[string]kahuna.Kind{}
	for k := kahuna.KindNull; k <= kahuna.KindMap; k++ {
		m[k.String()] = k
	}
	return m
}()

// EntryOf returns e as it is sent.
func EntryOf(e *kahuna.Entry) Entry {
	return Entry{Key: e.Key, Kind: e.Kind.String(), Value: valueOf(e), Revision: e.Revision,
		ExpiresMs: UnixMilli(e.Expires), ModifiedMs: UnixMilli(e.Modified)}
}

// Kahuna returns the entry that was sent.
func (e *Entry) Kahuna() (kahuna.Entry, error) {
	kind, ok := kinds[e.Kind]
	if !ok {
		return kahuna.Entry{}, fmt.Errorf("an entry has kind %q, which this client does not know", e.Kind)
	}
	text, err := textOf(kind, e.Value.raw)
	if err != nil {
		return kahuna.Entry{}, fmt.Errorf("an entry of kind %s: %w", kind, err)
	}
	return kahuna.Entry{Key: e.Key, Kind: kind, Value: text, Revision: e.Revision,
		Expires: timeOf(e.ExpiresMs), Modified: timeOf(e.ModifiedMs)}, nil
}

// binary is a text that is not UTF-8.
type binary struct {
	Base64 string `json:"base64"`
}

// valueOf returns the value of e in JSON. A float that JSON has no number for
// goes as its text.
func valueOf(e *kahuna.Entry) Value {
	switch e.Kind {
	case kahuna.KindNull:
		return Value{raw: jsontext.Value("null")}
	case kahuna.KindBool, kahuna.KindInt, kahuna.KindFloat, kahuna.KindArray, kahuna.KindMap:
		if raw := jsontext.Value(e.Value); raw.IsValid() {
			return Value{raw: raw}
		}
	}
	return Value{text: e.Value}
}

// stringOf returns s as a JSON string, or in base64.
func stringOf(s string) jsontext.Value {
	if !utf8.ValidString(s) {
		return jsontext.Value(`{"base64":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`)
	}
	v, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic(err) // it is UTF-8
	}
	return v
}

// textOf returns the text of a value that was sent.
func textOf(kind kahuna.Kind, v jsontext.Value) (string, error) {
	switch {
	case kind == kahuna.KindNull:
		return "", nil
	case v.Kind() == '"':
		text, err := jsontext.AppendUnquote(nil, v)
		return string(text), err
	case kind != kahuna.KindString:
		return string(v), nil
	}
	var b binary
	if err := json.Unmarshal(v, &b, json.RejectUnknownMembers(true)); err != nil {
		return "", err
	}
	data, err := base64.StdEncoding.DecodeString(b.Base64)
	return string(data), err
}

// WriteOf returns w as it is sent.
func WriteOf(w kahuna.WriteResult) Write {
	return Write{Done: w.Done, Revision: w.Revision, TimeMs: UnixMilli(w.Time)}
}

// Kahuna returns the result that was sent.
func (w Write) Kahuna() kahuna.WriteResult {
	return kahuna.WriteResult{Done: w.Done, Revision: w.Revision, Time: timeOf(w.TimeMs)}
}

// UnixMilli returns t in Unix milliseconds, 0 for the zero Time.
func UnixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func warningsOf(list []kahuna.Warning) []Warning {
	var o []Warning
	for _, w := range list {
		o = append(o, Warning(w))
	}
	return o
}

func kahunaWarnings(list []Warning) []kahuna.Warning {
	var o []kahuna.Warning
	for _, w := range list {
		o = append(o, kahuna.Warning(w))
	}
	return o
}
