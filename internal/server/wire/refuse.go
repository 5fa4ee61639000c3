package wire

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"kahuna"
	"kahuna/internal/wirepb"
)

// The numbers that mean the same in the types of keys and of locks.
const (
	numberErrored = protoreflect.EnumNumber(typeErrored)
	numberInvalid = protoreflect.EnumNumber(typeInvalid)
)

// Unreadable makes the empty answer a say that its request cannot be read.
func Unreadable(a proto.Message, words string) {
	refuse(a, numberInvalid, words2detail(kahuna.CodeBadRequest, words, "", false))
}

// Broken makes the empty answer a say that the server failed in the middle of the
// call.
func Broken(a proto.Message) {
	refuse(a, numberErrored, fault("the server failed in the middle of the call").detail)
}

// TooLarge makes the empty answer a say that the answer full is too large to be
// sent. What the request did is done.
func TooLarge(a, full proto.Message) {
	d := words2detail(kahuna.CodeLimit, "the answer is too large to be sent: it has more than 4 MiB", "ask for less", false)
	d.Outcome = wirepb.Outcome_OUTCOME_APPLIED
	if from, ok := full.(interface{ GetDetail() *wirepb.Detail }); ok && from.GetDetail().GetOutcome() != wirepb.Outcome_OUTCOME_UNSPECIFIED {
		d.Outcome = from.GetDetail().GetOutcome()
	}
	refuse(a, numberErrored, d)
	if script, ok := a.(*wirepb.TryExecuteTransactionScriptResponse); ok {
		reason := text(d)
		script.Reason = &reason
	}
}

// refuse sets the type and the detail of an empty answer, of its one item when
// only items have a type. SeqType has no number for what is invalid at 100.
func refuse(a proto.Message, kind protoreflect.EnumNumber, d *wirepb.Detail) {
	m := a.ProtoReflect()
	fields := m.Descriptor().Fields()
	if items := fields.ByName("Items"); fields.ByName("Type") == nil && items != nil {
		list := m.Mutable(items).List()
		item := list.AppendMutable().Message()
		m, fields = item, item.Descriptor().Fields()
	}
	if f := fields.ByName("Type"); f != nil {
		if f.Enum().Values().ByNumber(kind) == nil {
			kind = protoreflect.EnumNumber(wirepb.SeqType_SEQ_TYPE_INVALID_INPUT)
		}
		m.Set(f, protoreflect.ValueOfEnum(kind))
	}
	if f := fields.ByName("Detail"); f != nil {
		m.Set(f, protoreflect.ValueOfMessage(d.ProtoReflect()))
	}
	if script, ok := a.(*wirepb.TryExecuteTransactionScriptResponse); ok {
		reason := text(d)
		script.Reason = &reason
	}
}
