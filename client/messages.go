package client

import (
	"math"
	"time"
	"unicode/utf8"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/wirepb"
	"kahuna/script"
)

// messageOf returns r as a message of a batch stream.
func messageOf(r *request) (*wirepb.BatchClientKeyValueRequest, error) {
	switch {
	case r.script != nil:
		p, err := r.script.message()
		if err != nil {
			return nil, err
		}
		return &wirepb.BatchClientKeyValueRequest{Type: wirepb.KvBatchType_KV_BATCH_TYPE_SCRIPT,
			Payload: &wirepb.BatchClientKeyValueRequest_TryExecuteTransactionScript{TryExecuteTransactionScript: p}}, nil
	case r.space != nil && readable(r.key):
		p := &wirepb.TryGetKeyValueRequest{Key: r.key, Revision: -1, Durability: wirepb.Durability_DURABILITY_PERSISTENT}
		if r.space.ephemeral {
			p.Durability = wirepb.Durability_DURABILITY_EPHEMERAL
		}
		return &wirepb.BatchClientKeyValueRequest{Type: wirepb.KvBatchType_KV_BATCH_TYPE_GET,
			Payload: &wirepb.BatchClientKeyValueRequest_TryGetKeyValue{TryGetKeyValue: p}}, nil
	}
	return plainOf(r), nil
}

// message returns the request for the script.
func (s *scriptCall) message() (*wirepb.TryExecuteTransactionScriptRequest, error) {
	p := &wirepb.TryExecuteTransactionScriptRequest{}
	if s.hash != nil {
		p.ScriptSha256 = s.hash.sum[:]
	}
	if !s.byHash() {
		p.Script = []byte(s.source)
	}
	if len(s.params) > 0 {
		p.Parameters = make([]*wirepb.KeyValueParameter, 0, len(s.params))
	}
	for name, x := range s.params {
		param, err := parameterOf(name, x)
		if err != nil {
			return nil, err
		}
		p.Parameters = append(p.Parameters, param)
	}
	if s.key != "" {
		if !utf8.ValidString(s.key) {
			return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: "the idempotency key is not UTF-8"}
		}
		p.IdempotencyKey = &s.key
	}
	if o := s.options; o != nil {
		p.TimeoutMs = int32(min(milliseconds(max(o.Timeout, 0)), math.MaxInt32))
		if o.AdmissionWait != 0 {
			ms := int32(min(milliseconds(max(o.AdmissionWait, 0)), math.MaxInt32))
			p.AdmissionWaitMs = &ms
		}
		p.Priority = wirepb.Priority(min(o.Priority, kahuna.PriorityCritical))
	}
	return p, nil
}

// parameterOf returns a parameter: texts as they are, other values as JSON.
func parameterOf(name string, x any) (*wirepb.KeyValueParameter, error) {
	if !utf8.ValidString(name) {
		return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: "the name of a parameter is not UTF-8"}
	}
	p := &wirepb.KeyValueParameter{Key: "@" + name}
	v, err := script.ValueOf(x)
	if err != nil {
		return nil, restwire.ParamError(name, err)
	}
	if v.Kind() == script.KindString {
		if text := v.Str(); utf8.ValidString(text) {
			p.Value = &text
		} else {
			p.Bytes = []byte(text)
		}
		return p, nil
	}
	data, err := restwire.AppendValue(nil, v)
	if err != nil {
		return nil, restwire.ParamError(name, err)
	}
	text := string(data)
	p.Json = &text
	return p, nil
}

// resultOf returns the result of a script that committed.
func resultOf(a *wirepb.TryExecuteTransactionScriptResponse) *kahuna.Result {
	d := a.GetDetail()
	res := &kahuna.Result{Type: kahuna.Type(a.GetType()), Outcome: outcomeOf(d, kahuna.Applied), Op: restwire.OpOf(d.GetOp()), List: d.GetList(),
		Warnings: warningsOf(d), Elapsed: time.Duration(a.GetElapsedNs())}
	if a.ElapsedNs == nil {
		res.Elapsed = time.Duration(a.GetTimeElapsedMs()) * time.Millisecond
	}
	if len(a.Values) > 0 {
		res.Entries = make([]kahuna.Entry, len(a.Values))
	}
	for i, v := range a.Values {
		e := &res.Entries[i]
		*e = kahuna.Entry{Key: v.GetKey(), Kind: kahuna.Kind(v.GetKind()), Value: string(v.GetValue()), Revision: v.GetRevision(),
			Expires: unixMilli(v.GetExpiresPhysical()), Modified: unixMilli(v.GetLastModifiedPhysical())}
		if d == nil && v.Value != nil { // a server that does not tell the kind
			e.Kind = kahuna.KindString
		}
	}
	return res
}

