// Package answer gives the answers of a store to the tools of the language: the
// console and the conformance suite.
package answer

import (
	"time"

	"kahuna"
	"kahuna/script"
)

// Result returns r as package script has it, nil for nil. The two share their
// texts.
func Result(r *kahuna.Result) *script.Result {
	if r == nil {
		return nil
	}
	out := &script.Result{Type: script.Type(r.Type), Outcome: script.Outcome(r.Outcome), Op: script.Op(r.Op),
		List: r.List, Warnings: Warnings(r.Warnings), Elapsed: r.Elapsed}
	for i := range r.Entries {
		e := &r.Entries[i]
		out.Entries = append(out.Entries, script.Entry{Key: e.Key, Value: e.Value, HasValue: e.Kind != kahuna.KindNull,
			Kind: script.Kind(e.Kind), Revision: e.Revision, Expires: UnixMilli(e.Expires),
			Modified: script.Timestamp(UnixMilli(e.Modified) << 20)})
	}
	return out
}

// Warnings returns list as package script has it.
func Warnings(list []kahuna.Warning) []script.Warning {
	var out []script.Warning
	for _, w := range list {
		out = append(out, script.Warning(w))
	}
	return out
}

// UnixMilli returns t in Unix milliseconds, 0 for the zero Time.
func UnixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
