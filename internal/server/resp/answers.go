package resp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kahuna"
)

// result writes the answer of a script.
func result(w *writer, a *answer) {
	if a.err != nil {
		w.failed(a.err)
		return
	}
	r := a.res
	switch {
	case r.List && (r.Op == kahuna.OpBucket || r.Op == kahuna.OpScan):
		w.array(len(r.Entries))
		for i := range r.Entries {
			w.array(2)
			w.bulk(r.Entries[i].Key)
			w.bulk(r.Entries[i].Value)
		}
	case r.List:
		w.array(len(r.Entries))
		for i := range r.Entries {
			entry(w, &r.Entries[i])
		}
	case r.Type == kahuna.TypeSet || r.Type == kahuna.TypeCommitted:
		w.ok()
	case r.Type == kahuna.TypeNotSet:
		w.null()
	case r.Type == kahuna.TypeDeleted && len(r.Entries) > 0 && r.Entries[0].Kind == kahuna.KindInt:
		entry(w, &r.Entries[0])
	case r.Type == kahuna.TypeExtended || r.Type == kahuna.TypeDeleted || r.Type == kahuna.TypeExists:
		w.int(1)
	case r.Type == kahuna.TypeDoesNotExist && (r.Op == kahuna.OpDelete || r.Op == kahuna.OpExtend || r.Op == kahuna.OpExists):
		w.int(0)
	case len(r.Entries) == 0:
		w.null()
	default:
		entry(w, &r.Entries[0])
	}
}

// entry writes one value.
func entry(w *writer, e *kahuna.Entry) {
	switch e.Kind {
	case kahuna.KindNull:
		w.null()
	case kahuna.KindInt:
		w.line(':', e.Value)
	case kahuna.KindBool:
		w.bool(e.Value == "true")
	case kahuna.KindFloat:
		w.float(e.Value)
	case kahuna.KindArray, kahuna.KindMap:
		jsonValue(w, []byte(e.Value))
	default:
		w.bulk(e.Value)
	}
}

// jsonValue writes the value of a JSON text that the store made. Maps are their
// text in RESP2.
func jsonValue(w *writer, text []byte) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		w.bulk(string(text))
		return
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' && !w.v3 {
			w.bulk(string(text))
			return
		}
		compound(w, d, v)
	case string:
		w.bulk(v)
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			w.line(':', v.String())
		} else {
			w.float(v.String())
		}
	case bool:
		w.bool(v)
	default:
		w.null()
	}
}

// compound writes the array or map that d has begun.
func compound(w *writer, d *json.Decoder, kind json.Delim) {
	n, inner := 0, writer{v3: w.v3}
	for d.More() {
		if kind == '{' {
			name, err := d.Token()
			if err != nil {
				break
			}
			inner.bulk(fmt.Sprint(name))
		}
		var element json.RawMessage
		if d.Decode(&element) != nil {
			break
		}
		jsonValue(&inner, element)
		n++
	}
	if kind == '{' {
		w.pairs(n)
	} else {
		w.array(n)
	}
	w.b = append(w.b, inner.b...)
}

// errorText is an error as clients of Redis read it: a word in capital letters,
// a message, the position.
func errorText(err error) string {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		if text := err.Error(); startsWithCode(text) {
			return text
		}
		return "ERR " + err.Error()
	}
	code := strings.ToUpper(string(e.Code))
	if word(e.UserCode) {
		code = e.UserCode
	}
	var b strings.Builder
	b.WriteString(code)
	b.WriteByte(' ')
	b.WriteString(e.Message)
	if e.UserCode != "" && code != e.UserCode {
		fmt.Fprintf(&b, " (code %s)", e.UserCode)
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, " (line %d, column %d)", e.Line, e.Column)
	}
	if e.Outcome == kahuna.Unknown && e.Code != kahuna.CodeOutcomeUnknown {
		b.WriteString(" (outcome unknown)")
	}
	return b.String()
}

// startsWithCode reports whether text begins with the code of an error.
func startsWithCode(text string) bool {
	first, _, ok := strings.Cut(text, " ")
	return ok && first != "" && strings.Trim(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// word reports whether s can be the first word of an error.
func word(s string) bool {
	for _, r := range s {
		if r != '_' && r != '-' && r != '.' && !(r >= '0' && r <= '9') && !(r >= 'a' && r <= 'z') && !(r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return s != ""
}