// entryOf returns what was read of a key.
func entryOf(key string, a *wirepb.TryGetKeyValueResponse) (*kahuna.Entry, error) {
	switch a.GetType() {
	case wirepb.KvType_KV_TYPE_GET:
		return &kahuna.Entry{Key: key, Kind: kahuna.KindString, Value: string(a.GetValue()), Revision: a.GetRevision(),
			Expires: unixMilli(a.GetExpiresPhysical()), Modified: unixMilli(a.GetLastModifiedPhysical())}, nil
	case wirepb.KvType_KV_TYPE_DOES_NOT_EXIST:
		return &kahuna.Entry{Key: key, Revision: -1}, nil
	}
	return nil, named(errorOf(kahuna.Type(a.GetType()), a.GetDetail(), ""), "get", key)
}

func unixMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// scriptErrorOf returns the error of a script, nil for one that committed.
func scriptErrorOf(a *wirepb.TryExecuteTransactionScriptResponse) error {
	if typ := kahuna.Type(a.GetType()); !typ.Success() {
		return errorOf(typ, a.GetDetail(), a.GetReason())
	}
	return nil
}

// errorOf returns the error of an answer of that type. A server that is not ours
// gives no detail.
func errorOf(typ kahuna.Type, d *wirepb.Detail, reason string) *kahuna.Error {
	if d == nil {
		e := &kahuna.Error{Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown, Message: reason}
		switch typ {
		case kahuna.TypeInvalidInput:
			e.Code, e.Outcome = kahuna.CodeBadRequest, kahuna.NotApplied
		case kahuna.TypeMustRetry:
			e.Code, e.Outcome, e.Retry = kahuna.CodeRetry, kahuna.NotApplied, true
		case kahuna.TypeAborted:
			e.Code, e.Outcome = kahuna.CodeConflict, kahuna.NotApplied
		}
		return e
	}
	e := &kahuna.Error{Code: kahuna.Code(d.GetCode()), Outcome: outcomeOf(d, kahuna.Unknown), Message: d.GetMessage(), Hint: d.GetHint(), UserCode: d.GetUserCode(),
		Line: int(d.GetLine()), Column: int(d.GetColumn()), Source: d.GetSource(), Op: d.GetOp(), Key: d.GetKey(), Retry: d.GetRetry(), Warnings: warningsOf(d)}
	for _, x := range d.GetDiagnostics() {
		e.Diagnostics = append(e.Diagnostics, kahuna.Diagnostic{Warning: x.GetWarning(), Code: kahuna.Code(x.GetCode()), Line: int(x.GetLine()),
			Column: int(x.GetColumn()), Message: x.GetMessage(), Hint: x.GetHint()})
	}
	return e
}

// outcomeOf returns the outcome, or that of an answer that has none.
func outcomeOf(d *wirepb.Detail, none kahuna.Outcome) kahuna.Outcome {
	switch d.GetOutcome() {
	case wirepb.Outcome_OUTCOME_APPLIED:
		return kahuna.Applied
	case wirepb.Outcome_OUTCOME_NOT_APPLIED:
		return kahuna.NotApplied
	case wirepb.Outcome_OUTCOME_UNSPECIFIED:
		return none
	}
	return kahuna.Unknown
}

func warningsOf(d *wirepb.Detail) (list []kahuna.Warning) {
	for _, w := range d.GetWarnings() {
		list = append(list, kahuna.Warning{Line: int(w.GetLine()), Column: int(w.GetColumn()), Text: w.GetText()})
	}
	return list
}
