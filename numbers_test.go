package kahuna

import (
	"testing"

	"kahuna/script"
)

// TestNumbersAgree: kinds, types and outcomes have the numbers of the language's,
// which they are made from.
func TestNumbersAgree(t *testing.T) {
	for k, inner := range map[Kind]script.Kind{KindNull: script.KindNull, KindBool: script.KindBool, KindInt: script.KindInt,
		KindFloat: script.KindFloat, KindString: script.KindString, KindArray: script.KindArray, KindMap: script.KindMap} {
		if Kind(inner) != k {
			t.Errorf("the kind %v is %d, in a script %d", k, k, inner)
		}
	}
	for typ, inner := range map[Type]script.Type{TypeSet: script.TypeSet, TypeNotSet: script.TypeNotSet,
		TypeExtended: script.TypeExtended, TypeGet: script.TypeGet, TypeDeleted: script.TypeDeleted,
		TypeCommitted: script.TypeCommitted, TypeExists: script.TypeExists, TypeErrored: script.TypeErrored,
		TypeInvalidInput: script.TypeInvalidInput, TypeMustRetry: script.TypeMustRetry, TypeAborted: script.TypeAborted,
		TypeDoesNotExist: script.TypeDoesNotExist, TypeAdmissionRefused: script.TypeAdmissionRefused} {
		if Type(inner) != typ {
			t.Errorf("the type %v is %d, in a script %d", typ, typ, inner)
		}
	}
	if last := Op(script.OpReturn); last != OpReturn {
		t.Errorf("the last command is %d, in a script %d", OpReturn, last)
	}
	for o := OpNone; o <= OpReturn; o++ {
		if op, ok := script.ParseOp(o.String()); Op(op) != o || !ok {
			t.Errorf("the command %q is %d, in a script %d", o, o, op)
		}
	}
	for o, inner := range map[Outcome]script.Outcome{NotApplied: script.NotApplied, Applied: script.Applied, Unknown: script.OutcomeUnknown} {
		if Outcome(inner) != o {
			t.Errorf("the outcome %v is %d, in a script %d", o, o, inner)
		}
	}
}
