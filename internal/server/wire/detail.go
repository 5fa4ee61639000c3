package wire

import (
	"context"
	"errors"
	"strings"

	"kahuna"
	"kahuna/internal/wirepb"
)

// The types that are used all over.
const (
	typeErrored      = wirepb.KvType_KV_TYPE_ERRORED
	typeInvalid      = wirepb.KvType_KV_TYPE_INVALID_INPUT
	typeMustRetry    = wirepb.KvType_KV_TYPE_MUST_RETRY
	typeAborted      = wirepb.KvType_KV_TYPE_ABORTED
	typeDoesNotExist = wirepb.KvType_KV_TYPE_DOES_NOT_EXIST
	typeGet          = wirepb.KvType_KV_TYPE_GET
)

// failure is why a call did not do what it was to do.
type failure struct {
	kind   wirepb.KvType
	detail *wirepb.Detail
}

// invalid is a request that makes no sense.
func invalid(words string) *failure {
	return &failure{typeInvalid, words2detail(kahuna.CodeBadRequest, words, "", false)}
}

// errored is a call that cannot be done.
func errored(words string) *failure {
	return &failure{typeErrored, words2detail(kahuna.CodeState, words, "", false)}
}

// aborted is an operation of a transaction that is over, or ends with it.
func aborted(words string) *failure {
	return &failure{typeAborted, words2detail(kahuna.CodeConflict, words, "run the transaction again from its beginning", false)}
}

// mustRetry is a call that was not done and can be sent again.
func mustRetry(words string) *failure {
	return &failure{typeMustRetry, words2detail(kahuna.CodeRetry, words, "send it again", true)}
}

func words2detail(code kahuna.Code, words, hint string, retry bool) *wirepb.Detail {
	return &wirepb.Detail{Outcome: wirepb.Outcome_OUTCOME_NOT_APPLIED, Code: string(code), Message: clean(words), Hint: clean(hint), Retry: retry}
}

// failed is an error of the store as a call outside a transaction tells it: what
// was not done, because somebody was in the way, can be sent again.
func failed(err error) *failure {
	f := &failure{detail: detailOf(err)}
	switch kahuna.Code(f.detail.Code) {
	case kahuna.CodeBadKey, kahuna.CodeBadRequest, kahuna.CodeBadParameter, kahuna.CodeLimit:
		f.kind = typeInvalid
	case kahuna.CodeRetry, kahuna.CodeAdmission, kahuna.CodeClosed, kahuna.CodeCanceled, kahuna.CodeTimeout, kahuna.CodeConflict, kahuna.CodeDeadlock:
		f.kind = typeMustRetry
	default:
		f.kind = typeErrored
	}
	if f.kind == typeMustRetry && f.detail.Outcome != wirepb.Outcome_OUTCOME_NOT_APPLIED {
		f.kind = typeErrored
	}
	return f
}

// failedInside is an error of the store as an operation of a transaction tells
// it. over says that the transaction has ended with it.
func failedInside(err error) (f *failure, over bool) {
	f = failed(err)
	switch kahuna.Code(f.detail.Code) {
	case kahuna.CodeRetry, kahuna.CodeClosed, kahuna.CodeCanceled, kahuna.CodeTimeout, kahuna.CodeConflict, kahuna.CodeDeadlock, kahuna.CodeState:
		f.kind, over = typeAborted, true
	case kahuna.CodeStorage:
		over = true
	}
	return f, over
}

// stopped returns err, of a call with that context. One that the end of the server
// has stopped can be sent again, to the next one: the cause of the context says so.
func stopped(ctx context.Context, err error) error {
	var cause *kahuna.Error
	if errors.Is(err, kahuna.ErrCanceled) && errors.As(context.Cause(ctx), &cause) {
		return cause
	}
	return err
}

// detailOf tells all of an error.
func detailOf(err error) *wirepb.Detail {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return &wirepb.Detail{Outcome: wirepb.Outcome_OUTCOME_UNKNOWN, Code: string(kahuna.CodeStorage), Message: clean(err.Error())}
	}
	message := e.Message
	if message == "" && e.Code != kahuna.CodeThrow { // a sentinel
		message = e.Error()
	}
	d := &wirepb.Detail{Outcome: outcomeOf(e.Outcome), Code: string(e.Code), Message: clean(message), Hint: clean(e.Hint), UserCode: clean(e.UserCode),
		Line: int32(e.Line), Column: int32(e.Column), Source: clean(e.Source), Op: clean(e.Op), Key: clean(e.Key), Retry: e.Retry,
		Warnings: warningsOf(e.Warnings)}
	for _, x := range e.Diagnostics {
		d.Diagnostics = append(d.Diagnostics, &wirepb.Diagnostic{Warning: x.Warning, Code: string(x.Code), Line: int32(x.Line), Column: int32(x.Column),
			Message: clean(x.Message), Hint: clean(x.Hint)})
	}
	return d
}

func outcomeOf(o kahuna.Outcome) wirepb.Outcome {
	switch o {
	case kahuna.Applied:
		return wirepb.Outcome_OUTCOME_APPLIED
	case kahuna.Unknown:
		return wirepb.Outcome_OUTCOME_UNKNOWN
	}
	return wirepb.Outcome_OUTCOME_NOT_APPLIED
}

func warningsOf(list []kahuna.Warning) (out []*wirepb.Warning) {
	for _, w := range list {
		out = append(out, &wirepb.Warning{Line: int32(w.Line), Column: int32(w.Column), Text: clean(w.Text)})
	}
	return out
}

// clean makes s valid UTF-8: a text that is not cannot be sent.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// text returns what a detail says, on one line.
func text(d *wirepb.Detail) string {
	if d.GetHint() == "" {
		return d.GetMessage()
	}
	return d.GetMessage() + "; " + d.GetHint()
}

// refusal is failure for a call of a panic-free caller: what a fault of ours in
// the middle of a call leaves unknown.
func fault(words string) *failure {
	return &failure{typeErrored, &wirepb.Detail{Outcome: wirepb.Outcome_OUTCOME_UNKNOWN, Code: string(kahuna.CodeOutcomeUnknown), Message: words}}
}
