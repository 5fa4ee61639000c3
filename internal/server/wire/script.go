package wire

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/wirepb"
	"kahuna/script"
)

// Script runs a script. The Hash of the request is not needed: compiled scripts
// are found by their text, or by ScriptSha256.
func (s *Service) Script(ctx context.Context, r *wirepb.TryExecuteTransactionScriptRequest) *wirepb.TryExecuteTransactionScriptResponse {
	start := time.Now()
	program, err := s.program(r)
	if err != nil {
		return scriptFailed(err, since(start))
	}
	params, f := parametersOf(r.Parameters)
	if f != nil {
		return scriptRefused(f, start)
	}
	o := runOptionsOf(r)
	if o.IdempotencyKey == "" {
		leave, c := s.enterScript(ctx, program.Source(), params)
		if c != nil {
			return scriptRefused(&failure{typeAborted, words2detail(kahuna.CodeConflict, c.words(), "send it again after a pause", true)}, start)
		}
		defer leave()
	} // else it may have been applied before: only the store knows
	res, err := program.Run(ctx, params, o)
	if err != nil {
		return scriptFailed(stopped(ctx, err), since(start))
	}
	return resultOf(res, since(start))
}

// StartScript is Script for callers that must not wait: it gives the answer to
// done, as kahuna.Async does. When the script would wait, or is to be compiled,
// it does nothing and returns false.
func (s *Service) StartScript(ctx context.Context, r *wirepb.TryExecuteTransactionScriptRequest, done func(*wirepb.TryExecuteTransactionScriptResponse)) bool {
	program := s.kept(r)
	if program == nil || r.GetIdempotencyKey() == "" && !s.alone() {
		return false
	}
	start := time.Now()
	params, f := parametersOf(r.Parameters)
	if f != nil {
		done(scriptRefused(f, start))
		return true
	}
	s.db.Async().Run(ctx, program, params, runOptionsOf(r), func(res *kahuna.Result, err error) {
		if err != nil {
			done(scriptFailed(stopped(ctx, err), since(start)))
			return
		}
		done(resultOf(res, since(start)))
	})
	return true
}

// kept returns the program of a request that is kept, or nil.
func (s *Service) kept(r *wirepb.TryExecuteTransactionScriptRequest) kahuna.Program {
	if r.ScriptSha256 != nil {
		return s.bySHA.Get(string(r.ScriptSha256))
	}
	return s.byText.Get(string(r.Script))
}

// program returns the program of a request.
func (s *Service) program(r *wirepb.TryExecuteTransactionScriptRequest) (kahuna.Program, error) {
	if p := s.kept(r); p != nil {
		return p, nil
	}
	source := string(r.Script)
	switch sum := sha256.Sum256(r.Script); {
	case source == "" && r.ScriptSha256 != nil:
		return nil, &kahuna.Error{Op: "run", Code: restwire.CodeNoScript, Message: "no script with this hash is kept", Hint: "send its text with the hash once more"}
	case source == "":
		return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadRequest, Message: "the script is missing; its text is needed, also with its hash"}
	case r.ScriptSha256 != nil && string(sum[:]) != string(r.ScriptSha256):
		return nil, &kahuna.Error{Op: "run", Code: kahuna.CodeBadRequest, Message: "ScriptSha256 is not the SHA-256 of Script"}
	}
	p, err := s.db.Compile(source)
	if err != nil {
		return nil, err
	}
	if r.ScriptSha256 != nil {
		s.bySHA.Keep(string(r.ScriptSha256), p)
	} else {
		s.byText.Keep(source, p)
	}
	return p, nil
}

// runOptionsOf returns the options of a run.
func runOptionsOf(r *wirepb.TryExecuteTransactionScriptRequest) *kahuna.RunOptions {
	o := &kahuna.RunOptions{IdempotencyKey: r.GetIdempotencyKey(), Timeout: time.Duration(max(r.TimeoutMs, 0)) * time.Millisecond,
		Priority: priorityOf(r.Priority)}
	if r.AdmissionWaitMs != nil {
		o.AdmissionWait = time.Duration(*r.AdmissionWaitMs) * time.Millisecond
		if o.AdmissionWait <= 0 {
			o.AdmissionWait = -1 // does not wait at all
		}
	}
	return o
}

// scriptRefused is the answer of a script that was not run.
func scriptRefused(f *failure, start time.Time) *wirepb.TryExecuteTransactionScriptResponse {
	reason := text(f.detail)
	return &wirepb.TryExecuteTransactionScriptResponse{Type: f.kind, Reason: &reason, Detail: f.detail, TimeElapsedMs: since(start)}
}

// priorityOf returns a priority; unknown ones are normal.
func priorityOf(p wirepb.Priority) kahuna.Priority {
	if p < wirepb.Priority_PRIORITY_BACKGROUND || p > wirepb.Priority_PRIORITY_CRITICAL {
		return kahuna.PriorityNormal
	}
	return kahuna.Priority(p)
}

