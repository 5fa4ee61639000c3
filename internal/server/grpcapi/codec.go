package grpcapi

import (
	"errors"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"strings"

	"kahuna/internal/wirepb"
)

// codec is that of grpc, but that one bad message does not end a stream: of a
// batch request that cannot be decoded, what it is an answer for is still read;
// and an answer with a text that is not UTF-8 is cleaned.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(protocodec.Name)} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	data, err := c.CodecV2.Marshal(v)
	if err == nil {
		return data, nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return nil, err
	}
	cleaned := proto.Clone(m)
	cleanTexts(cleaned.ProtoReflect())
	return c.CodecV2.Marshal(cleaned)
}

// cleanTexts makes all texts of m valid UTF-8.
func cleanTexts(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				cleanTexts(v.List().Get(i).Message())
			}
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind:
			cleanTexts(v.Message())
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(strings.ToValidUTF8(v.String(), "\uFFFD")))
		}
		return true
	})
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	switch m := v.(type) {
	case *wirepb.BatchClientKeyValueRequest:
		raw := data.Materialize()
		if _, _, bad := envelope(raw); bad != nil {
			return err
		}
		m.Reset()
		return rescue(raw, m)
	case *wirepb.BatchClientLockRequest:
		kind, id, bad := envelope(data.Materialize())
		if bad != nil {
			return err
		}
		m.Reset()
		m.Type, m.RequestId = wirepb.LockBatchType(kind), id
		return nil
	}
	return err
}

// rescue reads what can be read of a batch request that cannot be read as a whole:
// its type and id, and its pack.
func rescue(raw []byte, m *wirepb.BatchClientKeyValueRequest) error {
	kind, id, err := envelope(raw)
	if err != nil {
		return err
	}
	m.Type, m.RequestId = wirepb.KvBatchType(kind), id
	for len(raw) > 0 {
		number, wire, n := protowire.ConsumeTag(raw)
		value := raw[n:]
		size := protowire.ConsumeFieldValue(number, wire, value)
		raw = value[size:]
		if number != packField || wire != protowire.BytesType {
			continue
		}
		one, _ := protowire.ConsumeBytes(value)
		q := &wirepb.BatchClientKeyValueRequest{}
		if proto.Unmarshal(one, q) != nil {
			q.Reset()
			if kind, id, err = envelope(one); err != nil {
				return err
			}
			q.Type, q.RequestId = wirepb.KvBatchType(kind), id
		}
		m.Pack = append(m.Pack, q)
	}
	return nil
}

// packField is the number of BatchClientKeyValueRequest.Pack.
const packField = 101

var errMalformed = errors.New("this is no protobuf message")

// envelope reads the type and the id of a batch request, whatever its payload is.
func envelope(data []byte) (kind, id int32, err error) {
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return 0, 0, errMalformed
		}
		data = data[n:]
		if n = protowire.ConsumeFieldValue(number, wire, data); n < 0 {
			return 0, 0, errMalformed
		}
		if wire == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(data)
			switch number {
			case 1:
				kind = int32(v)
			case 2:
				id = int32(v)
			}
		}
		data = data[n:]
	}
	return kind, id, nil
}
