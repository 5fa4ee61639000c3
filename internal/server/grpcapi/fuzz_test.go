package grpcapi

import (
	"testing"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"kahuna"
	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// FuzzBatchRequest: any bytes are refused as no protobuf, or get one answer with
// their type and id that can be sent.
func FuzzBatchRequest(f *testing.F) {
	seed := func(m proto.Message) {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	seed(setRequest(1, "k", "v"))
	seed(scriptRequest(2, "return 1"))
	seed(&pb.BatchClientKeyValueRequest{Type: 5, RequestId: 3, Payload: &pb.BatchClientKeyValueRequest_TryGetKeyValue{TryGetKeyValue: &pb.TryGetKeyValueRequest{
		TransactionIdPhysical: 5, CoordinatorKey: "c", OperationIdHigh: 1 << 63, Key: "k", Revision: -1, Durability: 1}}})
	seed(&pb.BatchClientKeyValueRequest{Type: 11, RequestId: 4, Payload: &pb.BatchClientKeyValueRequest_StartTransaction{StartTransaction: &pb.StartTransactionRequest{
		CoordinatorKey: "c", Timeout: 1}}})
	seed(&pb.BatchClientKeyValueRequest{Type: 9, RequestId: 5, Payload: &pb.BatchClientKeyValueRequest_GetByBucket{GetByBucket: &pb.GetByBucketRequest{PrefixKey: "b", Durability: 1}}})
	f.Add([]byte{0x08, 1, 0x10, 2, 0x1a, 3, 0x22, 1, 0xff}) // a key that is not UTF-8
	f.Add([]byte{0xff})
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 50 * time.Millisecond, TimeoutMax: 50 * time.Millisecond, Sleep: time.Millisecond}})
	if err != nil {
		f.Fatal(err)
	}
	service := wire.New(db, wire.Options{Patience: time.Millisecond, Transactions: 100})
	server := New(service, Options{})
	f.Cleanup(func() {
		_ = server.Close()
		service.Close()
		_ = db.Close()
	})
	k, c := &keyValuer{s: server}, newCodec()
	f.Fuzz(func(t *testing.T, data []byte) {
		var q pb.BatchClientKeyValueRequest
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &q); err != nil {
			if wellFormed(data) {
				t.Fatalf("%x is protobuf and was refused: %v", data, err)
			}
			return
		}
		if start := q.GetStartTransaction(); start != nil {
			start.AdmissionWaitMs = 1
		}
		a, _ := k.answer(t.Context(), false, &q)
		if a.Type != q.Type || a.RequestId != q.RequestId {
			t.Fatalf("the answer to %v is %v", &q, a)
		}
		if _, known := kvOperations[q.Type]; known && a.Payload == nil {
			t.Fatalf("the answer to %v has no payload", &q)
		}
		if out, err := c.Marshal(a); err != nil || out.Len() > wire.ReplyBytes {
			t.Fatalf("the answer to %v cannot be sent: %d bytes, %v", &q, out.Len(), err)
		}
	})
}

// wellFormed reports whether data is a protobuf message, whatever is in its
// fields.
func wellFormed(data []byte) bool {
	for len(data) > 0 {
		_, _, n := protowire.ConsumeField(data)
		if n <= 0 {
			return false
		}
		data = data[n:]
	}
	return true
}