// parametersOf returns the parameters by name. An absent value is an empty text.
func parametersOf(list []*wirepb.KeyValueParameter) (kahuna.Params, *failure) {
	params := make(kahuna.Params, len(list))
	for _, p := range list {
		name := strings.TrimPrefix(p.GetKey(), "@")
		if name == "" {
			return nil, invalid("a parameter has no name")
		}
		if _, twice := params[name]; twice {
			return nil, invalid(fmt.Sprintf("parameter @%s is given twice", name))
		}
		if p.Bytes != nil {
			params[name] = string(p.Bytes)
			continue
		}
		if p.Json == nil {
			params[name] = p.GetValue()
			continue
		}
		v, err := script.ParseJSON(*p.Json)
		if err != nil {
			return nil, &failure{typeErrored, words2detail(kahuna.CodeBadParameter, fmt.Sprintf("parameter @%s: %v", name, err), "", false)}
		}
		params[name] = v
	}
	return params, nil
}

// scriptFailed is the answer of a script with an error.
func scriptFailed(err error, elapsed int32) *wirepb.TryExecuteTransactionScriptResponse {
	d := detailOf(err)
	a := &wirepb.TryExecuteTransactionScriptResponse{Type: typeErrored, Detail: d, TimeElapsedMs: elapsed}
	reason := text(d)
	if e, ok := err.(*kahuna.Error); ok {
		a.Type = wirepb.KvType(e.Type())
		reason = clean(e.Reason())
		const syntax = "Syntax error" // which clients look for
		if e.Code == kahuna.CodeSyntax && !strings.Contains(reason, syntax) {
			reason = syntax + ": " + reason
		}
	}
	if reason == "" { // of a script that throws an empty text
		reason = "the script failed"
	}
	a.Reason = &reason
	return a
}

// resultOf is the answer of a script that committed.
func resultOf(res *kahuna.Result, elapsed int32) *wirepb.TryExecuteTransactionScriptResponse {
	ns := int64(res.Elapsed)
	a := &wirepb.TryExecuteTransactionScriptResponse{Type: wirepb.KvType(res.Type), TimeElapsedMs: elapsed, ElapsedNs: &ns,
		Detail: &wirepb.Detail{Outcome: outcomeOf(res.Outcome), Op: clean(res.Op.String()), List: res.List, Warnings: warningsOf(res.Warnings)}}
	for i := range res.Entries {
		e := &res.Entries[i]
		x, m := stamp(e.Expires), stamp(e.Modified)
		v := &wirepb.TryExecuteTransactionResponseValue{Key: clean(e.Key), Revision: e.Revision, Kind: wirepb.ValueKind(e.Kind),
			ExpiresNode: x.node, ExpiresPhysical: x.physical, ExpiresCounter: x.counter,
			LastModifiedNode: m.node, LastModifiedPhysical: m.physical, LastModifiedCounter: m.counter}
		if e.Kind != kahuna.KindNull {
			v.Value = []byte(e.Value)
		}
		a.Values = append(a.Values, v)
	}
	return a
}

// enterScript lets a script begin, unless a transaction has a key locked that the
// script names. A script that writes nothing reads what is committed, and needs
// no leave. Keys that are known only while it runs are not looked for: a
// transaction that loses one to the script is aborted.
func (s *Service) enterScript(ctx context.Context, source string, params kahuna.Params) (leave func(), c *conflict) {
	if s.alone() {
		return func() {}, nil
	}
	a, ok := s.programs.access(source, params)
	if !ok {
		return func() {}, nil
	}
	return s.locks.enter(ctx, s.patience(0), a, s.opts.Conflicts == Refuse)
}

// programs keep the compiled form of scripts, to know what they touch.
type programs struct {
	mu   sync.Mutex
	kept map[string]*script.Program // nil for one that does not compile
	size int
}

// What programs keep: when they have more, they begin anew.
const (
	programsMost      = 1000
	programsBytesMost = 16 << 20
)

func (ps *programs) get(source string) *script.Program {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p, ok := ps.kept[source]; ok {
		return p
	}
	if ps.kept == nil || len(ps.kept) >= programsMost || ps.size >= programsBytesMost {
		ps.kept, ps.size = map[string]*script.Program{}, 0
	}
	p, err := script.Compile(source, nil)
	if err != nil {
		p = nil // who runs it learns why
	}
	ps.kept[source] = p
	ps.size += len(source)
	if p != nil {
		ps.size += p.Size()
	}
	return p
}

// access returns what a script touches, as far as it is known. It reports false
// for a script that writes nothing, or that will not run.
func (ps *programs) access(source string, params kahuna.Params) (a access, ok bool) {
	p := ps.get(source)
	if p == nil || !p.CanWrite() {
		return a, false
	}
	call, err := p.Bind(params)
	if err != nil {
		return a, false
	}
	defer call.Release()
	a.script = true
	for _, k := range call.Footprint().Points {
		pt := point{wirepb.Durability_DURABILITY_PERSISTENT, k.Key}
		if k.Space == script.Ephemeral {
			pt.space = wirepb.Durability_DURABILITY_EPHEMERAL
		}
		if k.Write {
			a.writes = append(a.writes, pt)
		} else {
			a.reads = append(a.reads, pt)
		}
	}
	return a, true
}
