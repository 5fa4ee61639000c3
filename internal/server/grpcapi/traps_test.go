package grpcapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// The traps are those of the protocol's description, by their numbers; so are the
// items of its checklist. Those that do not need a network are tests of package
// wire and of origrest.

// TestTrap1StreamEnds, item 14: a stream that the server ends, ends with
// UNAVAILABLE, behind the answers under way; and one that the client half-closes,
// with OK behind them.
func TestTrap1StreamEnds(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	s.send(scriptRequest(1, "begin (timeout=60000) set k 1 while is_null(get go as of current_time()) do sleep 1 end commit end"))
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	other := f.stream()
	other.send(scriptRequest(2, "begin (timeout=60000) set j 1 while is_null(get go as of current_time()) do sleep 1 end commit end"))
	other.send(setRequest(3, "ready", ""))
	if a := other.recv(); a.RequestId != 3 {
		t.Fatal(a)
	}
	down := make(chan error, 1)
	go func() { down <- f.server.Shutdown(context.Background()) }()
	<-f.server.draining
	// It may be under way or refused; what is under way is answered in any case.
	if _, err := f.db.Set(t.Context(), "go", "1", nil); err != nil {
		t.Fatal(err)
	}
	if a := s.recv(); a.RequestId != 1 || a.GetTryExecuteTransactionScript().GetType() != pb.KvType_KV_TYPE_GET {
		t.Error(a)
	}
	if _, err := s.Recv(); err != io.EOF && status.Code(err) != codes.Unavailable {
		t.Error("the half-closed stream ended with", err)
	}
	if a := other.recv(); a.RequestId != 2 || a.GetTryExecuteTransactionScript().GetType() != pb.KvType_KV_TYPE_GET {
		t.Error(a)
	}
	if _, err := other.Recv(); status.Code(err) != codes.Unavailable {
		t.Error("the stream ended with", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// TestHalfClose: a stream that is half-closed ends with OK, behind the answers.
func TestHalfClose(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	for i := range 100 {
		s.send(setRequest(int32(i), fmt.Sprint("k", i), "v"))
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	seen := map[int32]bool{}
	for {
		a, err := s.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[a.RequestId] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 requests were answered", len(seen))
	}
}

// TestTrap2Headers: the headers of a stream come before anything is sent.
func TestTrap2Headers(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	if _, err := s.Header(); err != nil {
		t.Error(err)
	}
	locks, err := pb.NewLockerClient(f.conn).BatchClientLockRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locks.Header(); err != nil {
		t.Error(err)
	}
}

// TestTrap3EveryRequestIsAnswered, item 4: also one of an unknown type, without a
// payload, with one of another type, with one that cannot be read, and one in the
// middle of which the server fails.
func TestTrap3EveryRequestIsAnswered(t *testing.T) {
	const panics = pb.KvBatchType(9999)
	kvOperations[panics] = operationOf("panics", (*kvRequest).GetTryGetKeyValue,
		func(*wire.Service, context.Context, *pb.TryGetKeyValueRequest) *pb.TryGetKeyValueResponse {
			panic("on purpose")
		},
		func(a *kvResponse, r *pb.TryGetKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryGetKeyValue{TryGetKeyValue: r}
		}, (*kvResponse).GetTryGetKeyValue)
	defer delete(kvOperations, panics)
	f := serve(t, wire.Options{}, Options{})
	stream, err := f.kv.BatchClientKeyValueRequests(t.Context(), grpc.ForceCodecV2(rawCodec{newCodec()}))
	if err != nil {
		t.Fatal(err)
	}
	s := kvStream{stream, t}
	bad := setRequest(4, "k\x01", "v")
	raw, err := proto.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte("k\x01"), []byte("k\xff"), 1) // a text that is not UTF-8
	requests := map[int32]*pb.BatchClientKeyValueRequest{
		1: {Type: 77, RequestId: 1},
		2: {Type: pb.KvBatchType_KV_BATCH_TYPE_SET, RequestId: 2},
		3: {Type: pb.KvBatchType_KV_BATCH_TYPE_GET, RequestId: 3, Payload: bad.Payload},
		5: {Type: panics, RequestId: 5, Payload: &pb.BatchClientKeyValueRequest_TryGetKeyValue{TryGetKeyValue: &pb.TryGetKeyValueRequest{}}},
		6: {RequestId: 6},
		7: {Type: pb.KvBatchType_KV_BATCH_TYPE_SET_MANY, RequestId: 7},
		8: {Type: pb.KvBatchType_KV_BATCH_TYPE_SCRIPT, RequestId: 8},
	}
	for _, q := range requests {
		s.send(q)
	}
	if err := s.SendMsg(rawMessage(raw)); err != nil {
		t.Fatal(err)
	}
	s.send(setRequest(100, "k", "v"))
	want := map[int32]pb.KvType{2: pb.KvType_KV_TYPE_INVALID_INPUT, 3: pb.KvType_KV_TYPE_INVALID_INPUT, 4: pb.KvType_KV_TYPE_INVALID_INPUT,
		5: pb.KvType_KV_TYPE_ERRORED, 7: pb.KvType_KV_TYPE_INVALID_INPUT, 8: pb.KvType_KV_TYPE_INVALID_INPUT, 100: pb.KvType_KV_TYPE_SET, 1: -1, 6: -1}
	for range len(want) {
		a := s.recv()
		kind, known := want[a.RequestId]
		delete(want, a.RequestId)
		if q := requests[a.RequestId]; !known || q != nil && a.Type != q.Type {
			t.Errorf("an answer to %v: %v", q, a)
		}
		if got := kindOf(a); got != kind {
			t.Errorf("%d: %v, want %v (%v)", a.RequestId, got, kind, a)
		}
	}
	if len(want) != 0 {
		t.Errorf("no answer: %v", want)
	}
}

// rawMessage is sent as it is by a client with a rawCodec.
type rawMessage []byte

type rawCodec struct{ codec }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.(rawMessage); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	return c.codec.Marshal(v)
}

// kindOf is the type of the answer's payload, -1 without one.
func kindOf(a *pb.BatchClientKeyValueResponse) pb.KvType {
	m := a.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("payload"))
	if f == nil {
		return -1
	}
	payload := m.Get(f).Message()
	kind := payload.Descriptor().Fields().ByName("Type")
	if kind == nil {
		items := payload.Get(payload.Descriptor().Fields().ByName("Items")).List()
		if items.Len() != 1 {
			return -2
		}
		payload = items.Get(0).Message()
		kind = payload.Descriptor().Fields().ByName("Type")
	}
	return pb.KvType(payload.Get(kind).Enum())
}

// TestTrap4Concurrency, item 3: 10,000 requests are under way in one stream; one
// that sleeps delays nobody.
func TestTrap4Concurrency(t *testing.T) {
	const n = 10_000
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	s.send(scriptRequest(0, "begin (timeout=120000) set slow 1 while is_null(get go as of current_time()) do sleep 1 end commit end"))
	go func() {
		for i := 1; i <= n; i++ {
			if s.Send(setRequest(int32(i), fmt.Sprint("k", i%100), "v")) != nil {
				return
			}
		}
	}()
	seen := make(map[int32]bool, n)
	for range n {
		a := s.recv()
		if a.RequestId == 0 || seen[a.RequestId] || a.GetTrySetKeyValue().GetType() != pb.KvType_KV_TYPE_SET {
			t.Fatal(a)
		}
		seen[a.RequestId] = true
	}
	s.send(setRequest(-1, "go", "1"))
	for range 2 {
		a := s.recv()
		seen[a.RequestId] = true
	}
	if !seen[0] || !seen[-1] || len(seen) != n+2 {
		t.Error(len(seen))
	}
}

// TestTrap5Types: the type of a request is not the number of its field, and comes
// back.
func TestTrap5Types(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	m := (&pb.BatchClientKeyValueRequest{}).ProtoReflect()
	fields := m.Descriptor().Oneofs().ByName("payload").Fields()
	// The table of the protocol: type, number of the field, name.
	table := map[int32]struct {
		number int32
		name   string
	}{1: {3, "TrySetKeyValue"}, 2: {4, "TrySetManyKeyValue"}, 3: {7, "TryExtendKeyValue"}, 4: {6, "TryDeleteKeyValue"}, 5: {5, "TryGetKeyValue"},
		6: {8, "TryExistsKeyValue"}, 7: {9, "TryExecuteTransactionScript"}, 8: {10, "TryAcquireExclusiveLock"}, 9: {11, "GetByBucket"}, 10: {12, "ScanByPrefix"},
		11: {13, "StartTransaction"}, 12: {14, "CommitTransaction"}, 13: {15, "RollbackTransaction"}, 14: {16, "TryDeleteManyKeyValue"}}
	for kind, row := range table {
		field := fields.ByNumber(protowire.Number(row.number))
		if field == nil || string(field.Name()) != row.name {
			t.Fatalf("field %d is %v", row.number, field)
		}
		q := &pb.BatchClientKeyValueRequest{Type: pb.KvBatchType(kind), RequestId: kind * 1000}
		q.ProtoReflect().Mutable(field)
		s.send(q)
		a := s.recv()
		got := a.ProtoReflect().WhichOneof(a.ProtoReflect().Descriptor().Oneofs().ByName("payload"))
		if int32(a.Type) != kind || a.RequestId != kind*1000 || got == nil || int32(got.Number()) != row.number {
			t.Errorf("type %d: %v", kind, a)
		}
	}
	locks, err := pb.NewLockerClient(f.conn).BatchClientLockRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fields = (&pb.BatchClientLockRequest{}).ProtoReflect().Descriptor().Oneofs().ByName("payload").Fields()
	for kind, number := range map[int32]int32{1: 3, 2: 5, 3: 4, 4: 6, 0: 0} {
		q := &pb.BatchClientLockRequest{Type: pb.LockBatchType(kind), RequestId: kind}
		if number != 0 {
			q.ProtoReflect().Mutable(fields.ByNumber(protowire.Number(number)))
		}
		if err := locks.Send(q); err != nil {
			t.Fatal(err)
		}
		a, err := locks.Recv()
		if err != nil || int32(a.Type) != kind || a.RequestId != kind {
			t.Fatal(a, err)
		}
		if got := a.ProtoReflect().WhichOneof(a.ProtoReflect().Descriptor().Oneofs().ByName("payload")); number != 0 && int32(got.Number()) != number {
			t.Errorf("type %d: %v", kind, a)
		}
	}
}

// TestTrap6Pings, item 2: pings of a client that is idle, and bursts of them, are
// answered, and the connection stays. (Ten minutes of pings every 30 s are no more
// than that for the server: it counts those that come too fast.)
func TestTrap6Pings(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	conn, err := net.Dial("tcp", f.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := framer.WritePing(false, [8]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		for answered := false; !answered; {
			frame, err := framer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch frame := frame.(type) {
			case *http2.GoAwayFrame:
				t.Fatalf("GOAWAY after %d pings: %s", i, frame.DebugData())
			case *http2.PingFrame:
				answered = frame.IsAck()
			}
		}
		time.Sleep(15 * time.Millisecond) // a ping is not to come faster than the server's least interval
	}
}

// TestTrap7Replies, items 4 and 3 of the limits: answers above 4 MiB are replaced,
// texts that are not UTF-8 cleaned, and the stream lives.
func TestTrap7Replies(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.stream()
	five := strings.Repeat("x", 5<<20)
	s.send(setRequest(1, "large", five))
	if a := s.recv(); a.GetTrySetKeyValue().GetType() != pb.KvType_KV_TYPE_SET {
		t.Fatal(a)
	}
	get := &pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_GET, RequestId: 2, Payload: &pb.BatchClientKeyValueRequest_TryGetKeyValue{
		TryGetKeyValue: &pb.TryGetKeyValueRequest{Key: "large", Revision: -1, Durability: persistent}}}
	s.send(get)
	if a := s.recv(); a.RequestId != 2 || a.GetTryGetKeyValue().GetType() != pb.KvType_KV_TYPE_ERRORED || !strings.Contains(a.GetTryGetKeyValue().GetDetail().GetMessage(), "4 MiB") {
		t.Error(a)
	}
	s.send(scriptRequest(3, "set j 1 return get large"))
	a := s.recv().GetTryExecuteTransactionScript()
	if a.GetType() != pb.KvType_KV_TYPE_ERRORED || a.GetDetail().GetOutcome() != pb.Outcome_OUTCOME_APPLIED || a.GetReason() == "" {
		t.Error(a)
	}
	unary, err := f.kv.TryGetKeyValue(t.Context(), get.GetTryGetKeyValue())
	if err != nil || unary.Type != pb.KvType_KV_TYPE_ERRORED {
		t.Error(unary.GetType(), err)
	}
	pages, err := f.kv.GetByRangeStream(t.Context(), &pb.GetByRangeRequest{Prefix: "l", Durability: persistent})
	if err == nil {
		_, err = pages.Recv()
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Error("a stream with a row that is too large ended with", err)
	}
	s.send(setRequest(4, "raw", "a\xffb"))
	s.recv()
	s.send(scriptRequest(5, "throw get raw"))
	if a := s.recv().GetTryExecuteTransactionScript(); a.GetType() != pb.KvType_KV_TYPE_ERRORED || !strings.Contains(a.GetReason(), "a\uFFFDb") {
		t.Error(a)
	}
	s.send(setRequest(6, "too large", strings.Repeat("x", 17<<20)))
	if a := s.recv().GetTrySetKeyValue(); a.GetType() != pb.KvType_KV_TYPE_INVALID_INPUT || !strings.Contains(a.GetDetail().GetMessage(), "bytes") {
		t.Error(a)
	}
}

// TestTrap7Codec: an answer whose texts are not UTF-8 is sent all the same.
func TestTrap7Codec(t *testing.T) {
	reason := "a\xffb"
	a := &pb.TryExecuteTransactionScriptResponse{Reason: &reason, Values: []*pb.TryExecuteTransactionResponseValue{{Key: "\xfe"}}, Detail: &pb.Detail{Hint: "\xff"}}
	c := newCodec()
	data, err := c.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back pb.TryExecuteTransactionScriptResponse
	if err := c.Unmarshal(data, &back); err != nil || back.GetReason() != "a\uFFFDb" || back.Values[0].Key != "\uFFFD" {
		t.Error(&back, err)
	}
}

// TestTrap9Names: services have no package, and messages have one.
func TestTrap9Names(t *testing.T) {
	for _, s := range []protoreflect.FileDescriptor{pb.File_wirepb_services_proto} {
		names := map[protoreflect.FullName]int{}
		for i := range s.Services().Len() {
			names[s.Services().Get(i).FullName()] = s.Services().Get(i).Methods().Len()
		}
		for name, calls := range map[protoreflect.FullName]int{"KeyValuer": 29, "Locker": 5, "Sequencer": 5, "Cluster": 7, "Backups": 8} {
			if names[name] != calls {
				t.Errorf("service %s has %d calls, want %d", name, names[name], calls)
			}
		}
	}
	if name := (&pb.TrySetKeyValueRequest{}).ProtoReflect().Descriptor().FullName(); name != "kahuna.wire.TrySetKeyValueRequest" {
		t.Error(name)
	}
}

// TestLater, item 12: locks, sequences and backups say that they are not there.
func TestLater(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	lock, err := pb.NewLockerClient(f.conn).TryLock(t.Context(), &pb.TryLockRequest{Resource: "r", Owner: []byte("o"), ExpiresMs: 5000, Durability: persistent})
	if err != nil || lock.Type != pb.LockType_LOCK_TYPE_ERRORED || lock.Detail.GetMessage() == "" {
		t.Error(lock, err)
	}
	seq, err := pb.NewSequencerClient(f.conn).CreateSequence(t.Context(), &pb.CreateSequenceRequest{Name: "s", Increment: 1, Durability: 1})
	if err != nil || seq.Type != pb.SeqType_SEQ_TYPE_ERROR || seq.Detail.GetMessage() == "" {
		t.Error(seq, err)
	}
	_, err = pb.NewBackupsClient(f.conn).ListBackups(t.Context(), &pb.ListBackupsRequest{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "kahuna-cli backup") {
		t.Error(err)
	}
	for dir, want := range map[string]codes.Code{" ": codes.InvalidArgument, "/x": codes.Unavailable} {
		if _, err = pb.NewBackupsClient(f.conn).Restore(t.Context(), &pb.RestoreRequest{TargetDir: dir}); status.Code(err) != want {
			t.Errorf("restore into %q: %v", dir, err)
		}
	}
	cluster := pb.NewClusterClient(f.conn)
	members, err := cluster.GetMembership(t.Context(), &pb.GetMembershipRequest{})
	if err != nil || !members.Initialized || len(members.Members) != 1 || members.LocalRole != pb.MemberRole_MEMBER_ROLE_VOTER {
		t.Error(members, err)
	}
	split, err := cluster.SplitRange(t.Context(), &pb.SplitRangeRequest{KeySpace: "a", SplitKey: "b"})
	if err != nil || split.Success || split.Status == "" || split.Reason == "" {
		t.Error(split, err)
	}
	if err := f.conn.Invoke(t.Context(), "/KeyValuer/TryPrepareMutations", &pb.GetRangesRequest{}, &pb.GetRangesResponse{}); status.Code(err) != codes.Unimplemented {
		t.Error("a call between servers:", err)
	}
}

// TestReconnect, item 14: a client comes again to a server that was restarted.
func TestReconnect(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	addr := "127.0.0.1:0"
	var conn *grpc.ClientConn
	for range 2 {
		s := New(f.service, Options{})
		l, err := s.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		if conn == nil {
			addr = l.String()
			conn, err = grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		stream, err := pb.NewKeyValuerClient(conn).BatchClientKeyValueRequests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		k := kvStream{stream, t}
		k.send(setRequest(1, "k", "v"))
		if a := k.recv(); a.GetTrySetKeyValue().GetType() != pb.KvType_KV_TYPE_SET {
			t.Error(a)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := k.Recv(); status.Code(err) != codes.Unavailable {
			t.Error("the stream ended with", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestBounds: what is under way in a stream is bounded; who does not read his
// answers does not make the server read on.
func TestBounds(t *testing.T) {
	var g budget
	g.init(2, 100)
	if !g.take(90) {
		t.Fatal("ended")
	}
	taken := make(chan bool, 3)
	go func() { taken <- g.take(20); taken <- g.take(1); taken <- g.take(5000) }()
	g.give(1, 90)
	for range 2 {
		if !<-taken {
			t.Error("ended")
		}
	}
	g.give(1, 20)
	g.give(1, 1)
	if !<-taken { // larger than all there is, but alone
		t.Error("ended")
	}
	g.end()
	if g.take(1) {
		t.Error("not ended")
	}
}

// TestClientGone: a client that resets its stream leaves nothing behind.
func TestClientGone(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s, err := f.kv.BatchClientKeyValueRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := s.Send(setRequest(int32(i), "k", "v")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for {
		if _, err := s.Recv(); err != nil {
			if status.Code(err) != codes.Canceled {
				t.Error(err)
			}
			break
		}
	}
	if err := f.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSlowReader: a client that sends and does not read is cut off, with a line in
// the log; meanwhile the server does not read on without bound.
func TestSlowReader(t *testing.T) {
	var log lockedBuffer
	f := serve(t, wire.Options{}, Options{Patience: 300 * time.Millisecond, InFlight: 100, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s := f.stream()
	s.send(setRequest(0, "k", strings.Repeat("x", 1<<20)))
	s.recv()
	for i := int32(1); ; i++ {
		err := s.Send(&pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_GET, RequestId: i, Payload: &pb.BatchClientKeyValueRequest_TryGetKeyValue{
			TryGetKeyValue: &pb.TryGetKeyValueRequest{Key: "k", Revision: -1, Durability: persistent}}})
		if err != nil {
			break
		}
	}
	for {
		if _, err := s.Recv(); err != nil {
			if status.Code(err) != codes.Unavailable {
				t.Error("the stream ended with", err)
			}
			break
		}
	}
	if !strings.Contains(log.String(), "does not read its answers") {
		t.Error("the log:", log.String())
	}
	other := f.stream()
	other.send(setRequest(1, "j", "v"))
	other.recv()
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
